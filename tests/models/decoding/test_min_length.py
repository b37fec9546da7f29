import numpy as np
import pytest

from models.decoding.min_length import at_least
from models.decoding.stepping import Stepping
from pipeline.schema import END_ID

# PAD, UNK, START, END and a word: half the probability is END's, and the word has a quarter.
SHARES = np.array([0.0, 0.25, 0.0, 0.5, 0.25])
TOKENS = np.arange(5, dtype="int32")


class Nothing:
    def take(self, rows):
        return self


def steps(lengths, tokens=TOKENS):
    """The probabilities of a translation's steps, each `(batch, choices)`."""
    with np.errstate(divide="ignore"):
        logits = np.tile(np.log(SHARES[tokens]), (len(lengths), 1, 1)).astype("float32")
    said = at_least(
        Stepping(lambda last, source, state: (logits, state), Nothing(), ()), np.array(lengths, "int32"), tokens
    )
    assert said.normalized
    state = said.state
    while True:
        found, state = said.step_fn(np.full((len(lengths), 1), 4), said.source, state)
        yield np.exp(np.asarray(found)[:, 0])


def test_each_translation_ends_no_sooner_than_it_may_and_loses_what_the_end_would_have_had():
    found = steps([0, 1, 2])
    barred = SHARES * (TOKENS != END_ID)
    for expected in ([SHARES, barred, barred], [SHARES, SHARES, barred], [SHARES] * 3):
        np.testing.assert_allclose(next(found), expected, rtol=1e-6)


@pytest.mark.parametrize("tokens", [[3, 4], [4, 1, 3]])
def test_among_choices(tokens):
    tokens = np.array(tokens, "int32")
    shares = SHARES[tokens] / SHARES[tokens].sum()
    found = steps([1], tokens)
    np.testing.assert_allclose(next(found), [shares * (tokens != END_ID)], rtol=1e-6)
    np.testing.assert_allclose(next(found), [shares], rtol=1e-6)


def test_where_nothing_but_the_end_is_possible_it_ends():
    found = steps([1], np.array([3, 0], "int32"))
    np.testing.assert_allclose(next(found), [[1.0, 0.0]])
