"""Attention by dot products."""

from typing import Any

import keras
from keras import ops

from models.attention.base import Attention, Memory, mixture_gradient


@keras.saving.register_keras_serializable(package="keras_nmt")
class DotAttention(Attention):
    """scores = q h, q being the state s or, `general`, s W (Luong 2015, section 3.1); the values are the keys.

    Args:
        general: Whether there is a W; without it, state and values are of one width.
        asks_with_input: See `Attention`.
        scaled: Whether the scores are divided by the root of the values' width (Vaswani 2017, equation 1).
    """

    def __init__(self, general: bool, asks_with_input: bool = False, scaled: bool = False, **kwargs: Any):
        super().__init__(asks_with_input, **kwargs)
        self.has_query_kernel, self.scaled = general, scaled

    def query_width(self, values_units: int) -> int:
        """See `Attention`."""
        return values_units

    def build(self, state_units: int, values_units: int, inputs_units: int = 0) -> None:
        """See `Attention`."""
        super().build(state_units, values_units, inputs_units)
        if self.has_query_kernel:
            self.query_kernel = self.add_weight(name="query_kernel", shape=(state_units, values_units))

    def scores(self, score_kernel: Any, memory: Memory, query: Any) -> Any:
        """See `Attention`."""
        return self._scale(memory) * ops.matmul(query, ops.swapaxes(memory.values, 1, 2))

    def gradient(self, score_kernel: Any, memory: Memory, query: Any, d_scores: Any) -> tuple[Any, tuple[Any, ...]]:
        """See `Attention`."""
        return self._scale(memory) * ops.matmul(d_scores, memory.values), ()

    def finish(
        self, score_kernel: Any, memory: Memory, sums: tuple[Any, ...], queries: Any, d_scores: Any, d_values: Any
    ) -> tuple[Any, Any, Any]:
        """See `Attention`."""
        return (), (), d_values + self._scale(memory) * mixture_gradient(d_scores, queries)

    def _scale(self, memory: Memory) -> float:
        return memory.values.shape[-1] ** -0.5 if self.scaled else 1.0
