"""What a model has to know of its replicas, which run each on its own on TensorFlow; on JAX there is but one."""

from typing import Any

import keras
from keras import ops


def over_replicas(parts: Any) -> Any:
    """The sum of each of `parts`, a structure of tensors, over all replicas."""
    context = _context()
    return context.all_reduce("SUM", parts) if context else parts


def is_first() -> bool:
    """Whether this is the first replica, or the only one."""
    if not (context := _context()):
        return True
    import tensorflow as tf

    return tf.get_static_value(context.replica_id_in_sync_group) == 0


def _context() -> Any:
    """That of one replica among several."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context if context and context.num_replicas_in_sync > 1 else None


# Keras counts the draws in the second half of a seed; the first is the same in all of them.
_APART = 1_000_003


class Seeds(keras.random.SeedGenerator):
    """Seeds that differ from replica to replica."""

    def next(self, ordered: bool = True) -> Any:
        """The next one; in the first replica, or where there is only one, that of Keras's own generator."""
        seed, context = super().next(ordered), _context()
        if not context:
            return seed
        number = ops.cast(context.replica_id_in_sync_group, seed.dtype)
        return seed + ops.stack([number * _APART, ops.zeros_like(number)])
