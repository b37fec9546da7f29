"""Cleaning rules that look at what the sides consist of.

Each is a pure function of a pair and its thresholds; it returns what is wrong, or None.
"""

from pipeline.cleaning import scripts
from pipeline.cleaning.sides import Broken, Sides


def identical(pair: Sides) -> Broken | None:
    """Rejects a pair whose sides are the same but for upper and lower case (bicleaner-hardrules, `c_no_identical`)."""
    source, target = pair.texts
    return Broken() if source == target or source.casefold() == target.casefold() else None


def letters(pair: Sides, least: float) -> Broken | None:
    """Rejects a pair of which a side has a share of letters (Unicode's Alphabetic) below `least`, spaces aside.

    OpusFilter, `AlphabetRatioFilter`; bicleaner-hardrules, `c_no_only_symbols` and `c_no_only_numbers`. One half here.
    """
    for text, at_least in zip(pair.texts, pair.letters, strict=True):
        if at_least < least * len(text):
            share = scripts.count(scripts.letters(), text) / max(1, len("".join(text.split())))
            if share < least:
                return Broken(share, least)
    return None


def script(pair: Sides, least: float, source: tuple[str, ...], target: tuple[str, ...]) -> Broken | None:
    """Rejects a pair of which a side has a share of letters in the right script below `least`.

    OpusFilter, `CharacterScoreFilter`. A side without letters is not asked, nor one whose scripts are not known.

    Args:
        pair: The pair.
        least: The least share, of all letters that belong to a script.
        source: The source's scripts.
        target: The target's.
    """
    for text, at_least, right in zip(pair.texts, pair.letters, (source, target), strict=True):
        if right and at_least < least * len(text):
            of_script = scripts.count(scripts.letters(right), text)
            in_a_script = scripts.count(scripts.letters_with_a_script(), text)
            if of_script < least * in_a_script:
                return Broken(of_script / in_a_script, least)
    return None
