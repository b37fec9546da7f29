"""Attention with several heads."""

from typing import Any

import keras
from keras import ops

from models.attention.additive import AdditiveAttention
from models.attention.base import Memory, Reading, masked_softmax


@keras.saving.register_keras_serializable(package="keras_nmt")
class MultiHeadAttention(AdditiveAttention):
    """Additive attention of several heads, each with a slice of keys, queries and values (Chen 2018, section 4.1).

    The heads stand one after the other along the source: the values of a head are zero outside its slice, so that the
    one mean that a decoder takes is that of all heads, side by side.

    Args:
        units: Width of the layer in which query and key are added, all heads together.
        heads: A divisor of `units` and of the values' width.
        asks_with_input: See `Attention`.
    """

    has_gradient = False

    def __init__(self, units: int, heads: int, asks_with_input: bool = False, **kwargs: Any):
        super().__init__(units, asks_with_input, **kwargs)
        self.heads = heads

    def values(self, values: Any) -> Any:
        """See `Attention`: `(batch, heads * src_len, encoder_units)`."""
        units = values.shape[-1]
        own = ops.repeat(ops.eye(self.heads, dtype=values.dtype), units // self.heads, axis=1)
        return ops.reshape(values[:, None] * own[:, None], (ops.shape(values)[0], -1, units))

    def read(self, score_kernel: Any, memory: Memory, query: Any, memo: tuple[Any, ...] = ()) -> Reading:
        """See `Attention`; the weights are `(batch, n, heads * src_len)`, a distribution for each head."""
        keys = ops.transpose(memory.keys, (1, 0, 2))[:, None]
        hidden = ops.tanh(keys + ops.expand_dims(query, 2)) * score_kernel
        batch, n, source = ops.shape(hidden)[0], query.shape[1], ops.shape(hidden)[2]
        by_head = ops.reshape(hidden, (batch, n, source, self.heads, self.units // self.heads))
        scores = ops.transpose(ops.sum(by_head, axis=-1), (0, 1, 3, 2))
        weights = masked_softmax(scores, memory.mask[:, None, None])
        return Reading(query, ops.reshape(weights, (batch, n, -1)))
