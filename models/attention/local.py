"""Attention to a window of the source."""

from typing import Any

import keras
from keras import ops

from models.attention.base import Attention, Memory, Reading, masked_softmax


@keras.saving.register_keras_serializable(package="keras_nmt")
class LocalAttention(Attention):
    """`general` attention around a place that the state foretells, local-p (Luong 2015, equations 9 and 10).

    p = S sigmoid(v tanh(W s)), S being the source's length; the weights within `window` of p are multiplied with
    exp(-(place - p)^2 / (2 (window / 2)^2)).

    Args:
        window: Tokens on either side of p.
        asks_with_input: See `Attention`.
    """

    has_gradient = False

    def __init__(self, window: int, asks_with_input: bool = False, **kwargs: Any):
        super().__init__(asks_with_input, **kwargs)
        self.window = window

    def query_width(self, values_units: int) -> int:
        """See `Attention`: what is compared with the values, and what foretells the place."""
        return 2 * values_units

    def build(self, state_units: int, values_units: int, inputs_units: int = 0) -> None:
        """See `Attention`."""
        super().build(state_units, values_units, inputs_units)
        self.query_kernel = self.add_weight(name="query_kernel", shape=(state_units, 2 * values_units))
        self.place_kernel = self.add_weight(name="place_kernel", shape=(values_units, 1))

    def read(self, score_kernel: Any, memory: Memory, query: Any, memo: tuple[Any, ...] = ()) -> Reading:
        """See `Attention`; weights add up to 1 at most."""
        compared, foretelling = ops.split(query, 2, axis=-1)
        lengths = ops.sum(ops.cast(memory.mask, query.dtype), axis=1)[:, None, None]
        place = lengths * ops.sigmoid(ops.matmul(ops.tanh(foretelling), self.place_kernel))
        distance = ops.arange(ops.shape(memory.values)[1], dtype=query.dtype) - place
        near = memory.mask[:, None] & (ops.abs(distance) <= self.window)
        weights = masked_softmax(ops.matmul(compared, ops.swapaxes(memory.values, 1, 2)), near)
        return Reading(query, weights * ops.exp(-2 * ops.square(distance / self.window)))
