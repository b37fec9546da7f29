"""Attention: where a decoder looks in the source."""

from typing import Any, NamedTuple

import keras
from keras import ops

from models.loops import linear, linear_gradient

MASKED_SCORE = -1e9


class Memory(NamedTuple):
    """What a decoder reads, computed once a sentence.

    Attributes:
        keys: `(src_len, batch, attention_units)`; time comes first, so that adding a query is adding a row.
        values: `(batch, src_len, encoder_units)`.
        mask: `(batch, src_len)`, bool, True = real token.
    """

    keys: Any
    values: Any
    mask: Any

    def take(self, rows: Any) -> "Memory":
        """The memory of the sentences `rows (m,)`."""
        return Memory(*(ops.take(part, rows, axis=axis) for part, axis in zip(self, (1, 0, 0), strict=True)))


class Reading(NamedTuple):
    """One look at the memory.

    Attributes:
        query: `(batch, n, attention_units)`; n is the beam in search and 1 in training.
        weights: `(batch, n, src_len)`, a distribution over the source.
        context: `(batch, n, encoder_units)`.
    """

    query: Any
    weights: Any
    context: Any


def additive_read(score_kernel: Any, memory: Memory, query: Any) -> Reading:
    """Reads the memory: scores = v tanh(W s + U h), weights = softmax(scores) (Bahdanau 2015, section A.1.2).

    Args:
        score_kernel: v, `(attention_units,)`.
        memory: The source; its keys are U h.
        query: W s, `(batch, n, attention_units)`.

    Returns:
        The reading; padding has weight 0.
    """
    # One hypothesis after the other, so that adding its query is adding a row.
    hidden = (ops.tanh(memory.keys + query[:, n]) for n in range(query.shape[1]))
    scores = ops.concatenate([linear(each, score_kernel[:, None]) for each in hidden], axis=-1)
    scores = ops.transpose(scores, (1, 2, 0))
    distribution = ops.softmax(ops.where(memory.mask[:, None], scores, MASKED_SCORE), axis=-1)
    return Reading(query, distribution, ops.matmul(distribution, memory.values))


def additive_read_gradient(
    score_kernel: Any, memory: Memory, reading: Reading, d_context: Any
) -> tuple[Any, Any, Any, Any]:
    """The part of `additive_read`'s gradient that the backward loop needs, for n = 1.

    With hidden = tanh(keys + query), the gradient of what the tanh is applied to is d_scores v (1 - hidden^2). It is
    summed over the source for the query, where d_scores adds up to 0, as any softmax's does, and over the steps for the
    keys, where v is the same in all: so the loop need only see d_scores hidden^2, and adds the rest once, after it.

    Args:
        score_kernel: v.
        memory: The source.
        reading: What `additive_read` returned.
        d_context: Gradient of its context, `(batch, 1, encoder_units)`.

    Returns:
        Gradients of the query, of v, and of the scores, `(src_len, batch, 1)`; and d_scores hidden^2,
        `(src_len, batch, attention_units)`: see `keys_gradient`.
    """
    d_distribution = ops.matmul(d_context, ops.swapaxes(memory.values, 1, 2))
    mean = ops.sum(reading.weights * d_distribution, axis=-1, keepdims=True)
    d_scores = ops.transpose(reading.weights * (d_distribution - mean), (2, 0, 1))
    hidden = ops.tanh(memory.keys + reading.query[:, 0])
    d_score_kernel = linear_gradient(d_scores, hidden)[0]
    curved = d_scores * ops.square(hidden)
    d_query = -score_kernel * ops.sum(curved, axis=0)
    return d_query[:, None], d_score_kernel, d_scores, curved


def keys_gradient(score_kernel: Any, d_scores: Any, curved: Any) -> Any:
    """Gradient of the keys, from the sums over all steps of what `additive_read_gradient` returns last."""
    return score_kernel * (d_scores - curved)


@keras.saving.register_keras_serializable(package="keras_nmt")
class AdditiveAttention(keras.layers.Layer):
    """The weights of additive attention (Bahdanau 2015, section A.1.2).

    Args:
        units: Width of the layer in which query and key are added.
        asks_with_input: Whether the query holds the decoder's input beside its state.
    """

    def __init__(self, units: int, asks_with_input: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.units, self.asks_with_input = units, asks_with_input

    def build(self, query_units: int, values_units: int, inputs_units: int = 0) -> None:
        """Makes the weights for queries of `query_units`, values of `values_units` and inputs of `inputs_units`."""
        if self.asks_with_input:
            self.input_kernel = self.add_weight(name="input_kernel", shape=(inputs_units, self.units))
        self.query_kernel = self.add_weight(name="query_kernel", shape=(query_units, self.units))
        self.key_kernel = self.add_weight(name="key_kernel", shape=(values_units, self.units))
        self.key_bias = self.add_weight(name="key_bias", shape=(self.units,), initializer="zeros")
        stddev = self.units**-0.5
        initializer = keras.initializers.RandomNormal(stddev=stddev)
        self.score_kernel = self.add_weight(name="score_kernel", shape=(self.units,), initializer=initializer)
        self.built = True

    def remember(self, values: Any, mask: Any) -> Memory:
        """Computes the keys of a source: `values (batch, src_len, encoder_units)`, `mask (batch, src_len)`."""
        keys = linear(ops.transpose(values, (1, 0, 2)), self.key_kernel) + self.key_bias
        return Memory(keys, values, mask)

    def ask(self, inputs: Any) -> Any:
        """What the decoder's inputs `(..., inputs_units)` add to their queries; an empty tuple if nothing."""
        return linear(inputs, self.input_kernel) if self.asks_with_input else ()
