"""Where two files that should be parallel go apart, guessed from their lines' lengths, ends and numbers.

Lengths of translations go together (Gale and Church 1993), and so do final punctuation and digits: where the lines of a
stretch fit those some places further much better than those beside them, one file has lost or gained a line before it.
"""

import itertools
import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline.corpora.filesystems import read_lines

_MOST_LINES, _WINDOW, _FARTHEST = 1_000_000, 60, 20
# Standard deviations of a stretch's sum: a million lines are asked at some forty places each.
_SURE = 5.0
_DIGITS = re.compile(rb"[0-9]+")
_ENDS = {ord(sign): number for number, signs in enumerate((".\u3002", "?\uff1f", "!\uff01", ":;"), 1) for sign in signs}


class Slip(NamedTuple):
    """What could be told of two files.

    Attributes:
        line: The number of the line, from 0 on, from which on they do not fit, about; or of the first that only one
            file has, if all before fit.
        missing: Whether all lines before it fit.
    """

    line: int
    missing: bool


def told(source: str, target: str) -> str:
    """Says where two files of unequal counts of lines go apart, as words for a message; empty if it cannot be told."""
    slip = find_slip(*(_features(path) for path in (source, target)))
    if slip is None:
        return ""
    if slip.missing:
        return f", which seem to fit up to line {slip.line}, where one ends"
    return f", which do not fit from about line {slip.line + 1} on"


def _features(path: str) -> np.ndarray:
    """Of each line the logarithm of its length, its final sign's class and its digits' checksum, `(3, lines)`."""

    def rows() -> Iterator[tuple[float, int, int]]:
        for line in itertools.islice(read_lines(path), _MOST_LINES):
            last = line.rstrip(b" \"'\r\t")[-4:].decode("utf-8", "ignore")[-1:]
            digits = b" ".join(_DIGITS.findall(line))
            yield len(line), _ENDS.get(ord(last), 0) if last else -1, zlib.crc32(digits) if digits else 0

    features = np.array([*rows()], np.float64).reshape(-1, 3).T
    features[0] = np.log1p(features[0])
    return features


def find_slip(source: np.ndarray, target: np.ndarray) -> Slip | None:
    """Finds the first place from which on two files fit better with lines left out.

    Args:
        source: The source's lengths, ends and digits, `(3, lines)`.
        target: The target's.

    Returns:
        The place, or None if it cannot be told.
    """
    lines = min(source.shape[1], target.shape[1])
    if lines < 2 * _WINDOW:
        return None
    beside = _fit(source, target, 0)
    far = _fit(source, target, -_FARTHEST - 1)[_FARTHEST + 1 :]
    apart = abs(source.shape[1] - target.shape[1])
    shifts = [sign * by for by in {*range(1, _FARTHEST + 1), min(apart, lines - _WINDOW)} for sign in (1, -1) if by]
    found = [
        place for shift in shifts if (place := _place(beside, _fit(source, target, shift), far.mean())) is not None
    ]
    if found:
        return Slip(min(found), missing=False)
    gain = beside[-_WINDOW:].mean() - far.mean()
    return Slip(lines, missing=True) if gain * np.sqrt(_WINDOW) > _SURE * far.std() else None


def _fit(source: np.ndarray, target: np.ndarray, shift: int) -> np.ndarray:
    """How well each source line fits the target line `shift` places further, `(lines,)`; -inf stands for none."""
    lines = min(source.shape[1], target.shape[1])
    begin, end = max(0, -shift), min(lines, target.shape[1] - shift)
    here, there = source[:, begin:end], target[:, begin + shift : end + shift]
    ratio = np.median(source[0]) - np.median(target[0])
    score = -np.minimum(np.abs(here[0] - there[0] - ratio), 2)
    score += 0.5 * (here[1] == there[1])
    score += np.where((here[2] != 0) & (here[2] == there[2]), 1.0, np.where(here[2] == there[2], 0.0, -0.5))
    fit = np.full(lines, -np.inf)
    fit[begin:end] = score
    return fit


def _place(beside: np.ndarray, shifted: np.ndarray, by_chance: float) -> int | None:
    """The first line that does not fit the one beside it, if later ones surely fit the shifted one better, or None."""
    better = np.where(np.isfinite(shifted), shifted - beside, 0)
    total = np.concatenate([[0.0], np.cumsum(better)])
    stretches = total[_WINDOW:] - total[:-_WINDOW]
    sure = np.flatnonzero(stretches > _SURE * better.std() * np.sqrt(_WINDOW))
    if not len(sure):
        return None
    # The sum goes down as long as those beside fit better, and up from there.
    begin, end = max(sure[0] - 2 * _WINDOW, 0), sure[0] + _WINDOW
    place = int(begin + np.argmin(total[begin : end + 1]))
    # What one file lost stands before it in the other, and fits nothing.
    level = (shifted[place : place + _WINDOW].mean() + by_chance) / 2
    return int(np.argmax(np.cumsum(np.concatenate([[0.0], beside[:place] - level]))))
