import numpy as np
import pytest
import tensorflow as tf

from models.attention.additive import AdditiveAttention
from models.attention.base import Memory, masked_softmax, softmax_gradient
from models.attention.dot import DotAttention
from models.attention.kinds import make_attention
from models.config import ModelConfig

BATCH, SOURCE, QUERY, UNITS, VALUES, GATES = 2, 5, 3, 4, 6, 7
MASK = np.array([[True] * 5, [True, True, False, False, False]])
KINDS = ("additive", "dot", "scaled-dot")
every_kind = pytest.mark.parametrize("kind", KINDS)


def arrays(kind, n):
    draw = np.random.default_rng(1)
    shapes = {"values": (BATCH, SOURCE, VALUES), "query": (BATCH, n, UNITS if kind == "additive" else VALUES)}
    if kind == "additive":
        shapes |= {"score_kernel": (UNITS,), "keys": (SOURCE, BATCH, UNITS)}
    return {name: draw.normal(size=shape) for name, shape in shapes.items()}


def parts(given):
    """The weights of the scores, the memory and the query, as tensors."""
    given = {name: tf.constant(array) for name, array in given.items()}
    memory = Memory(given.get("keys", ()), given["values"], tf.zeros((BATCH, SOURCE, GATES)), tf.constant(MASK))
    return given.get("score_kernel", ()), memory, given["query"]


def attention_of(kind, query="state"):
    return make_attention(ModelConfig(attention=kind, attention_units=UNITS, attention_query=query))


def read_as(kind, given):
    return attention_of(kind).read(*parts(given))


def plain_score(kind, given, b, s, query):
    if kind == "additive":
        return np.tanh(query + given["keys"][s, b]) @ given["score_kernel"]
    return query @ given["values"][b, s] / (VALUES**0.5 if kind == "scaled-dot" else 1)


@every_kind
@pytest.mark.parametrize("n", [1, 3])
def test_reading_is_the_definition(kind, n):
    given = arrays(kind, n)
    reading = read_as(kind, given)
    for b in range(BATCH):
        for k in range(n):
            query = given["query"][b, k]
            real = np.flatnonzero(MASK[b])
            exponents = [np.exp(plain_score(kind, given, b, s, query)) for s in real]
            weights = np.array(exponents) / sum(exponents)
            np.testing.assert_allclose(reading.query[b, k], query, rtol=1e-12)
            np.testing.assert_allclose(reading.weights[b, k].numpy()[real], weights, rtol=1e-12)


@every_kind
def test_padding_has_weight_zero_whatever_it_holds(kind):
    given = arrays(kind, 2)
    reading = read_as(kind, given)
    assert (reading.weights.numpy()[1, :, 2:] == 0).all()
    given["values"][1, 2:] = -70
    if kind == "additive":
        given["keys"][2:, 1] = 50
    np.testing.assert_array_equal(read_as(kind, given).weights, reading.weights)


@every_kind
def test_gradient_is_that_of_automatic_differentiation(kind):
    score_kernel, memory, query = parts(arrays(kind, 1))
    attention = attention_of(kind)
    d_weights = tf.constant(np.random.default_rng(2).normal(size=(BATCH, 1, SOURCE)))
    watched = [query, memory.values] + [score_kernel, memory.keys] * (kind == "additive")
    with tf.GradientTape() as tape:
        tape.watch(watched)
        reading = attention.read(score_kernel, memory, query)
        loss = tf.reduce_sum(reading.weights * d_weights)
    expected = tape.gradient(loss, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    d_scores = softmax_gradient(reading.weights, d_weights)
    d_query, sums = attention.gradient(score_kernel, memory, query, d_scores)
    for zeros, summed in zip(attention.no_sums(score_kernel, memory), sums, strict=True):
        assert zeros.shape == summed.shape
    rows = query[None], d_scores[None], tf.zeros_like(memory.values)
    d_score_kernel, d_keys, d_values = attention.finish(score_kernel, memory, sums, *rows)
    found = [d_query, d_values] + [d_score_kernel, d_keys] * (kind == "additive")
    for gradient, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-9, atol=1e-12)


def test_keys_are_an_affine_map_of_the_values():
    attention = AdditiveAttention(UNITS)
    attention.build(QUERY, VALUES)
    attention.key_bias.assign([1.0, 2.0, 3.0, 4.0])
    values = np.random.default_rng(3).normal(size=(BATCH, SOURCE, VALUES)).astype("float32")
    keys = attention.keys(tf.constant(values))
    for b, s in np.ndindex(BATCH, SOURCE):
        expected = values[b, s] @ attention.key_kernel.numpy() + [1, 2, 3, 4]
        np.testing.assert_allclose(keys[s, b], expected, rtol=1e-4, atol=1e-5)
    assert attention.query_kernel.shape == (QUERY, UNITS) and attention.scoring_kernel().shape == (UNITS,)


@pytest.mark.parametrize("general", [False, True])
def test_the_keys_of_a_dot_product_are_the_values(general):
    attention = DotAttention(general)
    attention.build(QUERY, VALUES)
    assert attention.keys(tf.zeros((BATCH, SOURCE, VALUES))) == ()
    assert [tuple(weight.shape) for weight in attention.weights] == [(QUERY, VALUES)] * general


@pytest.mark.parametrize(
    ("kind", "width"), [("additive", UNITS), ("dot", VALUES), ("general", VALUES), ("local", 2 * VALUES)]
)
def test_what_is_asked_is_a_map_of_the_inputs(kind, width):
    inputs = np.random.default_rng(4).normal(size=(BATCH, 2, 3)).astype("float32")
    for asks_with_input in (False, True):
        attention = attention_of(kind, "state-and-input" if asks_with_input else "state")
        attention.build(QUERY, VALUES, 3)
        if asks_with_input:
            assert attention.input_kernel.shape == (3, width)
            np.testing.assert_allclose(attention.ask(inputs), inputs @ attention.input_kernel.numpy(), rtol=1e-5)
        else:
            assert attention.ask(inputs) == ()


def test_no_attention():
    assert attention_of("none") is None


def test_a_normalized_kernel_has_the_length_of_its_gain():
    attention = attention_of("normalized-additive")
    attention.build(QUERY, VALUES)
    attention.score_kernel.assign([3.0, 0.0, 4.0, 0.0])
    attention.score_gain.assign(2.0)
    np.testing.assert_allclose(attention.scoring_kernel(), [1.2, 0, 1.6, 0], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_weights_are_of_what_is_real_in_any_precision(dtype):
    weights = masked_softmax(
        tf.constant([[1.0, 3.0, 9.0], [1.0, 2.0, 3.0]], dtype), np.array([[1, 1, 0], [0, 0, 0]], bool)
    )
    weights = tf.cast(weights, "float64").numpy()
    even = 1 / (1 + np.exp(2))
    np.testing.assert_allclose(weights[0], [even, 1 - even, 0], atol=5e-3)
    assert np.isfinite(weights[1]).all()
