"""Scores by group, worked out by hand."""

import pytest

from demo.analysis import Row, by_length, by_phenomenon, score, table

# Four of five words, three of four pairs, two of three triples, one of two fours: BLEU is (4/5 3/4 2/3 1/2) ** (1/4).
REFERENCE, HYPOTHESIS = "a b c d e", "a b c d f"
PARTLY = 100 * 0.2**0.25


def test_score():
    row = score("all", [REFERENCE, "x y z w"], [HYPOTHESIS, "x y z w"])
    assert (row.name, row.sentences, row.exact) == ("all", 2, 50)
    # 8 of 9, 6 of 7, 4 of 5, 2 of 3.
    assert row.bleu == pytest.approx(100 * (8 / 9 * 6 / 7 * 4 / 5 * 2 / 3) ** 0.25)
    assert score("one", [REFERENCE], [HYPOTHESIS]).bleu == pytest.approx(PARTLY)


def test_by_length_puts_each_sentence_into_its_bucket():
    sources = ["w " * 9, "w " * 10, "w " * 14, "w " * 25, "w " * 40]
    references = [REFERENCE] * 5
    hypotheses = [REFERENCE, HYPOTHESIS, REFERENCE, HYPOTHESIS, HYPOTHESIS]
    rows = by_length(sources, references, hypotheses)
    assert [(row.name, row.sentences, row.exact) for row in rows] == [("1-9", 1, 100), ("10-14", 2, 50), ("25+", 2, 0)]
    assert rows[0].bleu == pytest.approx(100)
    assert rows[2].bleu == pytest.approx(PARTLY)


def test_by_phenomenon_counts_a_sentence_in_each_of_its_rows():
    rows = by_phenomenon([["modal", "case"], ["case"], []], [REFERENCE] * 3, [HYPOTHESIS, REFERENCE, "x"])
    assert [(row.name, row.sentences, row.exact) for row in rows] == [("case", 2, 50), ("modal", 1, 0)]
    assert rows[1].bleu == pytest.approx(PARTLY)


def test_table():
    text = table("words", [Row("1-9", 12, 91.26, 66.666), Row("25+", 120, 100, 0)])
    assert text.splitlines() == [
        "words  sentences   BLEU  exact %",
        "1-9           12   91.3     66.7",
        "25+          120  100.0      0.0",
    ]
