"""Attention that knows what it has read already."""

from typing import Any

import keras
from keras import ops

from models.attention.additive import AdditiveAttention
from models.attention.base import Memory, Reading, masked_softmax
from models.recurrent.loops import linear

MOST_FERTILITY = 2.0


@keras.saving.register_keras_serializable(package="keras_nmt")
class CoverageAttention(AdditiveAttention):
    """scores = v tanh(W s + U h + V C), with linguistic coverage (Tu 2016, equations 5 to 8).

    The coverage C of a token is the attention that it has had, over its fertility N sigmoid(F h), N = 2.

    Args:
        units: Width of the layer in which query and key are added.
        asks_with_input: See `Attention`.
    """

    has_gradient = False

    def build(self, state_units: int, values_units: int, inputs_units: int = 0) -> None:
        """See `Attention`."""
        super().build(state_units, values_units, inputs_units)
        self.coverage_kernel = self.add_weight(name="coverage_kernel", shape=(self.units,))
        self.fertility_kernel = self.add_weight(name="fertility_kernel", shape=(values_units, 1))

    def fertility(self, values: Any) -> Any:
        """See `Attention`."""
        return MOST_FERTILITY * ops.sigmoid(linear(values, self.fertility_kernel)[..., 0])

    def first_memo(self, memory: Memory) -> tuple[Any, ...]:
        """No coverage, `(batch, 1, src_len)`."""
        return (ops.zeros_like(memory.fertility)[:, None],)

    def next_memo(self, memory: Memory, memo: tuple[Any, ...], weights: Any) -> tuple[Any, ...]:
        """The coverage, `(batch, n, src_len)`."""
        return (memo[0] + weights / memory.fertility[:, None],)

    def read(self, score_kernel: Any, memory: Memory, query: Any, memo: tuple[Any, ...] = ()) -> Reading:
        """See `Attention`."""
        keys = ops.transpose(memory.keys, (1, 0, 2))[:, None]
        covered = ops.expand_dims(memo[0], -1) * self.coverage_kernel
        hidden = ops.tanh(keys + ops.expand_dims(query, 2) + covered)
        return Reading(query, masked_softmax(linear(hidden, score_kernel[:, None])[..., 0], memory.mask[:, None]))
