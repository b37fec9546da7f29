import numpy as np
import pytest

from models.decoding.min_length import at_least
from models.decoding.stepping import Stepping, around, barring, normalized

LOGITS = np.array([[[0.0, 1.0, 2.0]], [[3.0, 0.0, -1.0]]], "float32")


class Rows:
    """The source of a step function that knows nothing of it but which rows are left."""

    def __init__(self, rows):
        self.rows = rows

    def take(self, rows):
        return Rows([self.rows[row] for row in np.asarray(rows)])


def inner():
    """Says the same at each step, and counts its steps in its state."""
    return Stepping(
        lambda last, source, state: (LOGITS[source.rows], state + 1), Rows([0, 1]), np.zeros((2, 1), "int32")
    )


def test_a_step_function_around_another_has_rows_and_a_state_of_its_own():
    def change(rows, last, logits, state):
        return logits + rows[:, None, None], state + last

    outer = around(inner(), np.array([10.0, 20.0], "float32"), np.full((2, 1), 5), change)
    logits, state = outer.step_fn(np.array([[7], [8]]), outer.source, outer.state)
    np.testing.assert_array_equal(logits, LOGITS + np.array([[[10.0]], [[20.0]]]))
    assert np.asarray(state[0]).tolist() == [[1], [1]] and np.asarray(state[1]).tolist() == [[12], [13]]
    # Both know how to take some of the sentences.
    second = outer.source.take(np.array([1]))
    logits, _ = outer.step_fn(np.array([[7]]), second, tuple(part[1:] for part in state))
    np.testing.assert_array_equal(logits, LOGITS[1:] + 20.0)


def test_an_ending_is_that_of_the_innermost():
    ending = inner()._replace(ending=lambda source, state: np.array(source.rows)[:, None] + state)
    outer = at_least(
        around(ending, (), (), lambda rows, last, logits, state: (logits, state)), np.array([1, 1]), [0, 1, 2]
    )
    assert np.asarray(outer.ending(outer.source, outer.state)).tolist() == [[0], [1]]


def test_log_probabilities():
    outer = normalized(inner())
    assert outer.normalized and normalized(outer) is outer and not inner().normalized
    logits, _ = outer.step_fn(np.array([[7], [8]]), outer.source, outer.state)
    expected = LOGITS - np.log(np.exp(LOGITS).sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(logits, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("barred", "expected"),
    [
        ([False, True, False], [1.0, -np.inf, -3.0]),
        # What was barred before stays so, and where nothing is left nothing is barred.
        ([True, True, True], [1.0, 2.0, -3.0]),
    ],
)
def test_what_is_barred(barred, expected):
    logits = np.array([[[1.0, 2.0, -3.0]]], "float32")
    np.testing.assert_array_equal(np.asarray(barring(logits, np.array(barred)))[0, 0], expected)


def test_where_all_else_was_impossible_nothing_is_barred():
    logits = np.array([[[1.0, -np.inf, -np.inf]]], "float32")
    np.testing.assert_array_equal(barring(logits, np.array([True, False, False])), logits)
