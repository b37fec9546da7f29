"""Attention: where a decoder looks in the source."""

from typing import Any, NamedTuple

import keras
from keras import ops

from models.recurrent.loops import linear, take

# Finite: a row without any token, which only fills a batch up, must not become a NaN.
MASKED_SCORE, MASKED_SCORE_FLOAT16 = -1e9, -6e4


class Memory(NamedTuple):
    """What a decoder reads, computed once a sentence.

    Attributes:
        keys: `(src_len, batch, attention_units)`; time comes first, so that adding a query is adding a row. An empty
            tuple where the values are the keys.
        values: `(batch, src_len, encoder_units)`.
        gates: What each value would add to a cell's gates, `(batch, src_len, gates * units)`. That of a context is the
            same mean of these as the context is of the values, so no step has to multiply a context with a kernel.
        mask: `(batch, src_len)`, bool, True = real token.
        fertility: How much attention each token may ask for, `(batch, src_len)`; an empty tuple without coverage.
    """

    keys: Any
    values: Any
    gates: Any
    mask: Any
    fertility: Any = ()

    def take(self, rows: Any) -> "Memory":
        """The memory of the sentences `rows (m,)`."""

        def taken(part: Any, axis: int = 0) -> Any:
            return () if isinstance(part, tuple) else take(part, rows, axis=axis)

        return Memory(taken(self.keys, 1), *map(taken, self[1:]))


class Reading(NamedTuple):
    """One look at the memory.

    Attributes:
        query: `(batch, n, query_width)`; n is the beam in search and 1 in training.
        weights: `(batch, n, src_len)`, a distribution over the source.
    """

    query: Any
    weights: Any


class Attention(keras.layers.Layer):
    """What asks a memory: the weights, how a query is scored, and the scores' gradient.

    `scores` and the three methods of its gradient take their weights as arguments, so that a recurrence with a gradient
    of its own can call them; that gradient is for n = 1.

    Args:
        asks_with_input: Whether the query holds the decoder's input beside its state.

    Attributes:
        has_query_kernel: Whether the state is multiplied with a `query_kernel`, or is the query itself.
        has_gradient: Whether there are the three methods; else the reading is differentiated automatically.
    """

    has_query_kernel = True
    has_gradient = True

    def __init__(self, asks_with_input: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.asks_with_input = asks_with_input

    def query_width(self, values_units: int) -> int:
        """Width of a query, for values of `values_units`."""
        raise NotImplementedError

    def build(self, state_units: int, values_units: int, inputs_units: int = 0) -> None:
        """Makes the weights for states of `state_units`, values of `values_units` and inputs of `inputs_units`."""
        if self.asks_with_input:
            width = self.query_width(values_units)
            self.input_kernel = self.add_weight(name="input_kernel", shape=(inputs_units, width))
        self.built = True

    def keys(self, values: Any) -> Any:
        """The keys of `Memory` of `values (batch, src_len, encoder_units)`."""
        return ()

    def values(self, values: Any) -> Any:
        """The values of `Memory` of `values (batch, src_len, encoder_units)`."""
        return values

    def fertility(self, values: Any) -> Any:
        """The fertility of `Memory` of `values (batch, src_len, encoder_units)`."""
        return ()

    def first_memo(self, memory: Memory) -> tuple[Any, ...]:
        """What is noted of the readings of a translation before the first, each part `(batch, 1, ...)`."""
        return ()

    def next_memo(self, memory: Memory, memo: tuple[Any, ...], weights: Any) -> tuple[Any, ...]:
        """What is noted after a reading with `weights (batch, n, src_len)`."""
        return ()

    def ask(self, inputs: Any) -> Any:
        """What the decoder's inputs `(..., inputs_units)` add to their queries; an empty tuple if nothing."""
        return linear(inputs, self.input_kernel) if self.asks_with_input else ()

    def scoring_kernel(self) -> Any:
        """The `score_kernel` of the methods below; an empty tuple if there is none."""
        return ()

    def scores(self, score_kernel: Any, memory: Memory, query: Any) -> Any:
        """Scores `(batch, n, src_len)` of queries `(batch, n, query_width)`."""
        raise NotImplementedError

    def read(self, score_kernel: Any, memory: Memory, query: Any, memo: tuple[Any, ...] = ()) -> Reading:
        """Reads the memory: weights = softmax(scores) (Bahdanau 2015, equation 6); padding has weight 0.

        Args:
            score_kernel: From `scoring_kernel`.
            memory: The source.
            query: `(batch, n, query_width)`.
            memo: What is noted of the readings before.
        """
        return Reading(query, masked_softmax(self.scores(score_kernel, memory, query), memory.mask[:, None]))

    def remember(self, values: Any, mask: Any) -> Memory:
        """What is read of a source apart from any cell: `values (batch, src_len, encoder_units)`, and their mask."""
        return Memory(self.keys(values), self.values(values), (), mask, self.fertility(values))

    def look(self, memory: Memory, state: Any, memo: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Reads with a `state (batch, n, units)`: the weights `(batch, n, src_len)`, and what is then noted."""
        query = linear(state, self.query_kernel) if self.has_query_kernel else state
        weights = self.read(self.scoring_kernel(), memory, query, memo).weights
        return weights, self.next_memo(memory, memo, weights)

    def no_sums(self, score_kernel: Any, memory: Memory) -> tuple[Any, ...]:
        """Zeros, of the shapes of what `gradient` adds up over the steps."""
        return ()

    def gradient(self, score_kernel: Any, memory: Memory, query: Any, d_scores: Any) -> tuple[Any, tuple[Any, ...]]:
        """One step backwards: the gradient of the query, and what is added up over the steps.

        Args:
            score_kernel: From `scoring_kernel`.
            memory: The source.
            query: `(batch, 1, query_width)`.
            d_scores: Gradient of its scores, `(batch, 1, src_len)`; a softmax's, so that a row's sum is 0.
        """
        raise NotImplementedError

    def finish(
        self, score_kernel: Any, memory: Memory, sums: tuple[Any, ...], queries: Any, d_scores: Any, d_values: Any
    ) -> tuple[Any, Any, Any]:
        """After the steps: the gradients of `score_kernel`, of the keys and of the values.

        Args:
            score_kernel: From `scoring_kernel`.
            memory: The source.
            sums: Of what `gradient` returned.
            queries: Of all steps, `(steps, batch, 1, query_width)`.
            d_scores: Of all steps, `(steps, batch, 1, src_len)`.
            d_values: Gradient of the values that is due to the contexts.
        """
        raise NotImplementedError


def masked_softmax(scores: Any, mask: Any) -> Any:
    """The softmax of `scores (..., src_len)` over the tokens for which `mask`, of a shape that fits, is True."""
    is_float16 = keras.backend.standardize_dtype(scores.dtype) == "float16"
    return ops.softmax(ops.where(mask, scores, MASKED_SCORE_FLOAT16 if is_float16 else MASKED_SCORE), axis=-1)


def softmax_gradient(weights: Any, d_weights: Any) -> Any:
    """Gradient of the scores from that of `weights = softmax(scores)`, `(..., src_len)`."""
    return weights * (d_weights - ops.sum(weights * d_weights, axis=-1, keepdims=True))


def mixture_gradient(weights: Any, d_mixtures: Any) -> Any:
    """Gradient of the rows `(batch, src_len, units)` of which each step took the mean by its weights.

    Args:
        weights: Of all steps, `(steps, batch, 1, src_len)`.
        d_mixtures: Gradient of the means, `(steps, batch, 1, units)`.
    """
    # TensorFlow's `einsum` makes many small products of it.
    return ops.matmul(ops.transpose(weights[:, :, 0], (1, 2, 0)), ops.transpose(d_mixtures[:, :, 0], (1, 0, 2)))
