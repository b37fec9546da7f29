"""One form for text that looks the same."""

import functools
import re
import unicodedata
from collections.abc import Callable

from pipeline.cleaning.config import CleaningConfig

# What is not seen: control characters that are no white space, the soft hyphen, the space without width, the byte
# order mark, marks of direction, invisible operators. The joiners U+200C and U+200D stay, as Persian, the scripts of
# India and emoji are spelled with them.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb]+"
)


def normalize(text: str) -> str:
    """Brings text into one form: nothing unseen in it, NFC (Unicode, UAX 15), and one space between words.

    White space is what `str.split` knows as such, no-break and ideographic spaces among it; the text neither starts
    nor ends with it. The form of a normalized text is itself.

    Moses (`remove-non-printing-char.perl`, `normalize-punctuation.perl`) and bifixer (Ramírez-Sánchez 2020) do
    likewise; punctuation keeps its form here, as it is part of what is learned.
    """
    if not text.isprintable():
        text = _UNSEEN.sub("", text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def normalizer(config: CleaningConfig) -> Callable[[str], str]:
    """What is done to a side before any rule but `invalid_utf8` sees it, as the settings ask.

    With `ftfy`, HTML entities become their characters and mojibake what it was before a wrong decoding (Speer 2019);
    quotation marks, ligatures and full-width letters keep their form. Without `normalize`, text is brought into NFC
    alone, as it is tokenized in.
    """
    form = normalize if config.normalize else functools.partial(unicodedata.normalize, "NFC")
    if not config.ftfy:
        return form
    import ftfy  # an extra

    repairs = ftfy.TextFixerConfig(
        unescape_html=True,
        uncurl_quotes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        fix_line_breaks=False,
        normalization=None,
        explain=False,
    )

    def repair(text: str) -> str:
        return form(ftfy.fix_text(text, repairs))

    return repair
