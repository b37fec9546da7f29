import numpy as np
import pytest

from models.decoding.likeliest import likeliest

# In no order, so that a rank is not a place.
SHARES = [0.1, 0.4, 0.05, 0.3, 0.15]


def left(top_k, top_p, shares=SHARES):
    logits = np.log(np.array(shares, "float32"))[None, None]
    found = np.asarray(likeliest(logits, top_k, top_p))[0, 0]
    assert ((found == logits[0, 0]) | np.isneginf(found)).all()
    return np.flatnonzero(np.isfinite(found)).tolist()


CASES = [
    (0, 1.0, [0, 1, 2, 3, 4]),
    (1, 1.0, [1]),
    (3, 1.0, [1, 3, 4]),
    (5, 1.0, [0, 1, 2, 3, 4]),
    (99, 1.0, [0, 1, 2, 3, 4]),
    # 0.4 alone reaches it; 0.4 and 0.3; the first three have 0.85.
    (0, 0.3, [1]),
    (0, 0.6, [1, 3]),
    (0, 0.8, [1, 3, 4]),
    (0, 0.9, [0, 1, 3, 4]),
    (0, 1e-6, [1]),
    # Of the two likeliest, 0.4 has four sevenths, 0.571.
    (2, 0.57, [1]),
    (2, 0.58, [1, 3]),
]


@pytest.mark.parametrize(("top_k", "top_p", "expected"), CASES)
def test_by_hand(top_k, top_p, expected):
    assert left(top_k, top_p) == expected


def test_one_for_each_sentence_is_that_sentence_alone():
    logits = np.log(np.tile(np.array(SHARES, "float32"), (len(CASES), 2, 1)))
    top_k, top_p = (
        np.array([case[at] for case in CASES], dtype)[:, None, None] for at, dtype in ((0, "int32"), (1, "float32"))
    )
    found = np.asarray(likeliest(logits, top_k, top_p))
    for row, (_, _, expected) in enumerate(CASES):
        for draw in (0, 1):
            assert np.flatnonzero(np.isfinite(found[row, draw])).tolist() == expected
    # Where nobody asks for fewer, there are all.
    np.testing.assert_array_equal(likeliest(logits, top_k * 0, top_p * 0 + 1), logits)


def test_equals_stay_together():
    assert left(2, 1.0, [0.2, 0.4, 0.2, 0.2]) == [0, 1, 2, 3]
    assert left(0, 0.5, [0.2, 0.4, 0.2, 0.2]) == [0, 1, 2, 3]
