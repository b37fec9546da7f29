"""A pair as the rules of cleaning see it."""

import re
from collections.abc import Callable
from typing import NamedTuple

# Each alternative starts where nothing of its kind stands before, or a long text would take quadratic time.
URL_OR_MAIL = re.compile(r"(?:(?<![a-zA-Z0-9+.-])[a-zA-Z][a-zA-Z0-9+.-]*://|www\.)\S+|(?<!\S)[^\s@]+@[^\s@]+\.[^\s@]+")


class Sides(NamedTuple):
    """A pair, with what several rules ask of it.

    Attributes:
        texts: Source and target.
        letters: How many letters of their own scripts they have at least, so that most need not be counted exactly.
    """

    texts: tuple[str, str]
    letters: tuple[int, int]


class Broken(NamedTuple):
    """What a rule found wrong.

    Attributes:
        value: What was measured, on the source if both sides break the rule; None if the rule measures nothing.
        threshold: What it would have had to reach, or not to exceed.
    """

    value: float | None = None
    threshold: float | None = None


def sides(
    source: str, target: str, source_letters: Callable[[str], int], target_letters: Callable[[str], int]
) -> Sides:
    """Looks at a pair once for all rules.

    Args:
        source: The source.
        target: The target.
        source_letters: What counts its letters, from `scripts.least_letters`.
        target_letters: The target's.
    """
    return Sides((source, target), (source_letters(source), target_letters(target)))
