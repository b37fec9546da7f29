"""Which model it is that translates: the same for the same model, wherever its folder lies."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from models.run import MODEL_FILE, SHORTLIST_FILE, SOURCE_SUBWORDS, TARGET_SUBWORDS
from serving.client import Client


def runs_fingerprint(runs: Iterable[str]) -> str:
    """SHA-256 over what the runs of an ensemble translate with: weights, subwords, shortlist; settings apart.

    Args:
        runs: The runs' folders, the first one first.
    """
    names = (MODEL_FILE, SOURCE_SUBWORDS, TARGET_SUBWORDS, SHORTLIST_FILE)
    return _of_files(path for run in runs for name in names if (path := Path(run) / name).exists())


def folder_fingerprint(version: Path) -> str:
    """SHA-256 over all files of a version of an export."""
    return _of_files(path for path in sorted(version.rglob("*")) if path.is_file())


def served_fingerprint(client: Client) -> str:
    """A served model's URL and the version that answers there: more is not told of it.

    Raises:
        TranslationError: The server does not answer.
    """
    versions = client.served_versions()
    return f"{client.url} version {max(versions, default='none')}"


def _of_files(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
