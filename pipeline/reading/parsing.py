"""Records to ids, in a graph."""

import tensorflow as tf

from pipeline.schema import SOURCE_IDS, TARGET_IDS

_FEATURES = {name: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64) for name in (SOURCE_IDS, TARGET_IDS)}


def parse(serialized: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Reads records.

    Args:
        serialized: `(n,)` string, each from `records.serialize`.

    Returns:
        source ids and target ids, `(n, None)` int32 each.
    """
    ids = tf.io.parse_example(serialized, _FEATURES)
    return tf.cast(ids[SOURCE_IDS], tf.int32), tf.cast(ids[TARGET_IDS], tf.int32)
