"""Text files of sentences, one a line, that have no other side."""

from collections.abc import Iterator

from pipeline.corpora.inputs import Input
from pipeline.corpora.newlines import divided, index_newlines, lines_of
from pipeline.corpora.units import RawPair, Unit
from pipeline.lines import readable


def whole(one: Input) -> Unit:
    """A file as one unit whose lines are not counted yet."""
    paths = (one.files[0].path,)
    return Unit(one.number, one.corpus.weight, one.format, paths, one.fields, 0, 0, (), one.corpus.option)


def units(one: Input, block_bytes: int) -> list[Unit]:
    """Divides a file into blocks of lines, or makes one unit of it if it is compressed.

    Raises:
        UserError: The file cannot be read to its end.
    """
    unit = whole(one)
    with readable(unit.option, one.name):
        index = index_newlines(unit.paths[0])
    return divided(unit, [index], block_bytes)


def read(unit: Unit) -> Iterator[RawPair]:
    """Yields a unit's sentences as pairs of which the other side is empty."""
    for line, sentence in enumerate(lines_of(unit), unit.first):
        yield RawPair(unit.file, line, sentence, b"")
