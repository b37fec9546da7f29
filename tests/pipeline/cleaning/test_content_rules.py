import pytest

from pipeline.cleaning import content_rules
from pipeline.cleaning.scripts import least_letters
from pipeline.cleaning.sides import Broken, sides


def pair(source, target, source_scripts=(), target_scripts=()):
    return sides(source, target, least_letters(source_scripts), least_letters(target_scripts))


def test_identical_but_for_case():
    assert content_rules.identical(pair("Straße 1", "STRASSE 1")) == Broken(None, None)
    assert content_rules.identical(pair("Straße 1", "Straße 2")) is None


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("a 1", None),
        ("a 12", 1 / 3),
        ("é1я 234", 2 / 6),
        ("é1я 23", 2 / 5),
        ("éя 12", None),
        # Signs of vowels are letters, the one that there is none is not.
        ("नमस्ते 12345", 5 / 11),
        ("नमस्ते 1234", None),
        ("12:30", 0.0),
        ("", None),
    ],
)
def test_letters(text, share):
    expected = None if share is None else Broken(share, 0.5)
    assert content_rules.letters(pair(text, "b"), 0.5) == content_rules.letters(pair("b", text), 0.5) == expected


def test_letters_of_a_side_whose_script_is_told():
    assert content_rules.letters(pair("слово 12345", "b", ("Cyrl",)), 0.5) is None
    assert content_rules.letters(pair("слово 123456", "b", ("Cyrl",)), 0.5) == Broken(5 / 11, 0.5)
    # A letter of another script is one.
    assert content_rules.letters(pair("слово z 123456", "b", ("Cyrl",)), 0.5) is None


@pytest.mark.parametrize(
    ("scripts", "text", "share"),
    [
        (("Latn",), "été 1234567", None),
        (("Latn",), "été даже", 3 / 7),
        (("Latin",), "été дня", None),
        (("Cyrl",), "дня été", None),
        (("Cyrl",), "дня étée", 3 / 7),
        (("Cyrl",), "1234 …", None),
        (("Hani", "Hira", "Kana"), "バーかな漢 abcd", None),
        (("Hani",), "漢 かな", 1 / 3),
        ((), "漢 かな", None),
    ],
)
def test_script(scripts, text, share):
    expected = None if share is None else Broken(share, 0.5)
    assert content_rules.script(pair(text, "b", scripts), 0.5, scripts, ()) == expected
    assert content_rules.script(pair("b", text, (), scripts), 0.5, (), scripts) == expected
