import pytest

from pipeline import filters
from pipeline.config import PreprocessConfig


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"a\x00b", "a\x00b"),
        ("e\u0301".encode(), "\u00e9"),
        (b"a\xff", None),
        (b"\xed\xa0\x80", None),
        (b"\xc0\x80", None),
    ],
)
def test_decode(line, text):
    assert filters.decode(line) == text


@pytest.mark.parametrize("blank", ["", " ", "\t\u00a0\u2028"])
def test_empty_side(blank):
    assert filters.empty_side(blank, "a") and filters.empty_side("a", blank)
    assert not filters.empty_side("a", "b")


def test_too_long_counts_words():
    assert filters.too_long("a b c", "a", 2) and filters.too_long("a", "a b c", 2)
    assert not filters.too_long("a b", "abc abc", 2)


def test_length_ratio_counts_characters_of_either_side():
    assert filters.length_ratio("a" * 7, "b" * 2, 3.0) and filters.length_ratio("b" * 2, "a" * 7, 3.0)
    assert not filters.length_ratio("a" * 6, "b" * 2, 3.0)


def test_the_first_rule_that_drops_gives_the_name():
    rules = filters.rules(PreprocessConfig(source=("a",), target=("b",), output="c", max_words=2, max_ratio=2))
    named = {
        pair: next((name for name, drops in rules.items() if drops(*pair)), None)
        for pair in [("", "a b c"), ("a b c", "a"), ("abcde", "a"), ("a", "b")]
    }
    assert list(named.values()) == ["empty_side", "too_long", "length_ratio", None]
