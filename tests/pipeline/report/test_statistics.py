import functools
import json
import operator

import numpy as np
import pytest

from pipeline.report.statistics import RATIO_EDGES, PairStatistics, Sentences, Vocabulary, count_pairs, count_side

PIECES = ["<pad>", "<unk>", "<s>", "</s>", "<0x41>", "<0xFF>", "▁a", "b", "▁", "⟦0⟧", "<0xff>"]
VOCABULARY = Vocabulary.of(PIECES)
PAD, UNK, START, END, BYTE_A, BYTE_F, A, B, SPACE, SYMBOL, LOOKALIKE = range(11)


def sides(*rows: list[int]) -> Sentences:
    return Sentences.of(["x" * len(row) for row in rows], rows)


def test_a_vocabulary_knows_its_bytes_and_where_words_begin():
    assert np.flatnonzero(VOCABULARY.byte_pieces).tolist() == [BYTE_A, BYTE_F]
    assert np.flatnonzero(VOCABULARY.word_starts).tolist() == [A, SPACE]


def test_counts_of_a_side():
    side = count_side(
        Sentences.of(
            ["ab a", "⟦0⟧ ÿ", "", "?"], [[A, B, A, END], [SYMBOL, SPACE, BYTE_A, BYTE_F, END], [END], [UNK, END]]
        ),
        VOCABULARY,
    )
    assert (side.sentences, side.characters, side.tokens) == (4, 4 + 5 + 0 + 1, 12)
    assert (side.unknown, side.byte_pieces, side.byte_sentences) == (1, 2, 1)
    assert side.pieces.tolist() == [0, 1, 0, 4, 1, 1, 2, 1, 1, 1, 0]
    # A sentence of one, one of two, one of four and one of five pieces.
    assert side.lengths.tolist() == [0, 1, 1, 0, 1, 1]
    # a, ⟦0⟧ and ? of one piece, ab of two, U+2581 and two bytes.
    assert side.word_lengths.tolist() == [0, 3, 1, 1]
    assert side.words == 5 and side.pieces_per_word == 8 / 5
    assert side.mean_length == 3
    assert [side.length_at(share) for share in (0.25, 0.26, 0.5, 0.75, 1)] == [1, 2, 2, 4, 5]
    assert side.coverage() == 8 / 11 and side.coverage(2) == 2 / 11


@pytest.mark.parametrize(
    ("texts", "bin_from"),
    [
        (("x" * 8, "y" * 8), 1),
        (("ü" * 8, "y" * 16), 2),
        (("x" * 16, "y" * 8), 1 / 2),
        # A wide character counts as two.
        (("x" * 8, "猫" * 8), 2),
        (("x", "y" * 1000), 2**3.875),
        (("x" * 1000, "y"), 2**-4),
        (("x" * 5, ""), 2**-4),
    ],
)
def test_ratios_are_target_by_source_in_characters(texts, bin_from):
    source, target = (Sentences.of([text], [[END]]) for text in texts)
    ratios = count_pairs(source, target, VOCABULARY, VOCABULARY).ratios
    assert ratios.sum() == 1
    assert RATIO_EDGES[np.argmax(ratios)] == pytest.approx(bin_from)


def in_lists(statistics: PairStatistics) -> dict:
    return json.loads(json.dumps(statistics.to_json()))


def test_blocks_add_up_to_the_whole_in_any_order():
    random = np.random.default_rng(1)
    pairs = [
        tuple([*random.integers(4, len(PIECES), random.integers(0, 9)).tolist(), END] for _ in range(2))
        for _ in range(40)
    ]

    def counted(*block):
        return count_pairs(*(sides(*rows) for rows in zip(*block, strict=True)), VOCABULARY, VOCABULARY)

    parts = [counted(*pairs[:1]), counted(*pairs[1:7]), counted(*pairs[7:])]
    nothing = count_pairs(sides(), sides(), VOCABULARY, VOCABULARY)
    whole = in_lists(counted(*pairs))
    assert whole["source"]["sentences"] == 40
    assert in_lists(functools.reduce(operator.add, parts, nothing)) == whole
    assert in_lists(functools.reduce(operator.add, reversed(parts))) == whole
    assert in_lists(PairStatistics.from_json(whole)) == whole


def test_nothing_has_no_mean():
    side = count_side(sides(), VOCABULARY)
    assert (side.sentences, side.tokens, side.pieces_per_word, side.mean_length, side.length_at(1)) == (0, 0, 0, 0, 0)
    assert side.coverage() == 0
