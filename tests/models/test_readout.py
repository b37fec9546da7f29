import numpy as np
import pytest

from models.readout import Readout

PARTS = [np.array([[[1.0, -2.0]]], "float32"), np.array([[[3.0]]], "float32")]


def maxout(hidden):
    return np.maximum(hidden[..., :2], hidden[..., 2:])


DEFINITIONS = {"projection": lambda hidden: hidden, "tanh": np.tanh, "maxout": maxout}


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_a_readout_is_a_layer_over_its_parts(kind):
    readout = Readout(kind, 2)
    readout.build(3)
    width = 4 if kind == "maxout" else 2
    assert readout.kernel.shape == (3, width)
    readout.bias.assign(np.arange(width))
    hidden = np.array([1, -2, 3]) @ readout.kernel.numpy() + np.arange(width)
    found = readout(PARTS)
    assert found.shape == (1, 1, 2)
    np.testing.assert_allclose(found[0, 0], DEFINITIONS[kind](hidden), rtol=1e-5)


def test_a_linear_readout_has_no_weights():
    readout = Readout("linear", 2)
    readout.build(3)
    assert readout.units == 3
    assert readout.weights == []
    np.testing.assert_array_equal(readout(PARTS)[0, 0], [1, -2, 3])
