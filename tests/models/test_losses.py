import numpy as np
import pytest
import tensorflow as tf

from models.losses import real_tokens, token_cross_entropy

PROBABILITIES = [0.1, 0.2, 0.3, 0.4]


def of_logits(logits, target_ids, label_smoothing, z_loss):
    """The loss of given logits: the table is the identity, and the bias puts back what was taken away."""
    vocab = np.shape(logits)[-1]
    shift = np.arange(vocab, dtype="float32")
    hidden = tf.constant(np.array(logits, "float32") - shift)
    return token_cross_entropy(hidden, tf.eye(vocab), tf.constant(shift), target_ids, label_smoothing, z_loss)


@pytest.mark.parametrize(
    ("label_smoothing", "z_loss", "expected"),
    [
        # -ln 0.3 and -ln 0.1.
        (0.0, 0.0, [1.2039728, 2.3025851]),
        # The exponents' sum is e^7.
        (0.0, 0.01, [1.2039728 + 0.49, 2.3025851 + 0.49]),
        # 0.8 of that and 0.05 of each of -ln 0.1, -ln 0.2, -ln 0.3, -ln 0.4, which add up to 6.0322865.
        (0.2, 0.0, [1.2647926, 2.1436824]),
    ],
)
def test_values_worked_out_by_hand(label_smoothing, z_loss, expected):
    logits = np.log(PROBABILITIES) + 7
    losses = of_logits([[logits, logits]], np.array([[2, 0]]), label_smoothing, z_loss)
    assert losses.shape == (1, 2)
    np.testing.assert_allclose(losses, [expected], rtol=1e-5)


@pytest.mark.parametrize(("label_smoothing", "z_loss"), [(0.0, 0.0), (0.1, 0.0), (0.1, 0.05)])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.03)])
def test_gradient_is_that_of_the_plain_definition(label_smoothing, z_loss, dtype, tolerance):
    draw = np.random.default_rng(1)
    ids = np.array([[0, 4, 1], [2, 2, 3]])
    weights = draw.normal(size=(2, 3)).astype("float32")
    rounded = [tf.cast(tf.constant(draw.normal(size=shape), "float32"), dtype) for shape in ((2, 3, 4), (5, 4), (5,))]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(rounded)
        own = token_cross_entropy(*rounded, ids, label_smoothing, z_loss)
        own_sum = tf.reduce_sum(own * weights)
    exact = [tf.cast(part, "float64") for part in rounded]
    with tf.GradientTape() as plain_tape:
        plain_tape.watch(exact)
        hidden, table, bias = exact
        truth = tf.one_hot(ids, 5, dtype=tf.float64) * (1 - label_smoothing) + label_smoothing / 5
        logits = hidden @ tf.transpose(table) + bias
        plain = -tf.reduce_sum(truth * tf.nn.log_softmax(logits), axis=-1)
        plain += z_loss * tf.reduce_logsumexp(logits, axis=-1) ** 2
        plain_sum = tf.reduce_sum(plain * weights)
    assert own.dtype == tf.float32
    np.testing.assert_allclose(own, plain, rtol=tolerance, atol=tolerance)
    for found, expected, part in zip(
        tape.gradient(own_sum, rounded), plain_tape.gradient(plain_sum, exact), rounded, strict=True
    ):
        assert found.dtype == part.dtype
        np.testing.assert_allclose(tf.cast(found, "float64"), expected, rtol=tolerance, atol=tolerance)


def test_large_logits_stay_finite():
    hidden = tf.constant([[1000.0, 0.0, -1000.0]])
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        losses = token_cross_entropy(hidden, tf.eye(3), tf.zeros(3), np.array([2]), 0.0)
    assert losses.numpy().tolist() == [2000.0]
    assert tape.gradient(losses, hidden).numpy().tolist() == [[1.0, 0.0, -1.0]]


def test_padding_counts_nothing():
    assert real_tokens(np.array([[5, 3, 0], [1, 2, 3]])).numpy().tolist() == [[1, 1, 0], [1, 1, 1]]
