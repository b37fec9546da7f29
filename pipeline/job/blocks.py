"""Blocks: many rows in one string of bytes, as an element of a Beam collection or in a file.

Beam takes 10 to 20 microseconds for an element of each step, whatever its size, so the job's elements are blocks.
"""

import marshal
import struct
from collections.abc import Iterator, Sequence
from typing import IO, Any, TypeAlias

from backports import zstd

# Place, number of the file, number of the line from 0, source, target, number of the copy from 0.
PairRow: TypeAlias = tuple[bytes, int, int, str, str, int]
# The same of a pair that stays: file, line, source, target, copy.
TextRow: TypeAlias = tuple[int, int, str, str, int]
# Number of the file, number of the line from 0, rule, value, threshold, source, target, file and line of its double.
RejectRow: TypeAlias = tuple[int, int, str, Any, Any, str | None, str | None, tuple[int, int] | None]
# Place of a pair that is like another one, their similarity, and the other one's rank and file and line.
NearRow: TypeAlias = tuple[bytes, float, bytes, tuple[int, int]]

_LENGTH = struct.Struct("<Q")
# The fastest of Zstandard's usual levels: several steps' worth of the corpus have to fit into memory.
_LEVEL = 1


def pack(rows: Sequence[tuple]) -> bytes:
    """Makes a block of rows.

    Args:
        rows: Tuples of strings, bytes and numbers.

    Returns:
        Bytes that any Python of the same minor version reads.
    """
    return zstd.compress(marshal.dumps(list(rows)), _LEVEL)


def unpack(block: bytes) -> list[Any]:
    """The rows of a block."""
    return marshal.loads(zstd.decompress(block))


def write_block(file: IO[bytes], rows: Sequence[tuple]) -> None:
    """Appends a block to a file of blocks."""
    block = pack(rows)
    file.write(_LENGTH.pack(len(block)) + block)


def read_blocks(file: IO[bytes]) -> Iterator[list[Any]]:
    """Yields the rows of each block of a file that is open."""
    while length := file.read(_LENGTH.size):
        yield unpack(file.read(*_LENGTH.unpack(length)))
