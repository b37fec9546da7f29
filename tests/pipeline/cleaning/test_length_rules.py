import pytest

from pipeline.cleaning import length_rules
from pipeline.cleaning.scripts import least_letters
from pipeline.cleaning.sides import Broken, sides


def pair(source, target):
    return sides(source, target, least_letters(()), least_letters(()))


@pytest.mark.parametrize("blank", ["", " ", "\t\u00a0\u2028"])
def test_empty(blank):
    assert length_rules.empty(pair(blank, "a")) == length_rules.empty(pair("a", blank)) == Broken(None, None)
    assert length_rules.empty(pair("a", "b")) is None


def test_characters_of_the_longer_side():
    assert length_rules.characters(pair("a", "éé é"), 3) == Broken(4, 3)
    assert length_rules.characters(pair("aa a", "b"), 3) == Broken(4, 3)
    assert length_rules.characters(pair("a a", "ééé"), 3) is None


def test_words_of_either_side():
    assert length_rules.words(pair("a b c", "a"), 1, 2) == length_rules.words(pair("a", "a b c"), 1, 2) == Broken(3, 2)
    assert length_rules.words(pair("a b", "a"), 2, 9) == Broken(1, 2)
    assert length_rules.words(pair("a b", "abc abc"), 2, 2) is None
    assert length_rules.words(pair("a\tb c ", "abc abc"), 1, 2) == Broken(3, 2)
    assert length_rules.words(pair(" ", "a"), 1, 2) == length_rules.words(pair("", "a"), 1, 2) == Broken(0, 1)
    assert length_rules.words(pair("", "a"), 0, 1) is None


def test_words_are_not_counted_without_spaces():
    assert length_rules.words(pair("two words", "两个字"), 2, 9) is None
    assert length_rules.words(pair("two words", "両 個 の 字"), 1, 3) is None
    assert length_rules.words(pair("one", "两个字"), 2, 9) == Broken(1, 2)
    assert length_rules.words(pair("two words", "두단어"), 2, 9) == Broken(1, 2)


def test_characters_ratio():
    assert length_rules.characters_ratio(pair("a" * 7, "b" * 2), 3.0) == Broken(3.5, 3.0)
    assert length_rules.characters_ratio(pair("b" * 2, "é" * 7), 3.0) == Broken(3.5, 3.0)
    assert length_rules.characters_ratio(pair("a" * 6, "b" * 2), 3.0) is None
    assert length_rules.characters_ratio(pair("", "b"), 3.0) == Broken(1.0, 3.0)


def test_wide_characters_count_twice():
    assert length_rules.characters_ratio(pair("a" * 12, "字字"), 3.0) is None
    assert length_rules.characters_ratio(pair("a" * 13, "字字"), 3.0) == Broken(3.25, 3.0)
    assert length_rules.characters_ratio(pair("aa", "字" * 4), 3.0) == Broken(4.0, 3.0)
    # Full-width forms, Hangul and emoji are wide; a half-width katakana is not.
    assert length_rules.characters_ratio(pair("a" * 12, "Ａ글"), 3.0) is None
    assert length_rules.characters_ratio(pair("a" * 12, "ｱｱ"), 3.0) == Broken(6.0, 3.0)


def test_longest_word():
    assert length_rules.longest_word(40)(pair("a " + "b" * 41, "a")) == Broken(41, 40)
    assert length_rules.longest_word(40)(pair("a", "b" * 41 + " " + "c" * 43)) == Broken(43, 40)
    assert length_rules.longest_word(40)(pair("a " * 50, "b" * 40)) is None
    assert length_rules.longest_word(40)(pair("", "")) is None


@pytest.mark.parametrize(
    "word", ["https://example.org/" + "a" * 40, "(www.example.org/" + "a" * 40, "a" * 40 + "@example.org", "字" * 41]
)
def test_what_is_no_word_may_be_long(word):
    assert length_rules.longest_word(40)(pair("a " + word, "b")) is None
    assert length_rules.longest_word(40)(pair("a " + word, "b" * 42)) == Broken(42, 40)
