"""Whether the files of a data set are those that its manifest describes."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.schema import Manifest

_TOLD = 5


def hashes(manifest: Manifest) -> dict[str, str]:
    """The SHA-256 that each file of a data set must have, in hexadecimal, by its name."""
    subwords = {model.file: model.fingerprint for model in (manifest.source, manifest.target)}
    shards = {shard.file: shard.sha256 for split in manifest.splits.values() for shard in split.shards}
    return {**subwords, **shards, **manifest.files}


def verify(folder: str | Path, files: Mapping[str, str]) -> int:
    """Reads all files and compares.

    Args:
        folder: The data set's.
        files: SHA-256 by name, see `hashes`.

    Returns:
        How many bytes were read.

    Raises:
        UserError: A file is missing, or is another one.
    """
    wrong, size = [], 0
    for name, expected in tqdm(sorted(files.items()), desc="verify", unit="file", disable=None):
        path = Path(folder, name)
        if not path.is_file():
            wrong.append(f"{name} (missing)")
            continue
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                wrong.append(f"{name} (differs)")
            size += file.tell()
    if wrong:
        more = f" and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
        raise UserError(
            f"--verify: expected the files of {str(folder)!r} as its manifest describes them, received"
            f" {', '.join(wrong[:_TOLD])}{more}; make the data set anew with `nmt preprocess`"
        )
    return size
