"""A data set's records as batches of pairs of like length (tf.data)."""

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipeline.errors import UserError
from pipeline.reading.batching import Batch, Unit, divide
from pipeline.reading.direction import lengths, read_pairs
from pipeline.reading.features import Features
from pipeline.reading.regularization import Sides
from pipeline.reading.shards import checked_shards
from pipeline.schema import Manifest

_PAIRS_AT_ONCE, _BATCHES_AHEAD = 4096, 4


def batches(
    data: str | Path,
    split: str,
    *,
    unit: Unit,
    size: int,
    max_source_length: int,
    max_target_length: int,
    shuffle_buffer: int,
    bucket_width: int = 0,
    subword_regularization: float = 0.0,
    regularized_sides: Sides = "both",
    reverse: bool = False,
    seed: int | None = None,
    first_epoch: int = 0,
    first_batch: int = 0,
    epochs: int = 1,
) -> tf.data.Dataset:
    """Reads a split in batches of pairs of like length, epoch after epoch.

    The order of an epoch is a pure function of the data set, `seed` and the epoch's number, so reading from
    `first_epoch` and `first_batch` on gives what reading from the beginning would have given there. So are the pieces
    into which subword regularization divides a sentence. Which pairs make a batch is decided by the lengths that they
    have in the data set.

    Args:
        data: The data set's folder.
        split: `train` or `valid`.
        unit: What `size` counts: pairs, or tokens of the padded longer side.
        size: The size of a full batch, in `unit`.
        max_source_length: Longest source, in pieces, END included; longer pairs are left out.
        max_target_length: The same for the target.
        shuffle_buffer: Count of pairs that are read, shuffled and divided into batches together. Which pairs these are,
            and which come first, is the same in every epoch: the files' order is random already.
        bucket_width: See `divide`.
        subword_regularization: See `Regularizer`; 0 reads the pieces as they are.
        regularized_sides: The sides of which pieces are drawn.
        reverse: Whether the data set's target is read as the source, and its source as the target. All that is said of
            source and target is said of them as they are read.
        seed: Decides the order; None keeps the order of lengths, and the pieces.
        first_epoch: The number of the first epoch.
        first_batch: Batches of the first epoch that are left out.
        epochs: How many epochs follow one another.

    Returns:
        `({"source_ids": (batch, src_len), "decoder_input_ids": (batch, tgt_len)}, target_ids (batch, tgt_len))`,
        int32, PAD after the end of a row; `decoder_input_ids` is START and `target_ids` without its END.

    Raises:
        UserError: The data set lacks its manifest, the split or a shard, or a shard is not what the manifest says.
    """
    files = tf.constant(checked_shards(data, split))
    division = _division(unit, size, max_source_length, max_target_length, bucket_width)
    features = Features(
        data,
        limits=(max_source_length, max_target_length),
        bucket_width=bucket_width,
        reverse=reverse,
        strength=0.0 if seed is None else subword_regularization,
        sides=regularized_sides,
    )

    def divide_pool(lengths: np.ndarray, number: np.ndarray, epoch: np.ndarray) -> tuple[np.ndarray, ...]:
        random = None if seed is None else np.random.default_rng([seed, int(epoch), int(number)])
        divided = division(*lengths, random=random)
        order = np.concatenate([np.array([], np.int64), *(batch.pairs for batch in divided)])
        ends = np.cumsum([0, *(len(batch.pairs) for batch in divided)])
        return order, ends, np.array([batch.shape for batch in divided], np.int64).reshape(-1, 3)

    def pools(epoch: tf.Tensor) -> tf.data.Dataset:
        read = tf.data.TFRecordDataset(files).batch(shuffle_buffer).enumerate()
        return read.map(lambda number, pool: in_batches(pool, number, epoch))

    def in_batches(pool: tf.Tensor, number: tf.Tensor, epoch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        arguments = [lengths(pool, reverse), number, epoch]
        order, ends, shapes = tf.numpy_function(divide_pool, arguments, [tf.int64] * 3, stateful=False)
        pool = tf.gather(pool, tf.ensure_shape(order, [None]))
        place = tf.stack([0 if seed is None else seed, epoch, number])
        return pool, tf.ensure_shape(ends, [None]), tf.ensure_shape(shapes, [None, 3]), place

    options = tf.data.Options()
    # Its thread keeps an iterator that is given up, as each validation's is, from going for up to ten seconds.
    options.autotune.enabled = False
    return (
        tf.data.Dataset.range(first_epoch, first_epoch + epochs)
        .flat_map(pools)
        # The next pool, of the next epoch too, is made ready while this one is trained on.
        .prefetch(1)
        .flat_map(_slices)
        .skip(first_batch)
        .map(features, num_parallel_calls=_BATCHES_AHEAD)
        .prefetch(_BATCHES_AHEAD)
        .with_options(options)
    )


def pairs(data: str | Path, split: str, reverse: bool = False) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The source and target ids of each pair of a split, END included, in the order of the files.

    Raises:
        UserError: As `batches`.
    """
    protects = bool(Manifest.read_from(data).protected)
    for serialized in tf.data.TFRecordDataset(checked_shards(data, split)).batch(_PAIRS_AT_ONCE):
        source, target = (
            np.split(ids.values.numpy(), ids.row_splits.numpy()[1:-1])
            for ids in read_pairs(serialized, reverse, protects)
        )
        yield from zip(source, target, strict=True)


def _division(
    unit: Unit, size: int, max_source_length: int, max_target_length: int, bucket_width: int
) -> Callable[..., list[Batch]]:
    """`divide` by the settings, which wants lengths alone."""
    return functools.partial(
        divide,
        unit=unit,
        size=size,
        max_source_length=max_source_length,
        max_target_length=max_target_length,
        bucket_width=bucket_width,
    )


def _slices(pool: tf.Tensor, ends: tf.Tensor, shapes: tf.Tensor, place: tf.Tensor) -> tf.data.Dataset:
    """The batches of records that stand one after the other in a pool, each with its shape and its place."""
    numbers = tf.data.Dataset.range(tf.size(ends, tf.int64) - 1)
    return numbers.map(lambda i: (pool[ends[i] : ends[i + 1]], shapes[i], tf.concat([place, [i]], axis=0)))


class Survey(NamedTuple):
    """What an epoch brings.

    Attributes:
        batches: How many; as many in every epoch, as the lengths in a pool decide their number.
        largest: Rows, source length and target length of the one that takes most memory.
    """

    batches: int
    largest: tuple[int, int, int]


def survey(
    data: str | Path,
    split: str,
    *,
    unit: Unit,
    size: int,
    max_source_length: int,
    max_target_length: int,
    shuffle_buffer: int,
    bucket_width: int = 0,
    subword_regularization: float = 0.0,
    regularized_sides: Sides = "both",
    reverse: bool = False,
) -> Survey:
    """Counts and measures the batches that `batches` of the same arguments will give.

    Raises:
        UserError: As `batches`; and there is no pair, or none is short enough.
    """
    files = checked_shards(data, split)
    if not Manifest.read_from(data).splits[split].records:
        raise UserError(
            f"--data: expected pairs for {split}, received none in {str(data)!r}; make the data set anew with more"
        )
    pools = tf.data.TFRecordDataset(files).batch(shuffle_buffer).map(lambda pool: lengths(pool, reverse))
    division = _division(unit, size, max_source_length, max_target_length, bucket_width)
    features = Features(
        data,
        limits=(max_source_length, max_target_length),
        bucket_width=bucket_width,
        reverse=reverse,
        strength=subword_regularization,
        sides=regularized_sides,
    )
    # Counted by shape, of which there are not more in a longer epoch.
    shapes = Counter(features.largest(batch.shape) for pool in pools.as_numpy_iterator() for batch in division(*pool))
    if not shapes:
        raise UserError(
            f"batching.max_source_length, batching.max_target_length: expected lengths that some pairs of {split} have,"
            f" received {max_source_length} and {max_target_length}, which leave none; raise them"
        )
    return Survey(shapes.total(), max(shapes, key=math.prod))


def in_pieces(batches: tf.data.Dataset, pieces: int, rows: int = 1) -> tf.data.Dataset:
    """Cuts batches for those who train on them together.

    Args:
        batches: From `batches`.
        pieces: How many a batch is cut into, of as many rows each; they come one after the other.
        rows: The count of rows of a piece is a multiple of it. What is missing are rows of padding.
    """

    def cut(ids: tf.Tensor) -> tf.Tensor:
        count, length = tf.unstack(tf.shape(ids))
        whole = tf.pad(ids, [[0, -count % (pieces * rows)], [0, 0]])
        return tf.reshape(whole, [pieces, -1, length])

    return batches.flat_map(
        lambda inputs, target_ids: tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(cut, (inputs, target_ids)))
    )
