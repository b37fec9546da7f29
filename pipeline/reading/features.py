"""Records of a batch as what a model is trained on."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from pipeline.reading.direction import read_pairs
from pipeline.reading.regularization import GROWTH, Regularizer, Sides
from pipeline.schema import DECODER_INPUT_IDS, SOURCE_IDS, START_ID, Manifest
from pipeline.tokenizer import Tokenizer

Shape = tuple[int, int, int]


class Features:
    """Makes padded ids of a batch's records.

    Args:
        data: The data set's folder.
        limits: Longest source and target, in pieces, END included.
        bucket_width: See `divide`.
        reverse: Whether the data set's target is read as the source, and its source as the target.
        strength: That of the subword regularization, see `Regularizer`; 0 for none.
        sides: The sides that it changes.
    """

    def __init__(
        self,
        data: str | Path,
        *,
        limits: Sequence[int],
        bucket_width: int,
        reverse: bool,
        strength: float,
        sides: Sides,
    ):
        manifest = Manifest.read_from(data)
        self._limits, self._bucket_width, self._reverse = limits, bucket_width, reverse
        self._protects = bool(manifest.protected)
        subwords = (manifest.target, manifest.source) if reverse else (manifest.source, manifest.target)
        self._draws = [
            Regularizer(Tokenizer.read(Path(data, each.file), each.fingerprint), strength)
            if strength and sides in ("both", name)
            else None
            for name, each in zip(("source", "target"), subwords, strict=True)
        ]

    def largest(self, shape: Shape) -> Shape:
        """The largest shape that a batch may have whose pairs have `shape` in the data set, as `Batch` tells it."""
        rows, *lengths = shape
        grown = [
            min(GROWTH * length, limit) if draws else length
            for draws, length, limit in zip(self._draws, lengths, self._limits, strict=True)
        ]
        if self._bucket_width:
            grown = [-(-max(grown) // self._bucket_width) * self._bucket_width] * 2
        return rows, grown[0], grown[1]

    def __call__(
        self, serialized: tf.Tensor, shape: tf.Tensor, place: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Makes them, in a graph.

        Args:
            serialized: Records, `(n,)` string.
            shape: Rows, source length and target length that the batch has in the data set, `(3,)` int64.
            place: What decides the pieces that are drawn, `(k,)` int64.

        Returns:
            As `batches`.
        """
        sides = list(read_pairs(serialized, self._reverse, self._protects))
        rows, *lengths = tf.unstack(shape)
        for side, draws in enumerate(self._draws):
            if draws:
                longest = tf.minimum(GROWTH * lengths[side], self._limits[side])
                sides[side] = draws(sides[side], tf.concat([place, [side]], axis=0), longest)
                lengths[side] = tf.reduce_max(sides[side].row_lengths())
        if self._bucket_width and any(self._draws):
            lengths = [-(-tf.reduce_max(lengths) // self._bucket_width) * self._bucket_width] * 2
        source, target = sides
        decoder_input = tf.concat([tf.fill([target.nrows(), 1], START_ID), target[:, :-1]], axis=1)
        inputs = {
            SOURCE_IDS: source.to_tensor(shape=tf.stack([rows, lengths[0]])),
            DECODER_INPUT_IDS: decoder_input.to_tensor(shape=tf.stack([rows, lengths[1]])),
        }
        return inputs, target.to_tensor(shape=tf.stack([rows, lengths[1]]))
