r"""Text files as lines: divided at `\n` alone; plain, gzip, bzip2, xz or Zstandard."""

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from pipeline.errors import UserError

# Of the formats' first bytes; a bzip2 file goes on with a block's or the end's mark.
_MAGIC = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    # A frame, or one to be skipped, with which parallel compressors begin.
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL),
}
_BUFFER = 1 << 20


@contextlib.contextmanager
def readable(option: str, path: str) -> Iterator[None]:
    """Turns the failures of reading a file into a user's mistake.

    Args:
        option: What named the file, such as `--source`.
        path: The file that the block reads.

    Raises:
        UserError: The file is missing, may not be read, or is a damaged compressed file.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not _is_unreadable(error):
            raise
        raise UserError(
            f"{option}: expected a readable text or compressed file, received {path!r} ({error}); give another file"
        ) from None


def _is_unreadable(error: Exception) -> bool:
    damaged = isinstance(error, OSError | EOFError | zlib.error | lzma.LZMAError)
    # Its module is loaded only where such a file is read.
    return damaged or type(error).__name__ == "ZstdError"


def compression(head: bytes) -> str | None:
    """The name of a file's compression, told by its first bytes, or None."""
    return next((name for name, magic in _MAGIC.items() if magic.match(head)), None)


@contextlib.contextmanager
def decompressed(stored: BinaryIO) -> Iterator[BinaryIO]:
    """A stream's bytes, decompressed if it is compressed; the stream is closed at the end.

    Args:
        stored: The stream, at its beginning.
    """
    with io.BufferedReader(stored, _BUFFER) as buffered:  # type: ignore[type-var]
        kind = compression(buffered.peek(16)[:16])
        if kind is None:
            yield buffered
            return
        with io.BufferedReader(_decompressor(kind)(buffered, "rb"), _BUFFER) as file:
            yield file


def _decompressor(kind: str) -> type:
    if kind == "zstd":
        from backports.zstd import ZstdFile

        return ZstdFile
    return {"gzip": _GzipFile, "bzip2": bz2.BZ2File, "xz": lzma.LZMAFile}[kind]


class _GzipFile(gzip.GzipFile):
    def __init__(self, stored: BinaryIO, mode: str):
        super().__init__(fileobj=stored, mode=mode)


def open_text(path: str) -> contextlib.AbstractContextManager[BinaryIO]:
    """Opens a file of this machine, plain or compressed, to read its bytes."""
    return decompressed(open(path, "rb", buffering=0))


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
