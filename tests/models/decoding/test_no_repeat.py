import numpy as np
import pytest

from models.decoding.no_repeat import without_repeats
from models.decoding.stepping import Stepping
from pipeline.schema import END_ID, START_ID

VOCAB = 9


class Nothing:
    def take(self, rows):
        return self


def barred_after(said, sizes, tokens=None, max_length=12):
    """The tokens that may not follow those of each sentence, by the definition and by the step function."""
    tokens = np.arange(VOCAB, dtype="int32") if tokens is None else np.array(tokens, "int32")
    logits = np.zeros((len(said), len(said[0]), len(tokens)), "float32")
    inner = Stepping(lambda last, source, state: (logits, state), Nothing(), ())
    step = without_repeats(inner, np.array(sizes, "int32"), tokens, VOCAB, max_length)
    state = step.state
    for last in [np.full((len(said), len(said[0])), START_ID), *np.moveaxis(np.array(said, "int32"), 2, 0)]:
        found, state = step.step_fn(last.astype("int32"), step.source, state)
    return [[set(tokens[np.isneginf(row)].tolist()) for row in rows] for rows in np.asarray(found)]


def by_definition(said, size):
    ends = list(said)[len(said) - size + 1 :] if size > 1 else []
    return {
        said[at + size - 1] for at in range(len(said) - size + 1) if list(said[at : at + size - 1]) == ends and size > 0
    }


def test_by_hand():
    # 5 6 7 5 6: after 5 6 came 7; after 6 came 7; and 5, 6 and 7 have been said.
    said = [[[5, 6, 7, 5, 6]]]
    assert barred_after(said, [0]) == [[set()]]
    assert barred_after(said, [1]) == [[{5, 6, 7}]]
    assert barred_after(said, [2]) == [[{7}]]
    assert barred_after(said, [3]) == [[{7}]]
    assert barred_after(said, [4]) == [[set()]]


def test_at_the_beginning_nothing_is_a_repetition():
    assert barred_after(np.zeros((2, 1, 0), "int32").tolist(), [1, 2]) == [[set()], [set()]]


@pytest.mark.parametrize("length", [1, 4, 11])
def test_sentences_with_sizes_of_their_own_and_several_hypotheses(length):
    draw = np.random.default_rng(length)
    said = draw.integers(4, 7, size=(6, 3, length))
    sizes = [0, 1, 2, 3, 4, 40]
    expected = [[by_definition(list(row), size) for row in rows] for rows, size in zip(said, sizes, strict=True)]
    assert barred_after(said.tolist(), sizes) == expected
    # Alone, as in company.
    assert [barred_after(said[[n]].tolist(), [size])[0] for n, size in enumerate(sizes)] == expected


def test_among_choices():
    # What is not among them cannot have been said.
    assert barred_after([[[5, 8, 5]]], [1], [END_ID, 5, 6, 8]) == [[{5, 8}]]
    assert barred_after([[[5, 8, 5]]], [2], [END_ID, 5, 6, 8, 0, 0]) == [[{8}]]


def test_where_nothing_were_left_all_is():
    assert barred_after([[[5, 6]]], [1], [5, 6]) == [[set()]]
    assert barred_after([[[5, 6]]], [1], [5, 6, 3]) == [[{5, 6}]]
