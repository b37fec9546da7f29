"""Cleaning rules: pure functions that tell whether to drop a pair, and the names under which drops are counted."""

import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple

from pipeline.config import PreprocessConfig

INVALID_UTF8 = "invalid_utf8"
EMPTY_SIDE = "empty_side"
TOO_LONG = "too_long"
LENGTH_RATIO = "length_ratio"
REASONS = (INVALID_UTF8, EMPTY_SIDE, TOO_LONG, LENGTH_RATIO)


def decode(line: bytes) -> str | None:
    """Turns a line into text in NFC, or into None if it is not valid UTF-8."""
    try:
        return unicodedata.normalize("NFC", line.decode("utf-8"))
    except UnicodeDecodeError:
        return None


def empty_side(source: str, target: str) -> bool:
    """A side holds nothing but white space."""
    return not source.strip() or not target.strip()


def too_long(source: str, target: str, max_words: int) -> bool:
    """A side has more than `max_words` words between white space."""
    return len(source.split()) > max_words or len(target.split()) > max_words


def length_ratio(source: str, target: str, max_ratio: float) -> bool:
    """One side has more than `max_ratio` times the characters of the other, as misaligned lines have."""
    shorter, longer = sorted((len(source), len(target)))
    return longer > max_ratio * shorter


def rules(config: PreprocessConfig) -> dict[str, Callable[[str, str], bool]]:
    """The rules that look at one pair alone, by name, in the order in which they are asked."""
    return {
        EMPTY_SIDE: empty_side,
        TOO_LONG: lambda source, target: too_long(source, target, config.max_words),
        LENGTH_RATIO: lambda source, target: length_ratio(source, target, config.max_ratio),
    }


class Clean(NamedTuple):
    """A pair that no rule rejects, as text."""

    source: str
    target: str


class Rejected(NamedTuple):
    """A pair that `rule` rejects: what it measured, what it allows, and the texts."""

    rule: str
    value: Any
    threshold: Any
    source: str
    target: str


def cleaner(config: PreprocessConfig) -> Callable[[bytes, bytes], Clean | Rejected]:
    """Makes the function that decodes a raw pair and asks the rules."""
    asked = rules(config)

    def clean(raw_source: bytes, raw_target: bytes) -> Clean | Rejected:
        source, target = decode(raw_source), decode(raw_target)
        if source is None or target is None:
            sides = (side.decode(errors="backslashreplace") for side in (raw_source, raw_target))
            return Rejected(INVALID_UTF8, None, None, *sides)
        reason = next((name for name, drops in asked.items() if drops(source, target)), None)
        return Rejected(reason, None, None, source, target) if reason else Clean(source, target)

    return clean
