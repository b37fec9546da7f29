"""The two baselines, on toy corpora and under their bounds on the whole demo corpus."""

import pytest

from demo.analysis import by_length, by_phenomenon, score
from demo.baselines import learn_word_table, nearest_translations, tokens, translate_by_words
from demo.corpus import draw_pairs
from demo.grammar import PHENOMENA

SOURCE = ["The house.", "The book.", "A book."]
TARGET = ["Das Haus.", "Das Buch.", "Ein Buch."]


def test_tokens():
    assert tokens("It costs €1,250.50, or not?") == ["it", "costs", "€1,250.50", ",", "or", "not", "?"]
    assert tokens("") == []


def test_word_table_finds_what_goes_together():
    """The textbook's corpus of IBM model 1: only the words that co-occur in both contexts stay."""
    table = learn_word_table(SOURCE, TARGET)
    assert table["the"] == "das"
    assert table["book"] == "Buch"
    assert table["house"] == "Haus"
    assert table["a"] == "ein"
    assert table["."] == "."


def test_one_step_of_expectation_maximization_by_hand(monkeypatch):
    """After one step from the uniform start: t(x|a) = 1/2 + 1 of 2.5 in all, and t(y|a) = 1/2 + 1/2."""
    monkeypatch.setattr("demo.baselines._ITERATIONS", 1)
    # a: from (a b, x y) each of x, y gets 1/2; from (a, x) x gets 1; from (a c, y z) each of y, z gets 1/2.
    table = learn_word_table(["a b", "a", "a c"], ["x y", "x", "y z"])
    assert table["a"] == "x"
    assert table["c"] in ("y", "z")


def test_word_for_word_translation_keeps_the_order_and_copies_the_unknown():
    table = {"the": "das", "book": "Buch", ".": "."}
    assert translate_by_words(table, ["The book Lomira, book.", ""]) == ["Das Buch Lomira, Buch.", ""]


def test_nearest_sentence_by_dice():
    # "the old book" has 6 n-grams. With "the old house" (6) it shares the, old, the old: 6/12. With "the" (1): 2/7.
    source, target = ["the", "the old house", "green old trees stand"], ["A", "B", "C"]
    assert nearest_translations(source, target, ["the old book", "green trees", "zzz"]) == ["B", "C", "A"]


@pytest.mark.slow
def test_on_the_whole_corpus_both_stay_below_their_bounds():
    train, _, test = draw_pairs(1, 20_000, 500, 1_000)
    source, target = [pair.english for pair in train], [pair.german for pair in train]
    texts, references = [pair.english for pair in test], [pair.german for pair in test]
    words = score("words", references, translate_by_words(learn_word_table(source, target), texts))
    nearest = score("nearest", references, nearest_translations(source, target, texts))
    assert words.bleu < 30 and nearest.bleu < 50
    # They are honest tries: a table that does nothing but copy has none of this.
    assert words.bleu > 10 and nearest.bleu > 10
    assert by_length(texts, references, references)[-1].sentences == 60
    rows = by_phenomenon([pair.phenomena for pair in test], references, references)
    assert [row.name for row in rows] == list(PHENOMENA)
    assert all(row.sentences >= 20 for row in rows)
    for side in (0, 1):
        assert sum(pair.words[side] for pair in train) / len(train) <= 10
