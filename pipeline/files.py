"""Files that are whole or absent: write beside, then rename."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


def is_stored(path: str | Path) -> bool:
    """Whether a name is one of a store, as `s3://bucket/data`, and not of this machine."""
    return "://" in str(path)


def is_utf8(name: str) -> bool:
    """Whether a name, as the system gave it, can be written in UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextlib.contextmanager
def write_beside(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; renames it to `path` when the block ends well.

    Args:
        path: The file or folder that the block makes. Its parent is made if it is missing.

    Yields:
        A path in the same folder that does not exist yet; the block makes a file or a folder of it.

    Raises:
        OSError: The rename failed (for a folder: `path` exists and is not empty).
    """
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        beside = scratch / path.name
        yield beside
        os.replace(beside, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def file_sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
