"""Two text files whose lines are each other's translations."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from pipeline.corpora import slip
from pipeline.corpora.filesystems import read_lines
from pipeline.corpora.inputs import Input
from pipeline.corpora.newlines import NewlineIndex, divided, index_newlines, read_part
from pipeline.corpora.units import RawPair, Unit
from pipeline.errors import UserError
from pipeline.lines import readable


def whole(one: Input) -> Unit:
    """Two parallel files as one unit whose pairs are not counted yet."""
    source, target = one.files
    paths = source.path, target.path
    return Unit(one.number, one.corpus.weight, one.format, paths, one.fields, 0, 0, (), one.corpus.option)


def units(one: Input, block_bytes: int) -> list[Unit]:
    """Divides two parallel files into blocks of lines, or makes one unit of them if either is compressed.

    Raises:
        UserError: A file cannot be read to its end, or their counts of lines are unequal.
    """
    unit = whole(one)
    return divided(unit, _indexes(unit), block_bytes)


def _indexes(unit: Unit) -> list[NewlineIndex]:
    def index(path: str) -> NewlineIndex:
        with readable(unit.option, path):
            return index_newlines(path)

    # Decompressing and counting let other threads run.
    with ThreadPoolExecutor() as threads:
        indexes = list(threads.map(index, unit.paths))
    source, target = indexes
    if source.lines != target.lines:
        raise UserError(
            f"{unit.option}: expected parallel files with equal counts of lines, received {source.path!r} with"
            f" {source.lines} and {target.path!r} with {target.lines}{slip.told(*unit.paths)}; align them line by line"
        )
    return indexes


def read(unit: Unit) -> Iterator[RawPair]:
    """Yields a unit's pairs, both files in lockstep.

    Raises:
        UserError: A file that is read whole has more lines than the other.
    """
    if unit.parts:
        sides = (read_part(path, part) for path, part in zip(unit.paths, unit.parts, strict=True))
        yield from map(RawPair, itertools.repeat(unit.file), itertools.count(unit.first), *sides)
        return
    lines = itertools.zip_longest(*map(read_lines, unit.paths))
    for line, (source, target) in enumerate(lines, unit.first):
        if source is None or target is None:
            _indexes(unit)
            break
        yield RawPair(unit.file, line, source, target)
