"""Two text files whose lines are each other's translations."""

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from pipeline.errors import UserError
from pipeline.filesystems import read_lines
from pipeline.inputs import Input
from pipeline.lines import readable
from pipeline.newlines import NewlineIndex, cut, index_newlines, read_part
from pipeline.units import RawPair, Unit


def units(one: Input, block_bytes: int) -> list[Unit]:
    """Divides two parallel files into blocks of lines, or makes one unit of them if either is compressed.

    Raises:
        UserError: A file cannot be read to its end, or their counts of lines are unequal.
    """
    source, target = one.files
    option = one.corpus.option

    def index(path: str) -> NewlineIndex:
        with readable(option, path):
            return index_newlines(path)

    # Decompressing and counting let other threads run.
    with ThreadPoolExecutor() as threads:
        indexes = list(threads.map(index, (source.path, target.path)))
    if indexes[0].lines != indexes[1].lines:
        raise UserError(
            f"{option}: expected parallel files with equal counts of lines, received {source.path!r} with"
            f" {indexes[0].lines} and {target.path!r} with {indexes[1].lines}; align them line by line"
        )
    paths = source.path, target.path
    return [
        Unit(one.number, one.corpus.weight, one.format, paths, one.fields, *block, option)
        for block in cut(indexes, block_bytes)
    ]


def read(unit: Unit) -> Iterator[RawPair]:
    """Yields a unit's pairs, both files in lockstep."""
    sides: Iterable[Iterable[bytes]]
    if unit.parts:
        sides = [read_part(path, part) for path, part in zip(unit.paths, unit.parts, strict=True)]
    else:
        sides = [read_lines(path) for path in unit.paths]
    lines = zip(itertools.count(unit.first), *sides, strict=False)
    for line, source, target in lines:
        yield RawPair(unit.file, line, source, target)
