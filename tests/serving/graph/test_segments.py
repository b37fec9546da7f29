import math

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pieces import train_subwords
from pipeline.schema import END_ID
from pipeline.tokenizer import Tokenizer
from serving.graph.segments import Parts, divide, join

# In these tests an even id begins a word and an odd one goes on with it.
VOCAB = 100
WORD_STARTS = tf.constant([piece % 2 == 0 for piece in range(VOCAB)])


def divided(rows: list[list[int]], max_length: int) -> list[tuple[int, list[int], str]]:
    """The parts of texts, given without END: each with its text's number and its separator."""
    ids = tf.RaggedTensor.from_row_lengths(
        tf.constant([piece for row in rows for piece in [*row, END_ID]], tf.int32), [len(row) + 1 for row in rows]
    )
    parts = divide(ids, WORD_STARTS, max_length)
    return [
        (text, pieces, separator.decode())
        for text, pieces, separator in zip(
            parts.texts.numpy().tolist(), parts.ids.to_list(), parts.separators.numpy(), strict=True
        )
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # Eight pieces and END fit in nine, whatever their words.
        ([[10, 12, 14, 16, 18, 20, 22, 24]], [(0, [10, 12, 14, 16, 18, 20, 22, 24, 3], "")]),
        ([[11, 11, 11, 11, 11, 11, 11, 11]], [(0, [11, 11, 11, 11, 11, 11, 11, 11, 3], "")]),
        # Nine do not: a part begins with the word at the sixth piece, since none of two pieces can pass the eighth.
        (
            [[10, 11, 12, 11, 14, 11, 16, 11, 18]],
            [(0, [10, 11, 12, 11, 14, 11, 3], ""), (0, [16, 11, 18, 3], " ")],
        ),
        # A word of five pieces is more than a quarter of eight: it is divided after four, and nothing stands between.
        (
            [[10, 11, 12, 13, 15, 17, 19, 11, 14]],
            [(0, [10, 11, 12, 13, 15, 17, 3], ""), (0, [19, 11, 14, 3], "")],
        ),
        # Twenty pieces of one word.
        (
            [[10, *range(11, 49, 2)]],
            [
                (0, [10, 11, 13, 15, 17, 19, 3], ""),
                (0, [21, 23, 25, 27, 29, 31, 3], ""),
                (0, [33, 35, 37, 39, 41, 43, 3], ""),
                (0, [45, 47, 3], ""),
            ],
        ),
        # Texts keep their order and their numbers, and one without pieces has no part.
        ([[], [10], [], [12, 13], []], [(1, [10, 3], ""), (3, [12, 13, 3], "")]),
        (
            [[11], [10] * 9, [12]],
            [(0, [11, 3], ""), (1, [10] * 6 + [3], ""), (1, [10] * 3 + [3], " "), (2, [12, 3], "")],
        ),
        ([[], []], []),
        ([], []),
    ],
)
def test_parts_worked_out_by_hand(rows, expected):
    assert divided(rows, max_length=9) == expected


def test_a_word_at_the_border_is_not_cut():
    # Its first piece is the sixth of the text, so that it belongs to the first stretch and ends with the seventh piece.
    assert divided([[10, 12, 14, 16, 18, 20, 21, 22, 24]], max_length=9) == [
        (0, [10, 12, 14, 16, 18, 20, 21, 3], ""),
        (0, [22, 24, 3], " "),
    ]


def test_the_smallest_parts():
    assert divided([[10, 11, 12]], max_length=2) == [(0, [10, 3], ""), (0, [11, 3], ""), (0, [12, 3], " ")]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # Ten and what follows them are one part.
        ([*range(4, 14), 20], [([*range(4, 14), 20, 3], "")]),
        # Before an eleventh a part begins: with the word after the tenth, or with the eleventh itself.
        ([20, *range(4, 14), 20, 4], [([20, *range(4, 14), 3], ""), ([20, 4, 3], " ")]),
        ([*range(4, 14), 21, 4], [([*range(4, 14), 3], ""), ([21, 4, 3], "")]),
        ([4] * 21, [([4] * 10 + [3], ""), ([4] * 10 + [3], " "), ([4, 3], " ")]),
    ],
)
def test_no_part_has_more_than_ten_placeholders(row, expected):
    ids = tf.ragged.constant([[20, 3], [*row, 3]], dtype=tf.int32)
    parts = divide(ids, WORD_STARTS, max_length=40, placeholders=True)
    separators = [separator.decode() for separator in parts.separators.numpy()]
    assert list(zip(parts.ids.to_list(), separators, strict=True)) == [([20, 3], ""), *expected]
    assert parts.texts.numpy().tolist() == [0, *[1] * len(expected)]
    assert divided([row], max_length=40) == [(0, [*row, 3], "")]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(END_ID + 1, VOCAB - 1), max_size=70), max_size=5), st.integers(2, 40))
def test_nothing_is_lost_and_no_part_is_too_long(rows, max_length):
    parts, room = divided(rows, max_length), max_length - 1
    assert [text for text, *_ in parts] == sorted(text for text, *_ in parts)
    for number, row in enumerate(rows):
        own = [(pieces, separator) for text, pieces, separator in parts if text == number]
        assert all(2 <= len(pieces) <= max_length and pieces[-1] == END_ID for pieces, _ in own)
        assert [piece for pieces, _ in own for piece in pieces[:-1]] == row
        if len(row) <= room:
            assert len(own) == bool(row)
        if room >= 4:
            # A part leaves no more than a quarter of its room unused, the last one aside.
            assert len(own) <= math.ceil(len(row) / (0.75 * room))
        for place, (pieces, separator) in enumerate(own):
            begins_word = pieces[0] % 2 == 0
            assert separator == (" " if place and begins_word else "")
            if place and not begins_word:
                before = sum(len(pieces) - 1 for pieces, _ in own[:place])
                first = max((i for i in range(before) if row[i] % 2 == 0), default=0)
                last = next((i for i in range(before, len(row)) if row[i] % 2 == 0), len(row))
                assert last - first > max(room // 4, 1), "a word that has room was divided"
        # What else is translated does not matter.
        assert [(0, *part) for part in own] == divided([row], max_length)


def test_translations_are_joined_by_hand():
    parts = Parts(tf.ragged.constant([[3]] * 3), tf.constant([1, 1, 3]), tf.constant(["", " ", ""]))
    joined = join(tf.constant([["a", "b"], ["c", "d"], ["e", "f"]]), parts, tf.constant(4))
    assert joined.numpy().tolist() == [[b"", b""], [b"a c", b"b d"], [b"", b""], [b"e", b"f"]]


def test_nothing_joined_is_empty():
    parts = divide(tf.RaggedTensor.from_row_lengths(tf.constant([END_ID, END_ID]), [1, 1]), WORD_STARTS, 5)
    assert join(tf.zeros([0, 3], tf.string), parts, tf.constant(2)).numpy().tolist() == [[b""] * 3] * 2


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(train_subwords(["ab abc abcd ba cab dab bad cad", "ab abc d"], vocab_size=285))


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(st.text("abcd ", max_size=60), min_size=1, max_size=4), max_length=st.integers(2, 20))
def test_a_model_that_repeats_its_source_gives_the_text_back(tokenizer, texts, max_length):
    """Word borders, words in two parts and runs of spaces come out of division and joining as they went in."""
    parts = divide(tokenizer.tokenize(tf.constant(texts)), tokenizer.word_starts(), max_length)
    repeated = tokenizer.detokenize(parts.ids)[:, None]
    assert join(repeated, parts, tf.constant(len(texts)))[:, 0].numpy().tolist() == [text.encode() for text in texts]
