"""The direction in which a data set's pairs are read: from source to target, or in reverse."""

import tensorflow as tf

from pipeline.protected import COUNT, FIRST_ID, is_placeholder
from pipeline.reading.parsing import parse

Sides = tuple[tf.RaggedTensor, tf.RaggedTensor]


def read_pairs(serialized: tf.Tensor, reverse: bool, protects: bool) -> Sides:
    """Reads records in a direction.

    Args:
        serialized: Records, `(n,)` string.
        reverse: Whether the target stands for the source, and the source for the target.
        protects: Whether the subwords have placeholders, which are numbered in the order of the source.

    Returns:
        Source ids and target ids, `(n, None)` int32 each.
    """
    source, target = parse(serialized)
    if not reverse:
        return source, target
    return _renumbered(target, source) if protects else (target, source)


def lengths(serialized: tf.Tensor, reverse: bool) -> tf.Tensor:
    """Source and target lengths of records, `(2, n)` int64; see `read_pairs`."""
    return tf.stack([ids.row_lengths() for ids in read_pairs(serialized, reverse, protects=False)])


def _renumbered(source: tf.RaggedTensor, target: tf.RaggedTensor) -> Sides:
    """Numbers the placeholders of both sides in the order of the source: each stands there once, on both sides."""
    found = is_placeholder(source.values)
    rows = tf.boolean_mask(source.value_rowids(), found)
    numbers = tf.cast(tf.boolean_mask(source.values, found) - FIRST_ID, tf.int64)
    ranks = tf.range(tf.size(rows)) - tf.searchsorted(rows, rows)
    table = tf.scatter_nd(tf.stack([rows, numbers], axis=1), ranks, tf.stack([source.nrows(), COUNT]))

    def renumbered(side: tf.RaggedTensor) -> tf.RaggedTensor:
        numbers = tf.clip_by_value(tf.cast(side.values, tf.int64) - FIRST_ID, 0, COUNT - 1)
        others = FIRST_ID + tf.gather_nd(table, tf.stack([side.value_rowids(), numbers], axis=1))
        return side.with_values(tf.where(is_placeholder(side.values), others, side.values))

    return renumbered(source), renumbered(target)
