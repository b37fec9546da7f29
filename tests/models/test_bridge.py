import numpy as np
import pytest

from models.bridge import Bridge

# Of two layers, two parts each.
STATES = tuple(map(tuple, np.random.default_rng(1).normal(size=(2, 2, 2, 3)).astype("float32")))


def test_dense_is_a_tanh_layer_for_each_part_and_layer():
    bridge = Bridge("dense", 2, 4)
    bridge.build(3, 2)
    layers = bridge(STATES)
    for number, (part, kernel) in enumerate(zip(STATES[-1], bridge.kernels, strict=True)):
        expected = np.tanh(part @ kernel.numpy())
        for depth in range(2):
            found = layers[depth][number]
            assert found.shape == (2, 1, 4)
            np.testing.assert_allclose(found[:, 0], expected[:, 4 * depth : 4 * depth + 4], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "factor"), [("copy", 1), ("zero", 0)])
def test_copy_and_zero(kind, factor):
    bridge = Bridge(kind, 2, 3)
    bridge.build(3, 2)
    assert bridge.weights == []
    layers = bridge(STATES)
    assert len(layers) == 2
    for parts, state in zip(layers, STATES, strict=True):
        for found, part in zip(parts, state, strict=True):
            np.testing.assert_array_equal(found, factor * part[:, None])
