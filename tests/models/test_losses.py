import numpy as np
import pytest
import tensorflow as tf

from models.losses import real_tokens, token_cross_entropy

LOGITS = np.log([0.1, 0.2, 0.3, 0.4]) + 7


@pytest.mark.parametrize(
    ("label_smoothing", "expected"),
    [
        # -ln 0.3 and -ln 0.1.
        (0.0, [1.2039728, 2.3025851]),
        # 0.8 of that and 0.05 of each of -ln 0.1, -ln 0.2, -ln 0.3, -ln 0.4, which add up to 6.0322865.
        (0.2, [1.2647926, 2.1436824]),
    ],
)
def test_values_worked_out_by_hand(label_smoothing, expected):
    losses = token_cross_entropy(tf.constant([[LOGITS, LOGITS]]), np.array([[2, 0]]), label_smoothing)
    assert losses.shape == (1, 2)
    np.testing.assert_allclose(losses, [expected], rtol=1e-6)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_gradient_is_that_of_the_plain_definition(label_smoothing):
    draw = np.random.default_rng(1)
    logits = tf.constant(draw.normal(size=(2, 3, 5)) * 3)
    ids = np.array([[0, 4, 1], [2, 2, 3]])
    weights = draw.normal(size=(2, 3))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        truth = tf.one_hot(ids, 5, dtype=tf.float64) * (1 - label_smoothing) + label_smoothing / 5
        plain = -tf.reduce_sum(truth * tf.nn.log_softmax(logits), axis=-1)
        own = token_cross_entropy(logits, ids, label_smoothing)
        plain_sum, own_sum = (tf.reduce_sum(losses * weights) for losses in (plain, own))
    np.testing.assert_allclose(own, plain, rtol=1e-10)
    np.testing.assert_allclose(tape.gradient(own_sum, logits), tape.gradient(plain_sum, logits), atol=1e-12)


def test_large_logits_stay_finite():
    logits = tf.constant([[1000.0, 0.0, -1000.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = token_cross_entropy(logits, np.array([2]), 0.0)
    assert losses.numpy().tolist() == [2000.0]
    assert tape.gradient(losses, logits).numpy().tolist() == [[1.0, 0.0, -1.0]]


def test_padding_counts_nothing():
    assert real_tokens(np.array([[5, 3, 0], [1, 2, 3]])).numpy().tolist() == [[1, 1, 0], [1, 1, 1]]
