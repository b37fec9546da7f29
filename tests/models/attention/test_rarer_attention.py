"""Coverage, several heads, and a window: each against its definition, one number after the other."""

import numpy as np
import pytest
import tensorflow as tf

from models.attention.kinds import make_attention
from models.config import ModelConfig

BATCH, SOURCE, STATE, UNITS, VALUES, N = 2, 5, 3, 4, 6, 2
MASK = np.array([[True] * 5, [True, True, False, False, False]])


def softmax(scores):
    exponents = np.exp(scores - np.max(scores))
    return exponents / exponents.sum()


@pytest.fixture
def built():
    """Makes an attention layer and what it reads, with a state `(batch, n, units)`."""

    def make(kind):
        attention = make_attention(
            ModelConfig(
                attention=kind,
                attention_units=UNITS,
                attention_heads=2,
                attention_window=2,
                attention_query="state",
                encoder_units=VALUES,
            )
        )
        attention.build(STATE, VALUES)
        draw = np.random.default_rng(1)
        for weight in attention.weights:
            weight.assign(draw.normal(size=weight.shape))
        values, state = draw.normal(size=(BATCH, SOURCE, VALUES)), draw.normal(size=(BATCH, N, STATE))
        memory = attention.remember(tf.constant(values, tf.float32), tf.constant(MASK))
        return attention, memory, values, state

    return make


def look(attention, memory, state, memo):
    weights, memo = attention.look(memory, tf.constant(state, tf.float32), memo)
    return (weights @ memory.values).numpy(), memo


def additive_hidden(attention, value, state):
    key = value @ attention.key_kernel.numpy() + attention.key_bias.numpy()
    return key + state @ attention.query_kernel.numpy()


def test_coverage_is_the_attention_had_over_fertility(built):
    attention, memory, values, state = built("coverage")
    memo = attention.first_memo(memory)
    had = np.zeros((BATCH, N, SOURCE))
    for _ in range(3):
        context, memo = look(attention, memory, state, memo)
        for b, n in np.ndindex(BATCH, N):
            real = np.flatnonzero(MASK[b])
            fertility = 2 / (1 + np.exp(-values[b] @ attention.fertility_kernel.numpy()[:, 0]))
            hidden = [
                additive_hidden(attention, values[b, s], state[b, n])
                + had[b, n, s] / fertility[s] * attention.coverage_kernel.numpy()
                for s in real
            ]
            weights = softmax(np.tanh(hidden) @ attention.score_kernel.numpy())
            np.testing.assert_allclose(context[b, n], weights @ values[b, real], rtol=1e-4, atol=1e-5)
            had[b, n, real] += weights
            np.testing.assert_allclose(memo[0][b, n], had[b, n] / fertility, rtol=1e-4, atol=1e-5)


def test_each_head_has_a_slice_of_keys_and_values(built):
    attention, memory, values, state = built("multi-head")
    context, memo = look(attention, memory, state, ())
    assert memo == ()
    for b, n in np.ndindex(BATCH, N):
        real = np.flatnonzero(MASK[b])
        hidden = np.tanh([additive_hidden(attention, values[b, s], state[b, n]) for s in real])
        for head in range(2):
            units, own = slice(2 * head, 2 * head + 2), slice(3 * head, 3 * head + 3)
            weights = softmax(hidden[:, units] @ attention.score_kernel.numpy()[units])
            np.testing.assert_allclose(context[b, n, own], weights @ values[b, real, own], rtol=1e-4, atol=1e-5)


def test_a_window_around_a_place_that_is_foretold(built):
    attention, memory, values, state = built("local")
    context, _ = look(attention, memory, state, ())
    for b, n in np.ndindex(BATCH, N):
        compared, foretelling = np.split(state[b, n] @ attention.query_kernel.numpy(), 2)
        length = MASK[b].sum()
        place = length / (1 + np.exp(-np.tanh(foretelling) @ attention.place_kernel.numpy()[:, 0]))
        near = [s for s in range(length) if abs(s - place) <= 2]
        weights = softmax(np.array([compared @ values[b, s] for s in near]))
        # The window is 2, and a deviation half of it.
        weights *= [np.exp(-((s - place) ** 2) / 2) for s in near]
        np.testing.assert_allclose(context[b, n], weights @ values[b, near], rtol=1e-4, atol=1e-5)
