"""Cleaning rules: pure functions that tell whether to drop a pair, and the names under which drops are counted."""

import hashlib
import unicodedata
from collections.abc import Callable

from pipeline.config import PreprocessConfig

INVALID_UTF8 = "invalid_utf8"
EMPTY_SIDE = "empty_side"
TOO_LONG = "too_long"
LENGTH_RATIO = "length_ratio"
LEAKED = "leaked"
DUPLICATE = "duplicate"
REASONS = (INVALID_UTF8, EMPTY_SIDE, TOO_LONG, LENGTH_RATIO, LEAKED, DUPLICATE)


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


def sentence_digest(text: str) -> bytes:
    """A sentence's name: equal for sentences that differ at most in white space at the ends."""
    return hashlib.blake2b(text.strip().encode(), digest_size=16).digest()


def pair_digest(source: str, target: str, seed: int) -> bytes:
    """A pair's name and its place in the shuffled order: equal for equal pairs, and spread evenly."""
    salt = seed.to_bytes(hashlib.blake2b.SALT_SIZE, "big")
    return hashlib.blake2b(f"{source}\n{target}".encode(), digest_size=16, salt=salt).digest()


def held_out(source: str, share: float, seed: int) -> bool:
    """Whether a source sentence is among the share that is kept for validation; equal ones always go together."""
    return int.from_bytes(pair_digest(source, "", seed)[:8], "big") < share * 2**64
