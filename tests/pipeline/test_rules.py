import pytest

from pipeline.cleaning_config import CleaningConfig
from pipeline.rules import Clean, Rejected, cleaner


@pytest.fixture(scope="module")
def clean():
    return cleaner(CleaningConfig(), "en", "ru")


@pytest.mark.parametrize(
    ("source", "target", "rule"),
    [
        ("A man.", "Мужчина.", None),
        (b"A man\xff.", "Мужчина.", "invalid_utf8"),
        ("A man.", " \u00a0\u200b", "empty"),
        ("A man." * 171, "Мужчина.", "characters"),
        ("A man. " * 126, "Мужчина. " * 100, "words"),
        ("A man.", "Мужчина стоит под дождём.", "characters_ratio"),
        ("A" * 41, "Б" * 41, "longest_word"),
        ("A man.", "a  MAN.", "identical"),
        ("A man 12345.", "Мужчина 12345.", "letters"),
        ("A man.", "Ein Mann.", "script"),
    ],
)
def test_a_pair_is_rejected_by_the_first_rule(clean, source, target, rule):
    raw = [side if isinstance(side, bytes) else side.encode() for side in (source, target)]
    assert getattr(clean(*raw), "rule", None) == rule


def test_what_is_kept_is_normalized(clean):
    assert clean("\ufeffA \t cafe\u0301.\r".encode(), "Кафе\u00ad.".encode()) == Clean("A caf\u00e9.", "Кафе.")


def test_what_is_rejected_tells_value_threshold_and_text_as_it_was_read(clean):
    assert clean(b"A  man 12345 .", "Мужчина".encode()) == Rejected("letters", 4 / 10, 0.5, "A  man 12345 .", "Мужчина")
