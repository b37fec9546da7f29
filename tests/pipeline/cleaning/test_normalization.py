import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning.config import CleaningConfig
from pipeline.cleaning.normalization import normalize, normalizer


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("plain text", "plain text"),
        ("e\u0301", "\u00e9"),
        ("\ufeffa\x00b\x7f\x9f", "ab"),
        (" a\t b\u00a0\u3000c\u2028d\x85e\r", "a b c d e"),
        ("Zu\u00adcker \u202b\u05d0\u202c\u200b", "Zucker \u05d0"),
        # Joiners spell words and emoji.
        ("\u06cc\u200c\u062e 👩\u200d🚀", "\u06cc\u200c\u062e 👩\u200d🚀"),
        # What stood apart by something unseen comes together before it is composed.
        ("e\u200b\u0301", "\u00e9"),
        # Full-width letters and ligatures are text.
        ("Ａﬁ", "Ａﬁ"),
        ("", ""),
    ],
)
def test_normalize(text, normal):
    assert normalize(text) == normal


@settings(deadline=None)
@given(st.text())
def test_a_normalized_text_is_its_own_form(text):
    normal = normalize(text)
    assert normalize(normal) == normal == normal.strip() and "  " not in normal


def test_repairs_come_before_the_form():
    text = "Fish &amp; chips  au cafÃ©&nbsp;… “ﬁn”"
    assert normalizer(CleaningConfig())(text) == "Fish &amp; chips au cafÃ©&nbsp;… “ﬁn”"
    assert normalizer(CleaningConfig(ftfy=True))(text) == "Fish & chips au café … “ﬁn”"
    assert normalizer(CleaningConfig(ftfy=True, normalize=False))(text) == "Fish & chips  au café\u00a0… “ﬁn”"
    assert normalizer(CleaningConfig(normalize=False))(f"{text}e\u0301") == f"{text}\u00e9"
