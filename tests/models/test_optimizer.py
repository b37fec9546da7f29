import keras
import numpy as np
import pytest
import tensorflow as tf

from models.optimizer import Adam

GRADIENTS = [np.array([[1.0, -2.0], [0.0, 1e-4]], "float32"), np.array([[0.5, 3.0], [1.0, 0.0]], "float32")]


def adam(variable, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Algorithm 1 of Kingma and Ba (2015), with epsilon where section 2 moves it for speed."""
    m, v = np.zeros_like(variable), np.zeros_like(variable)
    for t, gradient in enumerate(GRADIENTS, 1):
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


def test_it_comes_back_from_its_settings():
    optimizer = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(Adam(0.1, beta_1=0.5)))
    assert type(optimizer) is Adam and optimizer.beta_1 == 0.5
