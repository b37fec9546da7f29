"""Inputs as units of work, and a unit as raw pairs."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.corpora import aligned_lines, field_lines, inputs, parquet, sentence_lines, tmx
from pipeline.corpora.inputs import Input
from pipeline.corpora.units import RawPair, Unit
from pipeline.errors import UserError
from pipeline.lines import readable

BLOCK_BYTES = 8 << 20
_FORMATS = {
    inputs.LINES: aligned_lines,
    inputs.SENTENCES: sentence_lines,
    inputs.TSV: field_lines,
    inputs.JSONL: field_lines,
    inputs.PARQUET: parquet,
    inputs.TMX: tmx,
}


def units(found: Sequence[Input], block_bytes: int = BLOCK_BYTES) -> list[Unit]:
    """Divides inputs into units of work, after each file has been read to its end once.

    Plain text is divided into blocks of lines, so that many workers read one file; a compressed file is one unit.

    Args:
        found: What `pipeline.corpora.inputs.inputs` found.
        block_bytes: About how many bytes of all its files together a unit has.

    Returns:
        The units, in the order of the inputs and of their lines; the sum of their `pairs` is what will be read.

    Raises:
        UserError: A file cannot be read, lacks a field, or has not as many lines as its parallel file.
    """
    with ThreadPoolExecutor() as threads:
        divided = threads.map(lambda one: _FORMATS[one.format].units(one, block_bytes), found)
        return list(itertools.chain.from_iterable(divided))


def first(found: Sequence[Input], limit: int | None) -> Iterator[RawPair]:
    """Yields the first pairs of inputs, of which no more is read.

    Args:
        found: What `pipeline.corpora.inputs.inputs` found.
        limit: The most pairs; all if it is None.

    Raises:
        UserError: A file cannot be read, or lacks a field.
    """
    return itertools.islice(itertools.chain.from_iterable(map(_read_whole, found)), limit)


def _read_whole(one: Input) -> Iterator[RawPair]:
    formats = _FORMATS[one.format]
    with readable(one.corpus.option, one.name):
        yield from formats.read(formats.whole(one))


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


def sentences(pairs: Iterable[RawPair]) -> Iterator[bytes]:
    """Yields the texts of both sides of pairs, empty ones aside."""
    for pair in pairs:
        yield from filter(None, (pair.source, pair.target))
