r"""Text files as lines: divided at `\n` alone, plain or gzip."""

import codecs
import gzip
from collections.abc import Iterator
from typing import BinaryIO

_GZIP_MAGIC = b"\x1f\x8b"


def open_text(path: str) -> BinaryIO:
    """Opens a file, plain or gzip, to read its bytes."""
    with open(path, "rb") as file:
        zipped = file.read(2) == _GZIP_MAGIC
    return gzip.open(path, "rb") if zipped else open(path, "rb")  # type: ignore[return-value]


def split_lines(stream: BinaryIO) -> Iterator[bytes]:
    r"""Yields the lines of a stream without their `\n` or `\r\n` and without a BOM; every other separator is text."""
    for number, line in enumerate(stream):
        if number == 0:
            line = line.removeprefix(codecs.BOM_UTF8)
        yield line.removesuffix(b"\n").removesuffix(b"\r")


def read_lines(path: str) -> Iterator[bytes]:
    """Yields the lines of a file; see `split_lines`."""
    with open_text(path) as file:
        yield from split_lines(file)
