"""Cleaning rules that are off unless their threshold is set, as they cost more, or good pairs of some kinds of text.

Each is a pure function of a pair and its threshold, or makes one; it returns what is wrong, or None.
"""

import difflib
import math
import re
from collections import Counter
from collections.abc import Callable

from pipeline.cleaning.scripts import runs
from pipeline.cleaning.sides import URL_OR_MAIL, Broken, Sides

_DIGITS = re.compile(r"\d+")
_ENDS = r"\p{Sentence_Terminal}…"


def numerals(pair: Sides, least: float) -> Broken | None:
    """Rejects a pair whose digits, 0 left out, have a similarity below `least`, from 0 to 1.

    OpusFilter, `NonZeroNumeralsFilter` (Vázquez 2019), with 0.5: twice the digits that both sides have in the same
    order (Ratcliff and Metzener 1988), over all that they have. Digits of all scripts count as what they stand for.
    """
    source, target = map(_digits, pair.texts)
    if source == target:
        return None
    similarity = difflib.SequenceMatcher(None, source, target, autojunk=False).ratio()
    return Broken(similarity, least) if similarity < least else None


def punctuation(pair: Sides, least: float) -> Broken | None:
    """Rejects a pair whose sentence ends have a score below `least`.

    OpusFilter, `TerminalPunctuationFilter` (Vázquez 2019), with -2: the score is `-log(1 + d + s + t)`, d by how many
    marks the sides differ, s and t how many more than one they have. The marks are those of all scripts (Unicode's
    Sentence_Terminal) and the ellipsis.
    """
    ends = runs(_ENDS)
    source, target = (sum(map(len, ends.findall(text))) for text in pair.texts)
    score = -math.log(1 + abs(source - target) + max(source - 1, 0) + max(target - 1, 0))
    return Broken(score, least) if score < least else None


def repetition(most: int) -> Callable[[Sides], Broken | None]:
    """Makes the rule that rejects a pair of which a side repeats itself more than `most` times.

    OpusFilter, `RepetitionFilter`, whose threshold 2 is 1 here: something of 3 to 100 characters that does not start
    with a space follows itself, with or without spaces between.
    """
    repeated = re.compile(rf"(\S.{{2,99}}?)(?: *\1){{{most + 1},}}", re.DOTALL)

    def rule(pair: Sides) -> Broken | None:
        for text in pair.texts:
            # What is said so often, its first three characters are too; the pattern alone takes ten times as long.
            grams = [text[start : start + 3] for start in range(len(text) - 2)]
            if len(grams) - len(set(grams)) <= most:
                continue
            often = {gram for gram, times in Counter(grams).items() if times > most + 1}
            for start, gram in enumerate(grams):
                if gram in often and (found := repeated.match(text, start)):
                    return Broken(found[0].count(found[1]) - 1, most)
        return None

    return rule


def urls(pair: Sides, most: float) -> Broken | None:
    """Rejects a pair of which a side has more than the share `most` of its characters in URLs and mail addresses.

    bicleaner-hardrules, `c_no_urls`, whose older form had a limit of characters.
    """
    for text in pair.texts:
        if "://" in text or "www." in text or "@" in text:
            share = sum(map(len, URL_OR_MAIL.findall(text))) / len(text)
            if share > most:
                return Broken(share, most)
    return None


def _digits(text: str) -> str:
    found = "".join(_DIGITS.findall(text))
    return (found if found.isascii() else "".join(str(int(digit)) for digit in found)).replace("0", "")
