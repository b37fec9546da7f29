import numpy as np
import pytest
import tensorflow as tf

from models.attention import (
    AdditiveAttention,
    AdditiveWeights,
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
        "query_kernel": (QUERY, UNITS),
        "score_kernel": (UNITS,),
        "keys": (SOURCE, BATCH, UNITS),
        "values": (BATCH, SOURCE, VALUES),
        "state": (BATCH, n, QUERY),
    }
    return {name: draw.normal(size=shape) for name, shape in shapes.items()}


def read(given):
    weights = AdditiveWeights(tf.constant(given["query_kernel"]), tf.constant(given["score_kernel"]))
    memory = Memory(tf.constant(given["keys"]), tf.constant(given["values"]), tf.constant(MASK))
    return additive_read(weights, memory, tf.constant(given["state"]))


@pytest.mark.parametrize("n", [1, 3])
def test_reading_is_the_definition(n):
    given = arrays(n)
    reading = read(given)
    for b in range(BATCH):
        for k in range(n):
            query = given["state"][b, k] @ given["query_kernel"]
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
    weights = AdditiveWeights(given["query_kernel"], given["score_kernel"])
    d_context = tf.constant(np.random.default_rng(2).normal(size=(BATCH, 1, VALUES)))
    with tf.GradientTape() as tape:
        tape.watch([weights, memory.keys, given["state"]])
        reading = additive_read(weights, memory, given["state"])
        loss = tf.reduce_sum(reading.context * d_context)
    d_weights, d_keys, d_state = tape.gradient(loss, [weights, memory.keys, given["state"]])
    d_query, d_score_kernel, *d_sums = additive_read_gradient(weights, memory, reading, d_context)
    np.testing.assert_allclose(d_query @ tf.transpose(given["query_kernel"]), d_state, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(d_score_kernel, d_weights.score_kernel, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(keys_gradient(weights, *d_sums), d_keys, rtol=1e-9, atol=1e-12)


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
    weights = attention.reading_weights()
    assert weights.query_kernel.shape == (QUERY, UNITS) and weights.score_kernel.shape == (UNITS,)
