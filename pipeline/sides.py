"""A pair as the rules of cleaning see it."""

import re
import string
from typing import NamedTuple

URL_OR_MAIL = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9+.-]*://|www\.)\S+|[^\s@]+@[^\s@]+\.[^\s@]+")
_NO_LETTERS = bytes(byte for byte in range(256) if chr(byte) not in string.ascii_letters)


class Sides(NamedTuple):
    """A pair, with what several rules ask of it.

    Attributes:
        texts: Source and target.
        words: What stands between white space, of both.
        latin: How many letters from a to z they have, the least that there can be of letters and of Latin ones.
    """

    texts: tuple[str, str]
    words: tuple[list[str], list[str]]
    latin: tuple[int, int]


class Broken(NamedTuple):
    """What a rule found wrong.

    Attributes:
        value: What was measured, on the source if both sides break the rule; None if the rule measures nothing.
        threshold: What it would have had to reach, or not to exceed.
    """

    value: float | None = None
    threshold: float | None = None


def sides(source: str, target: str) -> Sides:
    """Looks at a pair once for all rules."""
    return Sides((source, target), (source.split(), target.split()), (_latin(source), _latin(target)))


def _latin(text: str) -> int:
    return len(text.encode().translate(None, _NO_LETTERS))
