"""A data set's records as batches of pairs of like length (tf.data)."""

import functools
import os
from pathlib import Path
from typing import Literal, NamedTuple

import tensorflow as tf

from pipeline import records
from pipeline.errors import UserError
from pipeline.schema import DECODER_INPUT_IDS, MANIFEST_FILE, SOURCE_IDS, START_ID, Manifest

_FIRST_BOUNDARY, _GROWTH = 8, 1.1
_BLOCK = 4096

Unit = Literal["sentences", "tokens"]


class _Buckets(NamedTuple):
    """Pairs whose longer side has a like length; bucket `i` goes up to boundary `i`, exclusive."""

    boundaries: tf.Tensor
    sizes: tf.Tensor
    max_source_length: int
    max_target_length: int

    @classmethod
    def plan(cls, unit: Unit, size: int, max_source_length: int, max_target_length: int) -> "_Buckets":
        # Dense for short sentences, then 10 % apart: on Multi30k with 64 sentences a batch, padding takes 7 % of the
        # positions and 25 batches are partial; 20 % apart, padding takes 11 % and 14 are; one length each, 6 % and 50.
        boundaries = [_FIRST_BOUNDARY]
        while boundaries[-1] <= max(max_source_length, max_target_length):
            boundaries.append(max(boundaries[-1] + 1, int(boundaries[-1] * _GROWTH)))
        sizes = [size if unit == "sentences" else max(1, size // (boundary - 1)) for boundary in boundaries]
        return cls(
            tf.constant(boundaries, tf.int64), tf.constant(sizes, tf.int64), max_source_length, max_target_length
        )

    def assign(self, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Gives those of the records `(n,)` that are not too long, and the bucket of each, `(m,)` int64."""
        source, target = (ids.row_lengths() for ids in records.parse(serialized))
        short = (source <= self.max_source_length) & (target <= self.max_target_length)
        buckets = tf.searchsorted(self.boundaries, tf.maximum(source, target), side="right", out_type=tf.int64)
        return tf.boolean_mask(serialized, short), tf.boolean_mask(buckets, short)


def batches(
    data: str | Path,
    split: str,
    *,
    unit: Unit,
    size: int,
    max_source_length: int,
    max_target_length: int,
    shuffle_buffer: int,
    seed: int | None = None,
    first_epoch: int = 0,
    epochs: int = 1,
) -> tf.data.Dataset:
    """Reads a split in batches of pairs of like length, epoch after epoch.

    The order of an epoch is a pure function of the data set, `seed` and the epoch's number, so reading from
    `first_epoch` on gives what reading from the beginning would have given there.

    Args:
        data: The data set's folder.
        split: `train` or `valid`.
        unit: What `size` counts: pairs, or tokens of the padded longer side.
        size: The size of a full batch, in `unit`.
        max_source_length: Longest source, in pieces, END included; longer pairs are left out.
        max_target_length: The same for the target.
        shuffle_buffer: Count of pairs that are shuffled together; each block of as many is drawn from the shards in
            an order of its own.
        seed: Decides the order; None keeps the order of the files.
        first_epoch: The number of the first epoch.
        epochs: How many epochs follow one another.

    Returns:
        `({"source_ids": (batch, src_len), "decoder_input_ids": (batch, tgt_len)}, target_ids (batch, tgt_len))`,
        int32, PAD after the end of a row; `decoder_input_ids` is START and `target_ids` without its END.

    Raises:
        UserError: The data set lacks its manifest, the split or a shard, or a shard is not what the manifest says.
    """
    files = tf.constant(_checked_shards(data, split))
    buckets = _Buckets.plan(unit, size, max_source_length, max_target_length)

    def read(epoch: tf.Tensor) -> tf.data.Dataset:
        if seed is None:
            return tf.data.TFRecordDataset(files).batch(_BLOCK).map(buckets.assign)
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        blocks = tf.data.TFRecordDataset(_shuffle(files, key)).batch(shuffle_buffer).enumerate(1)
        return blocks.map(
            lambda number, block: buckets.assign(_shuffle(block, tf.random.experimental.stateless_fold_in(key, number)))
        )

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        return (
            read(epoch)
            .unbatch()
            .group_by_window(
                key_func=lambda _, bucket: bucket,
                reduce_func=lambda bucket, window: window.map(lambda record, _: record).batch(buckets.sizes[bucket]),
                window_size_func=lambda bucket: buckets.sizes[bucket],
            )
        )

    return (
        tf.data.Dataset.range(first_epoch, first_epoch + epochs)
        .flat_map(epoch_batches)
        .map(_features, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def count_batches(
    data: str | Path,
    split: str,
    *,
    unit: Unit,
    size: int,
    max_source_length: int,
    max_target_length: int,
    shuffle_buffer: int,
) -> int:
    """Counts the batches of an epoch, which is the same in every epoch, as a pair's lengths decide its bucket.

    Args:
        data: See `batches`, as for all arguments.
        split: The split.
        unit: What `size` counts.
        size: The size of a full batch.
        max_source_length: Longest source.
        max_target_length: Longest target.
        shuffle_buffer: Without effect on the count.

    Raises:
        UserError: As `batches`; and no pair is short enough.
    """
    buckets = _Buckets.plan(unit, size, max_source_length, max_target_length)
    bins = len(buckets.sizes)
    pairs = (
        tf.data.TFRecordDataset(_checked_shards(data, split))
        .batch(_BLOCK)
        .map(buckets.assign, num_parallel_calls=tf.data.AUTOTUNE)
        .reduce(
            tf.zeros(bins, tf.int64),
            lambda counts, block: (
                counts + tf.math.bincount(tf.cast(block[1], tf.int32), minlength=bins, dtype=tf.int64)
            ),
        )
    )
    count = int(tf.reduce_sum(-(-pairs // buckets.sizes)))
    if not count:
        raise UserError(
            f"batching.max_source_length, batching.max_target_length: expected lengths that some pairs of {split} have,"
            f" received {max_source_length} and {max_target_length}, which leave none; raise them"
        )
    return count


def _shuffle(values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    # `Dataset.shuffle` would mix in the global seed of TensorFlow.
    return tf.random.experimental.stateless_shuffle(values, seed, alg="philox")


def _features(serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    source, target = records.parse(serialized)
    start = tf.fill([target.nrows(), 1], START_ID)
    decoder_input = tf.concat([start, target[:, :-1]], axis=1)
    return {SOURCE_IDS: source.to_tensor(), DECODER_INPUT_IDS: decoder_input.to_tensor()}, target.to_tensor()


@functools.cache
def _sha256(path: str, size: int, modified: int) -> str:
    """The SHA-256 of a file, read again only when its size or its time of change is another."""
    return records.file_sha256(path)


def _checked_shards(data: str | Path, split: str) -> list[str]:
    manifest = Manifest.read_from(data)
    if split not in manifest.splits:
        raise UserError(f"--data: expected a data set with {split!r}, received {str(data)!r} with {[*manifest.splits]}")
    files = []
    for shard in manifest.splits[split].shards:
        path = Path(data, shard.file)
        try:
            state = os.stat(path)
        except FileNotFoundError:
            raise UserError(
                f"--data: expected the shard {str(path)!r}, which {MANIFEST_FILE} lists, received a folder without it;"
                " make the data set anew with `nmt preprocess`"
            ) from None
        if _sha256(str(path), state.st_size, state.st_mtime_ns) != shard.sha256:
            raise UserError(
                f"--data: expected the shard {str(path)!r} as {MANIFEST_FILE} describes it, received one that differs;"
                " make the data set anew with `nmt preprocess`"
            )
        files.append(str(path))
    return files
