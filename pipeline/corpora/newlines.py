"""Where the lines of a file begin, without looking at each: newlines are counted by blocks of bytes."""

import codecs
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np

from pipeline.corpora.filesystems import open_stored, open_text, read_lines
from pipeline.corpora.units import Unit
from pipeline.lines import compression

_BLOCK, _NEWLINE = 1 << 20, ord("\n")


class NewlineIndex(NamedTuple):
    """How many newlines there are up to the end of each block of bytes of a file.

    Attributes:
        path: The file.
        size: Its size in bytes, decompressed.
        newlines: Count of newlines up to the end of each block, `(blocks,)` int64: 8 bytes for a megabyte of text.
        lines: Count of lines; the last one need not end with a newline.
        compressed: Whether the file is compressed, so that no line can be gone to.
        marks: How often each of the strings stands in it that were to be counted with the newlines.
    """

    path: str
    size: int
    newlines: np.ndarray
    lines: int
    compressed: bool
    marks: tuple[int, ...] = ()

    def offset(self, line: int) -> int:
        """The byte at which a line of a plain file begins; for the line after the last one, the file's size.

        Args:
            line: Its number, from 0 on, at most `lines`.
        """
        if line == 0:
            return 0
        if line == self.lines:
            return self.size
        block = int(np.searchsorted(self.newlines, line))
        before = int(self.newlines[block - 1]) if block else 0
        with open_stored(self.path) as file:
            file.seek(block * _BLOCK)
            ends = np.flatnonzero(_is_newline(file.read(_BLOCK)))
        return block * _BLOCK + int(ends[line - before - 1]) + 1


class Block(NamedTuple):
    """Lines that are read at once.

    Attributes:
        first: The first one's number.
        lines: Their count.
        parts: Where they begin and end in each file, in bytes.
        size: How many bytes they have in all files, decompressed.
    """

    first: int
    lines: int
    parts: tuple[tuple[int, int], ...]
    size: int


def index_newlines(path: str, marks: Sequence[bytes] = ()) -> NewlineIndex:
    """Counts the newlines of a file, plain or compressed.

    Args:
        path: The file.
        marks: Other strings to count on the way.

    Raises:
        OSError: The file cannot be read to its end; EOFError, zlib.error and others if it is compressed and damaged.
    """
    with open_stored(path) as stored:
        compressed = compression(stored.read(16)) is not None
    counts, size, last = [], 0, b"\n"
    marked, ends = [0] * len(marks), [b""] * len(marks)
    with open_text(path) as file:
        for block in _blocks(file):
            counts.append(np.count_nonzero(_is_newline(block)))
            size += len(block)
            last = block[-1:]
            for number, mark in enumerate(marks):
                # One may begin in the block before.
                text = ends[number] + block
                marked[number] += text.count(mark)
                ends[number] = text[max(len(text) - len(mark) + 1, 0) :]
    newlines = np.cumsum(counts, dtype=np.int64)
    total = int(newlines[-1]) if counts else 0
    return NewlineIndex(path, size, newlines, total + (last != b"\n"), compressed, tuple(marked))


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _is_newline(block: bytes) -> np.ndarray:
    return np.frombuffer(block, np.uint8) == _NEWLINE


def cut(indexes: Sequence[NewlineIndex], block_bytes: int, header: int = 0) -> list[Block]:
    """Cuts parallel files into blocks of as many lines.

    Args:
        indexes: The files', of equal counts of lines.
        block_bytes: About how many bytes of all files a block has.
        header: Count of lines at the beginning that are no pairs.

    Returns:
        The blocks in their order; one without parts if a file is compressed.
    """
    lines = indexes[0].lines
    if lines <= header:
        return []
    size = sum(index.size for index in indexes)
    if any(index.compressed for index in indexes):
        return [Block(header, lines - header, (), size)]
    blocks = max(-(-size // block_bytes), 1)
    step = -(-(lines - header) // blocks)
    firsts = [*range(header, lines, step), lines]
    # One reading of a file's block for each place.
    offsets = [[index.offset(first) for first in firsts] for index in indexes]
    parts = [tuple((ends[at], ends[at + 1]) for ends in offsets) for at in range(len(firsts) - 1)]
    return [
        Block(first, last - first, part, sum(end - begin for begin, end in part))
        for (first, last), part in zip(itertools.pairwise(firsts), parts, strict=True)
    ]


def divided(unit: Unit, indexes: Sequence[NewlineIndex], block_bytes: int) -> list[Unit]:
    """Divides a unit's files, of which the lines before its first one hold no pairs; see `cut`."""
    return [
        unit._replace(first=block.first, pairs=block.lines, parts=block.parts, size=block.size)
        for block in cut(indexes, block_bytes, unit.first)
    ]


def lines_of(unit: Unit) -> Iterable[bytes]:
    """The lines of a unit of one file: those of its block, or all from its first one on."""
    [path] = unit.paths
    return read_part(path, unit.parts[0]) if unit.parts else itertools.islice(read_lines(path), unit.first, None)


def read_part(path: str, part: tuple[int, int]) -> list[bytes]:
    """The lines of a plain file that stand between two bytes, see `pipeline.lines.split_lines`."""
    start, end = part
    with open_stored(path) as file:
        file.seek(start)
        text = file.read(end - start)
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if start == 0 and lines:
        lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
    return [line.removesuffix(b"\r") for line in lines] if b"\r" in text else lines
