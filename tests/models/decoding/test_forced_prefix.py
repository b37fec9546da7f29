import numpy as np
import pytest

from models.decoding.forced_prefix import Beginning, Spelling, beginning_with
from models.decoding.stepping import Stepping
from pipeline.schema import START_ID

# Without bytes: what is never to be spelt.
PIECES = [
    b"",
    b"",
    b"",
    b"",
    b"a",
    b"ab",
    b"abcdefg",
    b"b",
    b"bcd",
    b" ",
    b"\xc3",
    b"\xbc",
    "ü".encode(),
    "übe".encode(),
]
A, AB, LONG, B, BCD, SPACE, BYTE, SECOND, UE, UEBE = range(4, len(PIECES))


class Nothing:
    def take(self, rows):
        return self


def padded(rows):
    width = max(map(len, rows))
    return np.array([[*row, *[0] * (width - len(row))] for row in rows], "int32").reshape(len(rows), width)


def steps(pieces, texts, said):
    """The tokens that may be said at each step, by sentence, where `said` are those of the steps."""
    logits = np.zeros((len(texts), 1, len(PIECES)), "float32")
    beginning = Beginning(padded(pieces), padded([[byte + 1 for byte in text] for text in texts]))
    inner = Stepping(lambda last, source, state: (logits, state), Nothing(), ())
    step = beginning_with(inner, beginning, Spelling.of(PIECES))
    assert not step.normalized
    state, found = step.state, []
    for last in [[START_ID] * len(texts), *zip(*said, strict=True)]:
        logits_now, state = step.step_fn(np.array(last, "int32")[:, None], step.source, state)
        found.append([np.flatnonzero(np.isfinite(row[0])).tolist() for row in np.asarray(logits_now)])
    return list(zip(*found, strict=True))


ALL = list(range(len(PIECES)))


def test_pieces_are_said_first_and_then_anything():
    assert steps([[A, BCD]], [b""], [[A, BCD, LONG]]) == [([A], [BCD], ALL, ALL)]


def test_bytes_are_spelt_by_any_pieces_of_which_the_last_may_go_on():
    assert steps([[]], [b"abc"], [[A, BCD]]) == [([A, AB, LONG], [B, BCD], ALL)]
    assert steps([[]], [b"a"], [[LONG]]) == [([A, AB, LONG], ALL)]
    # Nothing spells a c alone.
    assert steps([[]], [b"abc"], [[AB]]) == [([A, AB, LONG], [])]
    # A character in two bytes, and none of its halves alone.
    assert steps([[]], ["ü".encode()], [[BYTE, SECOND]]) == [([BYTE, UE, UEBE], [SECOND], ALL)]
    assert steps([[]], [b" "], [[SPACE]]) == [([SPACE], ALL)]


def test_longer_than_what_is_compared_at_once():
    assert steps([[]], [b"abcdefg"], [[LONG]]) == [([A, AB, LONG], ALL)]
    assert steps([[]], [b"abcdefx"], [[A]]) == [([A, AB], [B, BCD])]


def test_sentences_do_not_heed_each_other():
    pieces, texts = [[], [A, A, A], [SPACE], []], [b"ab", b"", b"b", b""]
    said = [[A, B, LONG, SPACE], [A, A, A, B], [SPACE, B, B, B], [AB, AB, AB, AB]]
    expected = [steps([one], [text], [row])[0] for one, text, row in zip(pieces, texts, said, strict=True)]
    assert steps(pieces, texts, said) == expected
    assert expected[2] == ([SPACE], [B, BCD], ALL, ALL, ALL)


@pytest.mark.parametrize(("pieces", "text", "count"), [([], b"", 0), ([A, B], b"", 2), ([A], b"abc", 4)])
def test_it_takes_at_most_a_piece_for_a_byte(pieces, text, count):
    beginning = Beginning(padded([pieces, [A] * 7]), padded([[byte + 1 for byte in text], [1] * 2]))
    assert np.asarray(beginning.most_pieces()).tolist() == [count, 9]
