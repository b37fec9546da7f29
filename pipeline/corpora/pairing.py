"""Which files of two patterns seem to be no translations of each other, told by their names."""

import re
from collections.abc import Sequence

_WORDS = re.compile(r"[^\W_]+")
Differences = frozenset[tuple[str, ...]] | None


def unlike(pairs: Sequence[tuple[str, str]]) -> list[int]:
    """The places of the pairs of names that differ in another way than the others do.

    `de/a.de` differs from `en/a.en` in one word alone, the language; and if in more, then each pair in the same.

    Args:
        pairs: Names of a source and a target file each, without endings of compression; all that two patterns match,
            which are several.
    """
    found = [_differences(*pair) for pair in pairs]
    usual = min((each for each in found if each is not None), key=len, default=None)
    is_rule = usual is not None and (len(usual) < 2 or {*found} == {usual})
    return [place for place, each in enumerate(found) if each != usual or not is_rule]


def _differences(source: str, target: str) -> Differences:
    """The words in which two names differ, each with the other's; None if they have not as many words."""
    words = _WORDS.findall(source), _WORDS.findall(target)
    if len(words[0]) != len(words[1]):
        return None
    return frozenset(pair for pair in zip(*words, strict=True) if pair[0] != pair[1])
