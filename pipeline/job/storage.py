"""A job's files, on this machine or in a store that Apache Beam knows: written whole, read, found and removed alike.

A name with `://` is one of a store, as `s3://bucket/data`. There is no rename in an object store that is one step, and
none is needed: an object is there when its upload has ended. Where Beam's file system has folders, as HDFS, a file is
written beside and renamed, as on this machine.
"""

import contextlib
import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.value_provider import RuntimeValueProvider

from pipeline.corpora.filesystems import open_stored, told_as_os_error
from pipeline.files import is_stored, write_beside

_S3 = "s3://"
_AT_ONCE = 1 << 20


def join(folder: str, name: str) -> str:
    """The name of a file in a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_stored(folder) else os.path.join(folder, name)


@contextlib.contextmanager
def write_whole(path: str) -> Iterator[Path]:
    """Gives a path of this machine; what the block makes of it is at `path` when the block ends well, whole.

    Args:
        path: The file. What is there already is replaced.

    Raises:
        OSError: It could not be written.
    """
    if not is_stored(path):
        with write_beside(path) as beside:
            yield beside
        return
    with tempfile.TemporaryDirectory(prefix="nmt-") as folder:
        scratch = Path(folder, os.path.basename(path))
        yield scratch
        _put(scratch, path)


def write_text(path: str, text: str) -> None:
    """Writes a file of text, whole."""
    with write_whole(path) as beside:
        beside.write_text(text)


@contextlib.contextmanager
def filled(folder: str) -> Iterator[Path]:
    """Gives a folder of this machine; the files that the block makes in it are in `folder` when the block ends well.

    Raises:
        OSError: They could not be written.
    """
    if not is_stored(folder):
        os.makedirs(folder, exist_ok=True)
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory(prefix="nmt-") as scratch:
        yield Path(scratch)
        for file in sorted(Path(scratch).iterdir()):
            _put(file, join(folder, file.name))


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Opens a file to read its bytes.

    Raises:
        FileNotFoundError: It is not there.
        OSError: It cannot be read.
    """
    if not is_stored(path):
        with open(path, "rb") as file:
            yield file
        return
    try:
        with open_stored(path) as file:
            yield file
    except OSError as error:
        # Each store tells of a missing file in its own way, some in the first read.
        if exists(path):
            raise
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error


def read_bytes(path: str) -> bytes:
    """What a file holds; raises what `opened` does."""
    with opened(path) as file:
        return file.read()


def read_text(path: str) -> str:
    """The text of a file; raises what `opened` does."""
    return read_bytes(path).decode()


def copy(source: str, target: str) -> None:
    """Copies a file; the copy is whole or absent."""
    with opened(source) as read, write_whole(target) as beside, open(beside, "wb") as file:
        shutil.copyfileobj(read, file)


def exists(path: str) -> bool:
    """Whether there is a file of this name."""
    if not is_stored(path):
        return os.path.exists(path)
    with told_as_os_error(path):
        return FileSystems.exists(path)


def names(folder: str, most: int | None = None) -> set[str]:
    """The names of the files in a folder, of a store those of its folders' files too; none if it is missing.

    Args:
        folder: Where to look.
        most: How many names are enough.
    """
    if not is_stored(folder):
        return set(os.listdir(folder)) if os.path.isdir(folder) else set()
    with told_as_os_error(folder):
        if _has_folders(folder) and not FileSystems.exists(folder):
            return set()
        [matched] = FileSystems.match([join(folder, "**")], [most])
        found = {file.path.removeprefix(join(folder, "")) for file in matched.metadata_list}
        # The folder's own name, which some consoles write to show one.
        return found - {""}


def remove(folder: str, *names: str) -> None:
    """Removes the files of these names from a folder, those that are there."""
    paths = [join(folder, name) for name in names]
    if not is_stored(folder):
        for path in paths:
            Path(path).unlink(missing_ok=True)
        return
    with told_as_os_error(folder):
        # Of one that is missing no store complains.
        FileSystems.delete(paths)


def remove_folder(folder: str) -> None:
    """Removes a folder and all that is in it, if it is there."""
    if not is_stored(folder):
        shutil.rmtree(folder, ignore_errors=True)
    elif found := names(folder):
        with told_as_os_error(folder):
            FileSystems.delete([folder] if _has_folders(folder) else [join(folder, name) for name in found])


def remove_unfinished(folder: str) -> None:
    """Removes what killed jobs had begun to write into a folder."""
    begun = [name for name in names(folder) if name.startswith(".")]
    if is_stored(folder):
        remove(folder, *begun)
        return
    for name in begun:
        shutil.rmtree(join(folder, name))


def _put(file: Path, path: str) -> None:
    """Puts a file of this machine into a store."""
    with told_as_os_error(path):
        if not _has_folders(path):
            _upload(file, path)
            return
        folder, name = path.rsplit("/", 1)
        beside = join(folder, f".{name}.{uuid.uuid4().hex}")
        if not FileSystems.exists(folder):
            # Of several workers one makes it.
            with contextlib.suppress(OSError):
                FileSystems.mkdirs(folder)
        _upload(file, beside)
        if FileSystems.exists(path):
            FileSystems.delete([path])
        FileSystems.rename([beside], [path])


def _upload(file: Path, path: str) -> None:
    if path.startswith(_S3) and not file.stat().st_size:
        _upload_nothing(path)
        return
    try:
        with (
            open(file, "rb") as read,
            FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as stored,
        ):
            shutil.copyfileobj(read, stored, _AT_ONCE)
    except BaseException:
        # However it ends, Beam's writer makes an object of what it was given.
        with contextlib.suppress(Exception):
            FileSystems.delete([path])
        raise


def _upload_nothing(path: str) -> None:
    """Writes an empty object: of no bytes Beam's writer makes an upload of no parts, which S3 refuses."""
    from apache_beam.io.aws.s3io import S3IO, parse_s3_path

    bucket, name = parse_s3_path(path)
    options = FileSystems._pipeline_options or RuntimeValueProvider.runtime_options
    S3IO(options=options).client.client.put_object(Bucket=bucket, Key=name)


def _has_folders(path: str) -> bool:
    return FileSystems.get_filesystem(path).has_dirs()
