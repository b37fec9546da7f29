import math
import time

import pytest

from pipeline.cleaning import optional_rules
from pipeline.cleaning.scripts import least_letters
from pipeline.cleaning.sides import Broken, sides


def pair(source, target):
    return sides(source, target, least_letters(()), least_letters(()))


@pytest.mark.parametrize(
    ("source", "target", "similarity"),
    [
        ("no digit", "keine", None),
        ("in 2010", "2 0 1 0", None),
        # 0 does not count, so that 1,000 and 1 thousand are alike.
        ("1,000", "1 Tausend", None),
        ("12", "13", None),
        ("1234", "1", 2 * 1 / 5),
        ("7", "", 0.0),
        # Arabic and Devanagari digits.
        ("1234", "١٢٣٤", None),
        ("1234", "१", 2 * 1 / 5),
    ],
)
def test_numerals(source, target, similarity):
    expected = None if similarity is None else Broken(similarity, 0.5)
    assert optional_rules.numerals(pair(source, target), 0.5) == expected


@pytest.mark.parametrize(
    ("source", "target", "penalty"),
    [
        ("A.", "B.", 0),
        ("A.", "B", 1),
        ("A.", "甲。", 0),
        ("A? B…", "क।", 1 + 1),
        ("A. B. C.", "B! C?", 1 + 2 + 1),
        ("A.....", "B", 5 + 4),
    ],
)
def test_punctuation(source, target, penalty):
    for sides_ in ((source, target), (target, source)):
        assert optional_rules.punctuation(pair(*sides_), -2) == (
            None if penalty < 7 else Broken(-math.log(1 + penalty), -2)
        )
        assert optional_rules.punctuation(pair(*sides_), 0) == (Broken(-math.log(1 + penalty), 0) if penalty else None)


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("abcabcabc", 2),
        ("abc abc   abcabc", 3),
        ("x and so and so and so on", 2),
        ("aaaaaaaaa", 2),
        ("abcabc", 1),
        ("ababab", 0),
        ("abc x abc y abc", 0),
        ("ab", 0),
        ("", 0),
    ],
)
@pytest.mark.parametrize("most", [0, 1, 2])
def test_repetition(text, times, most):
    rule = optional_rules.repetition(most)
    expected = Broken(times, most) if times > most else None
    assert rule(pair(text, "b")) == rule(pair("b", text)) == expected


def test_repetition_of_what_has_a_hundred_characters():
    unit = "".join(map(chr, range(0x4E00, 0x4E00 + 100)))
    rule = optional_rules.repetition(1)
    assert rule(pair(unit * 3, "b")) == Broken(2, 1)
    assert rule(pair((unit + "b") * 3, "b")) is None


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("see https://example.org", 19 / 23),
        ("(www.example.org)", 16 / 17),
        ("to a.b@example.org", 15 / 18),
        ("see this and that at https://x.org", None),
        ("nothing: //, www, @ at all", None),
    ],
)
def test_urls(text, share):
    expected = None if share is None else Broken(share, 0.5)
    assert optional_rules.urls(pair(text, "b"), 0.5) == optional_rules.urls(pair("b", text), 0.5) == expected


@pytest.mark.parametrize("text", ["a" * 100_000 + "://", "@" * 100_000, "a@" * 50_000, "www." * 25_000])
def test_urls_of_a_hostile_line_take_linear_time(text):
    start = time.process_time()
    optional_rules.urls(pair(text, "b"), 0.5)
    assert time.process_time() - start < 1
