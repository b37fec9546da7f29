import numpy as np
import pytest
import tensorflow as tf

from models.attention import (
    AdditiveAttention,
    Memory,
    additive_read,
    additive_read_gradient,
    keys_gradient,
)

BATCH, SOURCE, QUERY, UNITS, VALUES = 2, 5, 3, 4, 6
MASK = np.array([[True] * 5, [True, True, False, False, False]])


def arrays(n):
    draw = np.random.default_rng(1)
    shapes = {
        "score_kernel": (UNITS,),
        "keys": (SOURCE, BATCH, UNITS),
        "values": (BATCH, SOURCE, VALUES),
        "query": (BATCH, n, UNITS),
    }
    return {name: draw.normal(size=shape) for name, shape in shapes.items()}


def read(given):
    memory = Memory(tf.constant(given["keys"]), tf.constant(given["values"]), tf.constant(MASK))
    return additive_read(tf.constant(given["score_kernel"]), memory, tf.constant(given["query"]))


@pytest.mark.parametrize("n", [1, 3])
def test_reading_is_the_definition(n):
    given = arrays(n)
    reading = read(given)
    for b in range(BATCH):
        for k in range(n):
            query = given["query"][b, k]
            real = np.flatnonzero(MASK[b])
            exponents = [np.exp(np.tanh(query + given["keys"][s, b]) @ given["score_kernel"]) for s in real]
            weights = np.array(exponents) / sum(exponents)
            np.testing.assert_allclose(reading.query[b, k], query, rtol=1e-12)
            np.testing.assert_allclose(reading.weights[b, k].numpy()[real], weights, rtol=1e-12)
            context = sum(weight * given["values"][b, s] for weight, s in zip(weights, real, strict=True))
            np.testing.assert_allclose(reading.context[b, k], context, rtol=1e-12)


def test_padding_has_weight_zero_whatever_it_holds():
    given = arrays(2)
    reading = read(given)
    assert (reading.weights.numpy()[1, :, 2:] == 0).all()
    given["keys"][2:, 1], given["values"][1, 2:] = 50, -70
    np.testing.assert_array_equal(read(given).context, reading.context)


def test_gradient_is_that_of_automatic_differentiation():
    given = {name: tf.constant(array) for name, array in arrays(1).items()}
    memory = Memory(given["keys"], given["values"], tf.constant(MASK))
    score_kernel, query = given["score_kernel"], given["query"]
    d_context = tf.constant(np.random.default_rng(2).normal(size=(BATCH, 1, VALUES)))
    with tf.GradientTape() as tape:
        tape.watch([score_kernel, memory.keys, query])
        reading = additive_read(score_kernel, memory, query)
        loss = tf.reduce_sum(reading.context * d_context)
    expected = tape.gradient(loss, [query, score_kernel, memory.keys])
    *found, d_scores, curved = additive_read_gradient(score_kernel, memory, reading, d_context)
    for gradient, wanted in zip([*found, keys_gradient(score_kernel, d_scores, curved)], expected, strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-9, atol=1e-12)


def test_keys_are_an_affine_map_of_the_values():
    attention = AdditiveAttention(UNITS)
    attention.build(QUERY, VALUES)
    attention.key_bias.assign([1.0, 2.0, 3.0, 4.0])
    values = np.random.default_rng(3).normal(size=(BATCH, SOURCE, VALUES)).astype("float32")
    memory = attention.remember(tf.constant(values), tf.constant(MASK))
    for b, s in np.ndindex(BATCH, SOURCE):
        expected = values[b, s] @ attention.key_kernel.numpy() + [1, 2, 3, 4]
        np.testing.assert_allclose(memory.keys[s, b], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(memory.values, values)
    assert attention.query_kernel.shape == (QUERY, UNITS) and attention.score_kernel.shape == (UNITS,)


def test_what_is_asked_is_a_map_of_the_inputs():
    inputs = np.random.default_rng(4).normal(size=(BATCH, 2, 3)).astype("float32")
    for asks_with_input in (False, True):
        attention = AdditiveAttention(UNITS, asks_with_input)
        attention.build(QUERY, VALUES, 3)
        if asks_with_input:
            np.testing.assert_allclose(attention.ask(inputs), inputs @ attention.input_kernel.numpy(), rtol=1e-5)
        else:
            assert attention.ask(inputs) == ()
