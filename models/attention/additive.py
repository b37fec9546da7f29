"""Additive attention."""

from typing import Any

import keras
from keras import ops

from models.attention.base import Attention, Memory
from models.recurrent.loops import linear, linear_gradient


@keras.saving.register_keras_serializable(package="keras_nmt")
class AdditiveAttention(Attention):
    """scores = v tanh(W s + U h) (Bahdanau 2015, section A.1.2).

    Luong's `concat` (2015, section 3.1) is the same: a matrix times s and h side by side is W s + U h.

    Args:
        units: Width of the layer in which query and key are added.
        asks_with_input: See `Attention`.
        normalized: Whether v is `gain * v / |v|`, with a gain of its own (Salimans and Kingma 2016).
    """

    def __init__(self, units: int, asks_with_input: bool = False, normalized: bool = False, **kwargs: Any):
        super().__init__(asks_with_input, **kwargs)
        self.units, self.normalized = units, normalized

    def query_width(self, values_units: int) -> int:
        """See `Attention`."""
        return self.units

    def build(self, state_units: int, values_units: int, inputs_units: int = 0) -> None:
        """See `Attention`."""
        super().build(state_units, values_units, inputs_units)
        self.query_kernel = self.add_weight(name="query_kernel", shape=(state_units, self.units))
        self.key_kernel = self.add_weight(name="key_kernel", shape=(values_units, self.units))
        self.key_bias = self.add_weight(name="key_bias", shape=(self.units,), initializer="zeros")
        stddev = self.units**-0.5
        initializer = keras.initializers.RandomNormal(stddev=stddev)
        self.score_kernel = self.add_weight(name="score_kernel", shape=(self.units,), initializer=initializer)
        if self.normalized:
            self.score_gain = self.add_weight(name="score_gain", shape=(), initializer="ones")

    def keys(self, values: Any) -> Any:
        """See `Attention`."""
        return linear(ops.transpose(values, (1, 0, 2)), self.key_kernel, self.key_bias)

    def scoring_kernel(self) -> Any:
        """v, `(attention_units,)`."""
        v = ops.convert_to_tensor(self.score_kernel)
        return self.score_gain * v * ops.rsqrt(ops.sum(ops.square(v))) if self.normalized else v

    def scores(self, score_kernel: Any, memory: Memory, query: Any) -> Any:
        """See `Attention`."""
        # One hypothesis after the other, so that adding its query is adding a row.
        hidden = (ops.tanh(memory.keys + query[:, n]) for n in range(query.shape[1]))
        columns = [ops.matmul(ops.reshape(each, (-1, self.units)), score_kernel[:, None]) for each in hidden]
        scores = ops.reshape(ops.concatenate(columns, axis=-1), (*ops.shape(memory.keys)[:2], len(columns)))
        return ops.transpose(scores, (1, 2, 0))

    def no_sums(self, score_kernel: Any, memory: Memory) -> tuple[Any, ...]:
        """See `Attention`."""
        return ops.zeros_like(score_kernel), ops.zeros_like(memory.keys)

    def gradient(self, score_kernel: Any, memory: Memory, query: Any, d_scores: Any) -> tuple[Any, tuple[Any, ...]]:
        """See `Attention`.

        With hidden = tanh(keys + query), the gradient of what the tanh is applied to is d_scores v (1 - hidden^2). It
        is summed over the source for the query, where d_scores adds up to 0, and over the steps for the keys, where v
        is the same in all: so the loop need only see d_scores hidden^2, and `finish` adds the rest once.
        """
        d_scores = ops.transpose(d_scores, (2, 0, 1))
        hidden = ops.tanh(memory.keys + query[:, 0])
        curved = d_scores * ops.square(hidden)
        d_query = -score_kernel * ops.sum(curved, axis=0)
        return d_query[:, None], (linear_gradient(d_scores, hidden)[0], curved)

    def finish(
        self, score_kernel: Any, memory: Memory, sums: tuple[Any, ...], queries: Any, d_scores: Any, d_values: Any
    ) -> tuple[Any, Any, Any]:
        """See `Attention`."""
        d_score_kernel, curved = sums
        d_scores = ops.transpose(ops.sum(d_scores, axis=0), (2, 0, 1))
        return d_score_kernel, score_kernel * (d_scores - curved), d_values
