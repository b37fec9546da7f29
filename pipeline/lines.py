r"""Text files as lines: divided at `\n` alone, plain or gzip."""

import codecs
import contextlib
import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from pipeline.errors import UserError

_GZIP_MAGIC = b"\x1f\x8b"


@contextlib.contextmanager
def readable(option: str, path: str) -> Iterator[None]:
    """Turns the failures of reading a file into a user's mistake.

    Args:
        option: What named the file, such as `--source`.
        path: The file that the block reads.

    Raises:
        UserError: The file is missing, may not be read, or is a damaged gzip file.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"{option}: expected a readable text or gzip file, received {path!r} ({error}); give another file"
        ) from None


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
