import keras
import numpy as np
import pytest
import tensorflow as tf

from models.config import TrainingConfig
from models.training.optimizers import SGD, Adafactor, Adam, StepSize, build_optimizer

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
    step = tf.function(optimizer.apply, autograph=False) if compiled else optimizer.apply
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
    step = tf.function(optimizer.apply, autograph=False) if compiled else optimizer.apply
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


def rates(training: TrainingConfig, steps: int, at: list[int]) -> list[float]:
    """The step sizes that the optimizer uses in given batches."""
    optimizer = build_optimizer(training, steps)
    optimizer.build([keras.Variable([0.0])])
    found = []
    for step in at:
        optimizer._iterations.assign(step)
        found.append(float(optimizer.learning_rate))
    return found


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"schedule": "constant"}, {0: 0.4, 50: 0.4, 100: 0.4}),
        ({"schedule": "constant", "warmup_steps": 20}, {0: 0.0, 5: 0.1, 10: 0.2, 20: 0.4, 60: 0.4, 100: 0.4}),
        # Half a cosine: 0.2 (1 + cos(pi t / 110)), where the cosine of 60 degrees is 1/2.
        ({"schedule": "cosine"}, {0: 0.4, 55: 0.2, 110: 0.0, 33: 0.2 * (1 + np.cos(0.3 * np.pi))}),
        # Up in 20 steps, then the half cosine in 90: after 30, 45 and 60 of them.
        ({"schedule": "cosine", "warmup_steps": 20}, {0: 0.0, 5: 0.1, 20: 0.4, 50: 0.3, 65: 0.2, 80: 0.1, 110: 0.0}),
        # As the square root: at four times the steps half of it.
        ({"schedule": "inverse-sqrt", "warmup_steps": 20}, {0: 0.0, 10: 0.2, 20: 0.4, 80: 0.2, 320: 0.1}),
        (
            {"schedule": "halving", "warmup_steps": 4, "halve_after": 50, "halve_every": 10},
            {1: 0.1, 4: 0.4, 49: 0.4, 50: 0.2, 59: 0.2, 60: 0.1, 79: 0.05},
        ),
        ({"schedule": "plateau", "plateau_epochs": 1}, {0: 0.4, 100: 0.4}),
        # Batches, not the steps that two of them make.
        ({"schedule": "constant", "warmup_steps": 20, "accumulation": 2}, {5: 0.1, 10: 0.2, 20: 0.4}),
    ],
    ids=str,
)
def test_step_sizes(settings, expected):
    training = TrainingConfig(learning_rate=0.4, **settings)
    np.testing.assert_allclose(rates(training, 110, list(expected)), list(expected.values()), atol=1e-6)


def test_a_step_size_comes_back_from_its_settings():
    first = StepSize(0.4, 4, "halving", 100, 50, 10)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(first))
    assert again.get_config() == first.get_config() and float(again(60)) == pytest.approx(0.1)


def stepped(training: TrainingConfig, batches: list[list[float]], compiled: bool) -> np.ndarray:
    """What becomes of (1, -2) by the gradients of some batches, at a step size of 0.1."""
    variable = keras.Variable(np.array([1.0, -2.0], "float32"))
    optimizer = build_optimizer(training, 100)
    optimizer.build([variable])
    step = tf.function(optimizer.apply, autograph=False) if compiled else optimizer.apply
    for gradient in batches:
        step([tf.constant(gradient)])
    return variable.numpy()


SETTINGS = {"learning_rate": 0.1, "schedule": "constant", "clip_norm": 0.0}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"optimizer": "sgd"}, [1 - 0.1 * (3 + 1), -2 - 0.1 * (4 - 1)]),
        # The velocity is -0.3, then -0.15 - 0.1; and -0.4, then -0.2 + 0.1.
        ({"optimizer": "sgd", "momentum": 0.5}, [1 - 0.3 - 0.25, -2 - 0.4 - 0.1]),
        ({"optimizer": "sgd", "clip_value": 2.0}, [1 - 0.1 * (2 + 1), -2 - 0.1 * (2 - 1)]),
        # The norms are 5 and the root of 2.
        ({"optimizer": "sgd", "clip_norm": 2.5}, [1 - 0.1 * (1.5 + 1), -2 - 0.1 * (2 - 1)]),
        ({"optimizer": "sgd", "accumulation": 2}, [1 - 0.1 * 2, -2 - 0.1 * 1.5]),
        # Each step takes 0.1 * 0.5 of the weights beside it.
        ({"optimizer": "sgd", "weight_decay": 0.5}, [(0.95 * 1 - 0.3) * 0.95 - 0.1, (0.95 * -2 - 0.4) * 0.95 + 0.1]),
    ],
    ids=str,
)
def test_steps_are_those_worked_out_by_hand(settings, expected, compiled):
    training = TrainingConfig(**SETTINGS | settings)
    np.testing.assert_allclose(stepped(training, [[3.0, 4.0], [1.0, -1.0]], compiled), expected, rtol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_two_batches_make_one_step_of_adam(compiled):
    one = stepped(TrainingConfig(**SETTINGS), [[2.0, 1.5], [4.0, 1.0]], compiled)
    two = [[3.0, 4.0], [1.0, -1.0], [4.0, 0.0], [4.0, 2.0]]
    np.testing.assert_allclose(stepped(TrainingConfig(**SETTINGS, accumulation=2), two, compiled), one, rtol=1e-6)


def test_adam_with_weight_decay_is_adamw():
    """Loshchilov and Hutter (2019), algorithm 2: the weights shrink apart from the gradient's step."""
    decayed = stepped(TrainingConfig(**SETTINGS, weight_decay=0.5), [[3.0, 4.0]], False)
    np.testing.assert_allclose(decayed, adam(0.95 * np.array([1.0, -2.0]), 0.1, [np.array([3.0, 4.0])]), rtol=1e-5)


@pytest.mark.parametrize(("name", "kind"), [("adam", Adam), ("sgd", SGD), ("adafactor", Adafactor)])
def test_every_optimizer_learns_and_tells_the_norm(name, kind):
    variable = keras.Variable(np.array([1.0, -2.0], "float32"))
    optimizer = build_optimizer(TrainingConfig(learning_rate=0.05, schedule="constant", optimizer=name), 100)
    optimizer.build([variable])
    assert type(optimizer) is kind
    optimizer.apply([tf.constant([3.0, -4.0])])
    assert float(optimizer.gradient_norm) == pytest.approx(5)
    for _ in range(100):
        optimizer.apply([variable.value])
    assert np.abs(variable).max() < 0.2
