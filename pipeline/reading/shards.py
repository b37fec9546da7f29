"""The shards of a data set, each looked at before it is read."""

import functools
import os
from pathlib import Path

from pipeline.errors import UserError
from pipeline.files import file_sha256
from pipeline.schema import MANIFEST_FILE, Manifest


def checked_shards(data: str | Path, split: str) -> list[str]:
    """The files of a split, of which each is what the manifest says.

    Args:
        data: The data set's folder.
        split: `train` or `valid`.

    Raises:
        UserError: The data set lacks its manifest, the split or a shard, or a shard is not what the manifest says.
    """
    manifest = Manifest.read_from(data)
    if split not in manifest.splits:
        raise UserError(f"--data: expected a data set with {split!r}, received {str(data)!r} with {[*manifest.splits]}")
    files = []
    for shard in manifest.splits[split].shards:
        path = Path(data, shard.file)
        try:
            state = os.stat(path)
        except FileNotFoundError:
            raise UserError(
                f"--data: expected the shard {str(path)!r}, which {MANIFEST_FILE} lists, received a folder without it;"
                " make the data set anew with `nmt preprocess`"
            ) from None
        if _sha256(str(path), state.st_size, state.st_mtime_ns) != shard.sha256:
            raise UserError(
                f"--data: expected the shard {str(path)!r} as {MANIFEST_FILE} describes it, received one that differs;"
                " make the data set anew with `nmt preprocess`"
            )
        files.append(str(path))
    return files


@functools.cache
def _sha256(path: str, size: int, modified: int) -> str:
    """The SHA-256 of a file, read again only when its size or its time of change is another."""
    return file_sha256(path)
