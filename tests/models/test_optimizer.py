import keras
import numpy as np
import pytest
import tensorflow as tf

from models.optimizer import Adam

GRADIENTS = [np.array([[1.0, -2.0], [0.0, 1e-4]], "float32"), np.array([[0.5, 3.0], [1.0, 0.0]], "float32")]


def adam(variable, rate, gradients=GRADIENTS, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Algorithm 1 of Kingma and Ba (2015), with epsilon where section 2 moves it for speed."""
    m, v = np.zeros_like(variable), np.zeros_like(variable)
    for t, gradient in enumerate(gradients, 1):
        m = beta_1 * m + (1 - beta_1) * gradient
        v = beta_2 * v + (1 - beta_2) * gradient**2
        variable = variable - rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (np.sqrt(v) + epsilon)
    return variable


@pytest.mark.parametrize("compiled", [False, True])
def test_a_step_is_that_of_the_paper(compiled):
    first = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
    variable, optimizer = keras.Variable(first), Adam(0.1)
    optimizer.build([variable])
    step = tf.function(optimizer.apply) if compiled else optimizer.apply
    for gradient in GRADIENTS:
        step([tf.constant(gradient)])
    np.testing.assert_allclose(variable, adam(first, 0.1), rtol=1e-5)
    assert int(optimizer.iterations) == 2


@pytest.mark.parametrize("compiled", [False, True])
def test_a_gradient_is_clipped_by_the_norm_of_all(compiled):
    # The norms of the two steps are 3 and 5, of which the second is above 4.
    gradients = [[np.array([1.0, 2.0], "float32"), np.array([2.0], "float32")]]
    gradients += [[np.array([0.0, 3.0], "float32"), np.array([4.0], "float32")]]
    variables = [keras.Variable(np.array([1.0, 2.0], "float32")), keras.Variable(np.array([3.0], "float32"))]
    first, optimizer = [variable.numpy() for variable in variables], Adam(0.1, global_clipnorm=4.0)
    optimizer.build(variables)
    step = tf.function(optimizer.apply) if compiled else optimizer.apply
    for both in gradients:
        step([tf.constant(gradient) for gradient in both])
    for at, variable in enumerate(variables):
        expected = adam(first[at], 0.1, [gradients[0][at], gradients[1][at] * 4 / 5])
        np.testing.assert_allclose(variable, expected, rtol=1e-5)


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e30])
def test_a_norm_that_is_not_finite_is_seen_in_the_weights(value):
    variable = keras.Variable(np.zeros(2, "float32"))
    optimizer = Adam(0.1, global_clipnorm=1.0)
    optimizer.build([variable])
    optimizer.apply([tf.constant([value, 1.0], tf.float32)])
    assert np.isnan(variable.numpy()).all()


def test_it_comes_back_from_its_settings():
    optimizer = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(Adam(0.1, beta_1=0.5)))
    assert type(optimizer) is Adam and optimizer.beta_1 == 0.5
