"""The folder beside a data set in which it is made: one job at a time, and what a killed one finished is taken up."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from pipeline.errors import UserError
from pipeline.files import write_beside

_FINGERPRINT, _LOCK, _FINISHED = "fingerprint", "lock", "finished"


def fingerprint(fields: Mapping[str, Any]) -> str:
    """SHA-256 over settings, inputs, versions, whatever decides about some files, in hexadecimal."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


class WorkFolder:
    """A folder of folders, each of which holds what one fingerprint decides.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path):
        self.path = path

    def claim(self, name: str, fingerprint: str) -> Path:
        """Gives a folder of the work; it is emptied if it was made under another fingerprint.

        Args:
            name: Its name.
            fingerprint: What decides about the files in it.
        """
        folder = self.path / name
        stamp = self.path / f"{name}.{_FINGERPRINT}"
        if not stamp.exists() or stamp.read_text() != fingerprint:
            stamp.unlink(missing_ok=True)
            self.mark(name, False)
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        with write_beside(stamp) as beside:
            beside.write_text(fingerprint)
        return folder

    def fingerprint(self, name: str) -> str:
        """What decides about the files of a folder."""
        return (self.path / f"{name}.{_FINGERPRINT}").read_text()

    def is_finished(self, name: str) -> bool:
        """Whether all files of a folder are there."""
        return (self.path / f"{name}.{_FINISHED}").exists()

    def mark(self, name: str, finished: bool = True) -> None:
        """Notes that all files of a folder are there, or no more."""
        mark = self.path / f"{name}.{_FINISHED}"
        if finished:
            mark.touch()
        else:
            mark.unlink(missing_ok=True)


@contextlib.contextmanager
def work_folder(output: Path) -> Iterator[WorkFolder]:
    """Gives the folder `OUTPUT.work`, to this job alone.

    It is removed when the block ends well, and when it ends before a folder in it is finished by the user's mistake.

    Args:
        output: The data set's folder to be.

    Raises:
        UserError: Another job has it.
    """
    path = output.with_name(f"{output.name}.work")
    path.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path / _LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(
            f"--output: expected a folder that no other job makes, received {str(output)!r}; wait for that job, or name"
            " another folder"
        ) from None
    try:
        yield WorkFolder(path)
        shutil.rmtree(path)
    except UserError:
        if not list(path.glob(f"*.{_FINISHED}")):
            shutil.rmtree(path, ignore_errors=True)
        raise
    finally:
        lock.release()
