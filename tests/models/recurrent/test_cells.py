import numpy as np
import pytest
from keras import ops

from models.recurrent.cells import CELLS

UNITS = 3


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gate(array, number):
    return array[..., number * UNITS : (number + 1) * UNITS]


def simple(projected, recurrent, h):
    return (np.tanh(projected + recurrent),)


def lstm(projected, recurrent, h, c):
    i, f, o = (sigmoid(gate(projected, number) + gate(recurrent, number)) for number in range(3))
    g = np.tanh(gate(projected, 3) + gate(recurrent, 3))
    c = f * c + i * g
    return o * np.tanh(c), c


def gru(projected, recurrent, h):
    r, z = (sigmoid(gate(projected, number) + gate(recurrent, number)) for number in range(2))
    n = np.tanh(gate(projected, 2) + r * gate(recurrent, 2))
    return ((1 - z) * n + z * h,)


def relu(projected, recurrent, h):
    return (np.maximum(projected + recurrent, 0),)


def lstm_without_forget_gate(projected, recurrent, h, c):
    i, o = (sigmoid(gate(projected, number) + gate(recurrent, number)) for number in range(2))
    c = c + i * np.tanh(gate(projected, 2) + gate(recurrent, 2))
    return o * np.tanh(c), c


DEFINITIONS = {
    "simple": simple,
    "relu": relu,
    "lstm": lstm,
    "lstm-without-forget-gate": lstm_without_forget_gate,
    "gru": gru,
}


def arguments(cell, leading=(2,)):
    """Projected, recurrent and the parts of the state, float64."""
    draw = np.random.default_rng(5)
    widths = [cell.gates * UNITS] * 2 + [UNITS] * cell.state_parts
    return [draw.normal(size=(*leading, width)) for width in widths]


def run(cell, arrays):
    projected, recurrent, *state = map(ops.convert_to_tensor, arrays)
    after, kept = cell.step(projected, recurrent, tuple(state))
    return tuple(state), after, kept


def test_every_cell_is_defined_here():
    assert list(DEFINITIONS) == [name for name, cell in CELLS.items() if cell.has_gradient]


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize("leading", [(2,), (2, 4)])
def test_step_is_the_definition(name, leading):
    cell = CELLS[name]()
    arrays = arguments(cell, leading)
    _, after, _ = run(cell, arrays)
    expected = DEFINITIONS[name](*arrays)
    assert cell.recurrent_gates == cell.gates
    assert len(after) == len(expected) == cell.state_parts
    for part, wanted in zip(after, expected, strict=True):
        np.testing.assert_allclose(part, wanted, rtol=1e-12)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_gradient_is_that_of_the_definition(name):
    cell = CELLS[name]()
    arrays = arguments(cell)
    before, _, kept = run(cell, arrays)
    weights = np.random.default_rng(6).normal(size=(cell.state_parts, 2, UNITS))
    d_state = tuple(map(ops.convert_to_tensor, weights))
    d_projected, d_recurrent, d_before = cell.gradient(kept, before, d_state)

    def loss():
        return sum((part * weight).sum() for part, weight in zip(DEFINITIONS[name](*arrays), weights, strict=True))

    for array, gradient in zip(arrays, (d_projected, d_recurrent, *d_before), strict=True):
        differences = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            value = array[at]
            array[at] = value + 1e-5
            above = loss()
            array[at] = value - 1e-5
            differences[at] = (above - loss()) / 2e-5
            array[at] = value
        np.testing.assert_allclose(gradient, differences, atol=1e-9)


def test_only_the_forget_gate_of_the_lstm_starts_open():
    assert CELLS["lstm"]().initial_bias(2, 1.5).tolist() == [0, 0, 1.5, 1.5, 0, 0, 0, 0]
    assert CELLS["gru"]().initial_bias(2, 1.5).tolist() == [0] * 6
    assert CELLS["simple"]().initial_bias(2, 1.5).tolist() == [0] * 2
