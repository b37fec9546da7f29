"""Inputs as units of work, and a unit as raw pairs."""

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pipeline import aligned_lines, inputs
from pipeline.errors import UserError
from pipeline.filesystems import open_text, read_lines
from pipeline.inputs import Input
from pipeline.lines import readable
from pipeline.units import RawPair, Unit

BLOCK_BYTES = 8 << 20
_FORMATS = {inputs.LINES: aligned_lines}


def units(found: Sequence[Input], block_bytes: int = BLOCK_BYTES) -> list[Unit]:
    """Divides inputs into units of work, after each file has been read to its end once.

    Plain text is divided into blocks of lines, so that many workers read one file; a compressed file is one unit.

    Args:
        found: What `pipeline.inputs.inputs` found.
        block_bytes: About how many bytes of all its files together a unit has.

    Returns:
        The units, in the order of the inputs and of their lines; the sum of their `pairs` is what will be read.

    Raises:
        UserError: A file cannot be read, lacks a field, or has not as many lines as its parallel file.
    """
    with ThreadPoolExecutor() as threads:
        divided = threads.map(lambda one: _FORMATS[one.format].units(one, block_bytes), found)
        return list(itertools.chain.from_iterable(divided))


def read(unit: Unit) -> Iterator[RawPair]:
    """Yields a unit's pairs in their order.

    Raises:
        UserError: A file cannot be read any more, or is not as it was when it was counted.
    """
    unit, name, count = Unit(*unit), "|".join(unit.paths), 0
    with readable(unit.option, name):
        for pair in _FORMATS[unit.format].read(unit):
            count += 1
            yield pair
    if count != unit.pairs:
        raise UserError(
            f"{unit.option}: expected {unit.pairs} pairs from line {unit.first + 1} on, received {name!r} with {count};"
            " leave the files alone while they are read"
        )


_BLOCK = 1 << 20


class PairFiles(NamedTuple):
    """A source file and its parallel target file; `number` is their place among the files given."""

    number: int
    source: str
    target: str


def read_pairs(files: PairFiles) -> Iterator[RawPair]:
    """Yields the pairs of lines of two parallel files, whose counts of lines are equal."""
    lines = zip(read_lines(files.source), read_lines(files.target), strict=True)
    for number, (source, target) in enumerate(lines):
        yield RawPair(files.number, number, source, target)


def count_lines(option: str, path: str) -> int:
    """Counts the lines that `read_lines` yields.

    Args:
        option: The setting that named the file, for the message.
        path: The file.

    Raises:
        UserError: The file cannot be read to its end.
    """
    count, last = 0, b"\n"
    with readable(f"--{option}", path), open_text(path) as file:
        while block := file.read(_BLOCK):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")


def align(prefix: str, source: Sequence[str], target: Sequence[str]) -> tuple[list[PairFiles], int]:
    """Matches source files with target files.

    Args:
        prefix: What stands before `source` and `target` in the names of the settings: nothing, or `valid-`.
        source: The source files.
        target: The target files, as many.

    Returns:
        The matched files, and their count of pairs.

    Raises:
        UserError: A file cannot be read, or two parallel files have unequal counts of lines.
    """
    pairs, total = [], 0
    for number, (one, other) in enumerate(zip(source, target, strict=True)):
        counts = count_lines(f"{prefix}source", one), count_lines(f"{prefix}target", other)
        if counts[0] != counts[1]:
            raise UserError(
                f"--{prefix}source, --{prefix}target: expected parallel files with equal counts of lines, received"
                f" {one!r} with {counts[0]} and {other!r} with {counts[1]}; align them line by line"
            )
        pairs.append(PairFiles(number, one, other))
        total += counts[0]
    return pairs, total
