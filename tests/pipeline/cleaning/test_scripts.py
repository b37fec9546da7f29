import pytest
import regex

from pipeline.cleaning import scripts


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("en", ("Latn",)),
        ("pt-BR", ("Latn",)),
        ("ru", ("Cyrl",)),
        ("sr", ("Cyrl",)),
        ("sr-Latn", ("Latn",)),
        ("pa", ("Guru",)),
        ("pa-PK", ("Arab",)),
        ("zh", ("Hani",)),
        ("zh-TW", ("Hani", "Bopo")),
        ("ja", ("Hani", "Hira", "Kana")),
        ("ko", ("Hang", "Hani")),
        ("de-1996", ("Latn",)),
        ("sl-rozaj-biske", ("Latn",)),
        ("xyz", ()),
    ],
)
def test_scripts_of(language, names):
    assert scripts.scripts_of(language) == names


@pytest.mark.parametrize(
    ("name", "known"), [("Latin", True), ("Latn", True), ("Klingon", False), ("", False), ("]", False)]
)
def test_is_script(name, known):
    assert scripts.is_script(name) == known


@pytest.mark.parametrize(
    "members",
    [r"\p{Alphabetic}", r"\p{Alphabetic}&&[\p{Script=Hani}]", r"\p{Script=Deseret}", r"\p{Sentence_Terminal}…"],
)
def test_runs_are_those_of_the_property(members):
    every = "".join(chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF)
    expected = regex.findall(rf"(?V1)[{members}]+", every)
    assert expected and "".join(scripts.runs(members).findall(every)) == "".join(expected)


def test_count():
    assert scripts.count(scripts.letters(), "Ab 1é, नमस्ते!") == 8
    assert scripts.count(scripts.letters(("Deva",)), "Ab 1é, नमस्ते!") == 5
    assert scripts.count(scripts.letters(("Latin", "Deva")), "Ab é नमस्ते Я") == 8
    # The sign of a long vowel is a letter of two scripts, and so of none alone.
    assert scripts.count(scripts.letters(), "バー") == 2
    assert scripts.count(scripts.letters_with_a_script(), "バー") == 1


@pytest.mark.parametrize(
    ("names", "text", "least"),
    [
        ((), "Aé, 1 Я", 1),
        (("Latn",), "Aé, 1 Я", 1),
        (("Cyrl",), "Aé, 1 Я", 1),
        (("Cyrl",), "ёж A", 2),
        (("Hani",), "", 0),
    ],
)
def test_least_letters(names, text, least):
    assert scripts.least_letters(names)(text) == least


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("漢字とかな", True),
        ("สวัสดี", True),
        ("a b", False),
        ("漢字 and Latin", False),
        ("漢 (1234567890)", True),
        ("…", False),
        ("", False),
    ],
)
def test_without_spaces(text, without):
    assert scripts.without_spaces(text) == without
