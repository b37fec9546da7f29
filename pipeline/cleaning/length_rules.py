"""Cleaning rules that count: characters, words, and the one side against the other.

Each is a pure function of a pair and its thresholds, or makes one; it returns what is wrong, or None.
"""

import re
from collections.abc import Callable

from pipeline.cleaning.scripts import runs, without_spaces
from pipeline.cleaning.sides import URL_OR_MAIL, Broken, Sides

_WIDE = r"\p{East_Asian_Width=Wide}\p{East_Asian_Width=Fullwidth}"
# The first one that is, and all after it.
_MAY_BE_WIDE = re.compile("[\u1100-\U0010ffff]").search


def empty(pair: Sides) -> Broken | None:
    """Rejects a pair of which a side has no word (Moses, `clean-corpus-n.perl`)."""
    source, target = pair.texts
    return None if source.strip() and target.strip() else Broken()


def characters(pair: Sides, most: int) -> Broken | None:
    """Rejects a pair of which a side has more than `most` characters (bicleaner-hardrules, `c_not_too_long`; 1024)."""
    longest = max(map(len, pair.texts))
    return Broken(longest, most) if longest > most else None


def words(pair: Sides, least: int, most: int) -> Broken | None:
    """Rejects a pair of which a side has fewer than `least` or more than `most` words between white space.

    Moses, `clean-corpus-n.perl`, with the limits 1 and 250; OpusFilter, `LengthFilter`. A side whose script puts no
    spaces between words is not asked.
    """
    for text in pair.texts:
        if least <= bool(text.strip()) and len(text) < 2 * most:  # There cannot be more.
            continue
        count = len(text.split())
        if not least <= count <= most and not without_spaces(text):
            return Broken(count, least if count < least else most)
    return None


def characters_ratio(pair: Sides, most: float) -> Broken | None:
    """Rejects a pair of which a side is more than `most` times as wide as the other, as misaligned lines are.

    OpusFilter, `LengthRatioFilter` with the unit `char`; 3 there and here. The width is a count of characters, in which
    those of East Asian width count as two (Unicode, UAX 11): a character of Chinese says about as much as two or three
    of English, and without that half of the pairs of the two would be lost.
    """
    source, target = pair.texts
    shorter, longer = sorted((len(source), len(target)))
    if 2 * longer <= most * shorter:  # Within the limit however wide the characters are.
        return None
    narrower, wider = sorted((width(source), width(target)))
    return Broken(wider / max(narrower, 1), most) if wider > most * narrower else None


def longest_word(most: int) -> Callable[[Sides], Broken | None]:
    """Makes the rule that rejects a pair of which a side has a word of more than `most` characters.

    OpusFilter, `LongWordFilter`; 40 there and here. URLs and mail addresses are no words, nor is what stands between
    spaces in a script that has none between words.
    """
    long = re.compile(rf"(?<!\S)\S{{{most + 1}}}")

    def rule(pair: Sides) -> Broken | None:
        for text in pair.texts:
            if long.search(text):
                lengths = (len(word) for word in text.split() if len(word) > most and not _no_word(word))
                longest = max(lengths, default=0)
                if longest:
                    return Broken(longest, most)
        return None

    return rule


def width(text: str) -> int:
    """Counts a text's characters, those of East Asian width as two (Unicode, UAX 11)."""
    return (
        len(text) if text.isascii() or not _MAY_BE_WIDE(text) else len(text) + len("".join(runs(_WIDE).findall(text)))
    )


def _no_word(word: str) -> bool:
    return without_spaces(word) or URL_OR_MAIL.search(word) is not None
