import numpy as np
import pytest

from docs.gradients import VARIANTS, gradient_norms
from models.recurrent.cells import CELLS

DISTANCE = 20


def left(name: str) -> float:
    """What is left of the gradient so many steps back."""
    norms = gradient_norms(DISTANCE + 1, **VARIANTS[name])
    assert norms.shape == (DISTANCE + 1,)
    return float(norms[0] / norms[-1])


def test_every_cell_is_drawn() -> None:
    assert VARIANTS.keys() >= CELLS.keys()


@pytest.mark.parametrize(("name", "least", "most"), [("simple", 0, 1e-2), ("unitary", 0.8, 1.25)])
def test_a_plain_recurrence_loses_its_gradient_and_a_unitary_one_keeps_it(name: str, least: float, most: float) -> None:
    assert least <= left(name) <= most


def test_the_more_a_cell_keeps_the_more_of_the_gradient_is_left() -> None:
    # The forget gate is open by half, by sigmoid(1) = 0.73 and by sigmoid(3) = 0.95, and a cell without one keeps all.
    kept = [left(name) for name in ("lstm, forget bias 0", "lstm", "lstm, forget bias 3")]
    assert kept == sorted(kept)
    assert kept[-1] / kept[0] > 100
    assert left("lstm-without-forget-gate") > 10 * kept[0]


def test_the_identity_keeps_more_than_a_rotation_under_relu() -> None:
    assert np.log10(left("relu, identity")) > np.log10(left("relu")) + 1
