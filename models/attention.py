"""Attention: where a decoder looks in the source."""

from typing import Any, NamedTuple

import keras
from keras import ops

from models.loops import linear, linear_gradient, take

MASKED_SCORE = -1e9


class Memory(NamedTuple):
    """What a decoder reads, computed once a sentence.

    Attributes:
        keys: `(src_len, batch, attention_units)`; time comes first, so that adding a query is adding a row. An empty
            tuple where the values are the keys.
        values: `(batch, src_len, encoder_units)`.
        gates: What each value would add to a cell's gates, `(batch, src_len, gates * units)`. That of a context is the
            same mean of these as the context is of the values, so no step has to multiply a context with a kernel.
        mask: `(batch, src_len)`, bool, True = real token.
    """

    keys: Any
    values: Any
    gates: Any
    mask: Any

    def take(self, rows: Any) -> "Memory":
        """The memory of the sentences `rows (m,)`."""
        keys = () if isinstance(self.keys, tuple) else take(self.keys, rows, axis=1)
        return Memory(keys, take(self.values, rows), take(self.gates, rows), take(self.mask, rows))


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
    """

    has_query_kernel = True

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

    def ask(self, inputs: Any) -> Any:
        """What the decoder's inputs `(..., inputs_units)` add to their queries; an empty tuple if nothing."""
        return linear(inputs, self.input_kernel) if self.asks_with_input else ()

    def scoring_kernel(self) -> Any:
        """The `score_kernel` of the methods below; an empty tuple if there is none."""
        return ()

    def scores(self, score_kernel: Any, memory: Memory, query: Any) -> Any:
        """Scores `(batch, n, src_len)` of queries `(batch, n, query_width)`."""
        raise NotImplementedError

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


def read(attention: Attention, score_kernel: Any, memory: Memory, query: Any) -> Reading:
    """Reads the memory: weights = softmax(scores) (Bahdanau 2015, equation 6).

    Args:
        attention: How a query is scored.
        score_kernel: Its weights.
        memory: The source.
        query: `(batch, n, query_width)`.

    Returns:
        The reading; padding has weight 0.
    """
    scores = attention.scores(score_kernel, memory, query)
    return Reading(query, ops.softmax(ops.where(memory.mask[:, None], scores, MASKED_SCORE), axis=-1))


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


@keras.saving.register_keras_serializable(package="keras_nmt")
class AdditiveAttention(Attention):
    """scores = v tanh(W s + U h) (Bahdanau 2015, section A.1.2).

    Args:
        units: Width of the layer in which query and key are added.
        asks_with_input: See `Attention`.
    """

    def __init__(self, units: int, asks_with_input: bool = False, **kwargs: Any):
        super().__init__(asks_with_input, **kwargs)
        self.units = units

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

    def keys(self, values: Any) -> Any:
        """See `Attention`."""
        return linear(ops.transpose(values, (1, 0, 2)), self.key_kernel, self.key_bias)

    def scoring_kernel(self) -> Any:
        """v, `(attention_units,)`."""
        return ops.convert_to_tensor(self.score_kernel)

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


@keras.saving.register_keras_serializable(package="keras_nmt")
class DotAttention(Attention):
    """scores = q h, q being the state s or, `general`, s W (Luong 2015, equation 8); the values are the keys.

    As with `AdditiveAttention`, s is the state before the step, and q holds a map of the input too if asked with it.

    Args:
        general: Whether there is a W; without it, state and values are of one width.
        asks_with_input: See `Attention`.
    """

    def __init__(self, general: bool, asks_with_input: bool = False, **kwargs: Any):
        super().__init__(asks_with_input, **kwargs)
        self.has_query_kernel = general

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
        return ops.matmul(query, ops.swapaxes(memory.values, 1, 2))

    def gradient(self, score_kernel: Any, memory: Memory, query: Any, d_scores: Any) -> tuple[Any, tuple[Any, ...]]:
        """See `Attention`."""
        return ops.matmul(d_scores, memory.values), ()

    def finish(
        self, score_kernel: Any, memory: Memory, sums: tuple[Any, ...], queries: Any, d_scores: Any, d_values: Any
    ) -> tuple[Any, Any, Any]:
        """See `Attention`."""
        return (), (), d_values + mixture_gradient(d_scores, queries)


def make_attention(kind: str, units: int, asks_with_input: bool) -> Attention | None:
    """The attention layer of a name: `additive` with `units`, `dot`, `general`, or None for `none`."""
    if kind == "none":
        return None
    if kind == "additive":
        return AdditiveAttention(units, asks_with_input, name="attention")
    return DotAttention(kind == "general", asks_with_input, name="attention")
