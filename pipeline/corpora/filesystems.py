"""Files wherever Apache Beam can read them: this machine, Cloud Storage, S3, HDFS."""

import contextlib
import errno
import glob
import io
import logging
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.corpora.s3_session import share_session
from pipeline.errors import UserError
from pipeline.files import is_stored, is_utf8
from pipeline.lines import decompressed, split_lines

share_session()
_AT_ONCE = 1 << 20


class StoredFile(NamedTuple):
    """A file that exists: its path, its size in bytes, and when it was changed, in seconds since 1970."""

    path: str
    size: int
    modified: float


def file_system_options() -> dict[str, Any]:
    """The flags by which this process finds files, such as `s3_endpoint_url`, by their names; see `Runner`."""
    options = FileSystems._pipeline_options
    return {} if options is None else options.get_all_options(drop_default=True, retain_unknown_options=True)


def set_file_system_options(options: dict[str, Any]) -> None:
    """Lets this process find files by the flags of another one."""
    FileSystems.set_options(PipelineOptions.from_dictionary(options))


def find(option: str, pattern: str) -> list[StoredFile]:
    """The files that a path or pattern names, sorted by path.

    Args:
        option: What named it, for the message.
        pattern: `*`, `?` and `[ab]` stay inside one folder, `**/` goes across folders. A file of this very name comes
            first.

    Raises:
        UserError: There is no such file, its name is no UTF-8, or its store cannot be read.
    """
    found = _find_stored(option, pattern) if is_stored(pattern) else _find_local(option, pattern)
    if not found:
        raise UserError(f"{option}: expected a file, received {pattern!r}, which names none; give another file")
    return found


def _find_local(option: str, pattern: str) -> list[StoredFile]:
    # A bracket in a file's own name is no pattern.
    paths = [pattern]
    if not os.path.exists(pattern):
        paths = sorted(path for path in glob.iglob(pattern, recursive=True) if not os.path.isdir(path))
    for path in paths:
        _require_file(option, path)
    return [StoredFile(path, os.path.getsize(path), os.path.getmtime(path)) for path in paths]


def _require_file(option: str, path: str) -> None:
    if not is_utf8(path):
        # Reports tell it, which are in UTF-8.
        raise UserError(f"{option}: expected a file's name in UTF-8, received {path!r}; rename the file")
    if os.path.isfile(path):
        return
    what, remedy = "pipe or device", "write it to a file, as it is read twice"
    if os.path.isdir(path):
        what, remedy = "folder", f"name its files, as {path}/*"
    elif not os.path.exists(path):
        what, remedy = "link to no file", "mend or remove it"
    raise UserError(f"{option}: expected a file, received the {what} {path!r}; {remedy}")


def _find_stored(option: str, pattern: str) -> list[StoredFile]:
    try:
        with told_as_os_error(pattern):
            matched = FileSystems.match([pattern])[0].metadata_list
    except OSError as error:
        raise UserError(
            f"{option}: expected a file of a store that can be read, received {pattern!r} ({error.strerror or error});"
            " see to the rights, install the extra gcp, aws or hdfs for gs://, s3:// or hdfs://, or give the store's"
            " flags, such as --hdfs_host, after --"
        ) from None
    return sorted(StoredFile(file.path, file.size_in_bytes, file.last_updated_in_seconds) for file in matched)


def open_stored(path: str) -> BinaryIO:
    """Opens a file to read its bytes as they are stored.

    Raises:
        OSError: It cannot be read; so does reading from what is returned.
    """
    if not is_stored(path):
        return open(path, "rb")
    with told_as_os_error(path):
        file = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
        return io.BufferedReader(_Stored(file, path), _AT_ONCE)


@contextlib.contextmanager
def open_text(path: str) -> Iterator[BinaryIO]:
    """Opens a file, plain or compressed, to read its bytes."""
    with decompressed(open_stored(path)) as file:
        yield file


def read_lines(path: str) -> Iterator[bytes]:
    """Yields the lines of a file; see `split_lines`."""
    with open_text(path) as file:
        yield from split_lines(file)


class _Stored(io.RawIOBase):
    """A file of a store, of which a failure to read is an `OSError`.

    Args:
        file: What the store's library opened.
        path: Its name.
    """

    def __init__(self, file: BinaryIO, path: str):
        self._file, self._path = file, path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def readinto(self, buffer: Any) -> int:
        with told_as_os_error(self._path):
            return self._file.readinto(buffer)  # type: ignore[attr-defined]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def _told_once(record: logging.LogRecord) -> bool:
    return record.module != "s3io"


# Beam's S3 writes its errors to the log as well, each with a traceback.
logging.getLogger().addFilter(_told_once)


@contextlib.contextmanager
def told_as_os_error(path: str) -> Iterator[None]:
    """Turns what the libraries of stores raise, each its own, into an `OSError` of one line.

    Args:
        path: The file or folder with which the block is occupied.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise OSError(errno.EIO, _reason(error), path) from error


def _reason(error: Exception) -> str:
    # Beam's errors hold those of each file, and these may be tuples that hold the words.
    for cause in (getattr(error, "exception_details", None) or {}).values():
        return _reason(cause) if isinstance(cause, Exception) else str(cause)
    return " ".join(str(getattr(error, "message", error)).split())
