"""Files wherever Apache Beam can read them: this machine, Cloud Storage, S3, HDFS."""

import contextlib
import glob
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.corpora.s3_session import share_session
from pipeline.errors import UserError
from pipeline.files import is_stored
from pipeline.lines import decompressed, split_lines

share_session()


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
        UserError: There is no such file, or its file system is not installed.
    """
    if is_stored(pattern):
        found = _find_stored(option, pattern)
    elif os.path.exists(pattern):
        # Else a bracket in its name would be a pattern.
        found = [_local(pattern)]
    else:
        found = sorted(_local(path) for path in glob.iglob(pattern, recursive=True) if not os.path.isdir(path))
    if not found:
        raise UserError(f"{option}: expected a file, received {pattern!r}, which names none; give another file")
    for file in found:
        _require_file(option, file.path)
    return found


def _require_file(option: str, path: str) -> None:
    if is_stored(path) or os.path.isfile(path):
        return
    what, remedy = "pipe or device", "write it to a file, as it is read twice"
    if os.path.isdir(path):
        what, remedy = "folder", f"name its files, as {path}/*"
    raise UserError(f"{option}: expected a file, received the {what} {path!r}; {remedy}")


def _local(path: str) -> StoredFile:
    return StoredFile(path, os.path.getsize(path), os.path.getmtime(path))


def _find_stored(option: str, pattern: str) -> list[StoredFile]:
    try:
        matched = FileSystems.match([pattern])[0].metadata_list
    except (BeamIOError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{option}: expected a file of an installed file system, received {pattern!r} ({reason}); install the"
            " extra gcp, aws or hdfs for gs://, s3:// or hdfs://, and give its flags, such as --hdfs_host, after --"
        ) from None
    return sorted(StoredFile(file.path, file.size_in_bytes, file.last_updated_in_seconds) for file in matched)


def open_stored(path: str) -> BinaryIO:
    """Opens a file to read its bytes as they are stored."""
    if not is_stored(path):
        return open(path, "rb")
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


@contextlib.contextmanager
def open_text(path: str) -> Iterator[BinaryIO]:
    """Opens a file, plain or compressed, to read its bytes."""
    with decompressed(open_stored(path)) as file:
        yield file


def read_lines(path: str) -> Iterator[bytes]:
    """Yields the lines of a file; see `split_lines`."""
    with open_text(path) as file:
        yield from split_lines(file)
