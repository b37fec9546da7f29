"""Cells with weights of their own, and the unitary one, against NumPy; their gradients by finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from models.recurrent.cells import CELLS
from models.recurrent.unitary import fourier, inverse_fourier, reflect

UNITS = 4
# `test_batch_norm_cell.py` has the cell whose step is none of a sentence alone.
NAMES = [name for name, cell in CELLS.items() if not cell.has_gradient and not cell.memo_parts]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def parts(array, count):
    return np.split(array, count, axis=-1)


def reset_before(weights, projected, recurrent, h):
    in_r, in_z, in_n = parts(projected, 3)
    r, z = (sigmoid(one + other) for one, other in zip((in_r, in_z), parts(recurrent, 2), strict=True))
    n = np.tanh(in_n + (r * h) @ weights["candidate_kernel"])
    return ((1 - z) * n + z * h,)


def scrn(weights, projected, recurrent, state):
    # Of four units one is slow.
    s = 0.05 * projected[..., 3:] + 0.95 * state[..., 3:]
    total = s @ weights["context_kernel"] + projected[..., :3] + state[..., :3] @ weights["hidden_kernel"]
    return (np.concatenate([sigmoid(total), s], axis=-1),)


def norm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def layer_norm_lstm(weights, projected, recurrent, h, c):
    total = norm(projected) * weights["input_gain"] + norm(recurrent) * weights["recurrent_gain"] + weights["bias"]
    i, f, o, g = parts(total, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(norm(c) * weights["cell_gain"] + weights["cell_bias"]), c


def layer_norm_gru(weights, projected, recurrent, h):
    def normed(x, gain):
        gates, n = norm(x[..., : 2 * UNITS]), norm(x[..., 2 * UNITS :])
        return parts(np.concatenate([gates, n], axis=-1) * gain, 3)

    (in_r, in_z, in_n), bias = normed(projected, weights["input_gain"]), parts(weights["bias"], 3)
    of_r, of_z, of_n = normed(recurrent, weights["recurrent_gain"])
    r, z = sigmoid(in_r + of_r + bias[0]), sigmoid(in_z + of_z + bias[1])
    n = np.tanh(in_n + bias[2] + r * of_n)
    return ((1 - z) * n + z * h,)


def unitary_matrix(weights, permutation):
    width = UNITS // 2
    places = np.arange(width)
    transform = np.exp(-2j * np.pi * np.outer(places, places) / width) / np.sqrt(width)
    first, second, third = (np.diag(np.exp(1j * phases)) for phases in weights["phases"])

    def reflection(vector):
        v = (vector[0] + 1j * vector[1])[:, None]
        return np.eye(width) - 2 * v @ v.conj().T / np.sum(np.abs(v) ** 2)

    one, other = map(reflection, weights["reflections"])
    permuted = np.eye(width)[permutation]
    return third @ other @ transform.conj().T @ second @ permuted @ one @ transform @ first


def unitary(weights, projected, recurrent, state):
    def numbers(x):
        real, imaginary = parts(x, 2)
        return real + 1j * imaginary

    permutation = np.random.default_rng(UNITS // 2).permutation(UNITS // 2)
    z = numbers(state) @ unitary_matrix(weights, permutation).T + numbers(projected)
    h = np.maximum(np.abs(z) + weights["threshold"], 0) * z / np.abs(z)
    return (np.concatenate([h.real, h.imag], axis=-1),)


DEFINITIONS = {
    "gru-reset-before": reset_before,
    "scrn": scrn,
    "layer-norm-lstm": layer_norm_lstm,
    "layer-norm-gru": layer_norm_gru,
    "unitary": unitary,
}


def case(name):
    """A cell, its weights by name, and projected, recurrent and the parts of the state, float64."""
    cell = CELLS[name](dtype="float64")
    cell.build(UNITS, 1.0)
    draw = np.random.default_rng(4)
    for weight in cell.weights:
        weight.assign(weight + draw.normal(size=weight.shape, scale=0.3))
    widths = [cell.gates, cell.recurrent_gates, *[1] * cell.state_parts]
    arrays = [draw.normal(size=(2, 3, width * UNITS)) for width in widths]
    return cell, arrays


def values_of(cell):
    return {weight.name: weight.numpy() for weight in cell.weights}


def run(cell, projected, recurrent, *state):
    return cell.step(projected, recurrent if cell.recurrent_gates else (), state)[0]


def test_every_cell_is_defined_here():
    assert list(DEFINITIONS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_step_is_the_definition(name):
    cell, arrays = case(name)
    expected = DEFINITIONS[name](values_of(cell), *arrays)
    found = run(cell, *map(tf.constant, arrays))
    assert len(found) == len(expected) == cell.state_parts
    for part, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(part, wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_that_of_finite_differences(name):
    cell, arrays = case(name)
    factors = np.random.default_rng(5).normal(size=(cell.state_parts, 2, 3, UNITS))
    tensors = [tf.constant(array) for array in arrays]
    watched = tensors + [weight.value for weight in cell.weights]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = tf.add_n([tf.reduce_sum(x * y) for x, y in zip(run(cell, *tensors), factors, strict=True)])
    gradients = tape.gradient(loss, watched, unconnected_gradients="zero")
    values = values_of(cell)
    for array, gradient in zip([*arrays, *values.values()], gradients, strict=True):
        differences = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            around = []
            for change in (1e-5, -1e-5):
                array[at] += change
                parts_of = DEFINITIONS[name](values, *arrays)
                around.append(sum((x * y).sum() for x, y in zip(parts_of, factors, strict=True)))
                array[at] -= change
            differences[at] = (around[0] - around[1]) / 2e-5
        np.testing.assert_allclose(gradient, differences, rtol=1e-5, atol=1e-7)


def test_a_unitary_step_keeps_the_norm():
    cell, (_, _, state) = case("unitary")
    matrix = unitary_matrix(values_of(cell), cell.permutation)
    np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(2), atol=1e-12)
    cell.threshold.assign([0, 0])
    (after,) = run(cell, tf.zeros_like(state), None, tf.constant(state))
    np.testing.assert_allclose(np.sum(after**2, -1), np.sum(state**2, -1), rtol=1e-9)


def test_a_complex_state_has_two_halves():
    with pytest.raises(ValueError, match="units: expected an even number for complex states, received 5"):
        CELLS["unitary"]().build(5)


def test_reflection_and_fourier_transform_undo_themselves():
    x = tuple(np.random.default_rng(6).normal(size=(2, 3, 5)))
    v = tuple(np.random.default_rng(7).normal(size=(2, 5)))
    for found, expected in zip(inverse_fourier(fourier(x)), x, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    for found, expected in zip(reflect(reflect(x, v), v), x, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)
