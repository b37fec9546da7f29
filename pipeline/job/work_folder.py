"""The folder beside a data set in which it is made: one job at a time, and what a killed one finished is taken up.

On this machine the data set is made in it, too, and put in place by a rename. A store has no rename of a folder: there
it is made in its place, and is a data set from the moment when its manifest, which is written last, is there.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from pipeline.errors import UserError
from pipeline.files import is_stored
from pipeline.job import storage
from pipeline.job.store_lock import StoreLock, taken
from pipeline.schema import MANIFEST_FILE, Manifest

_FINGERPRINT, _LOCK, _FINISHED, _DATA, _PROGRESS = "fingerprint", "lock", "finished", "data", "progress"
# Tells a folder that a job has made, which may be removed, from somebody else's of the same name.
_MARK = "nmt-preprocess"


def fingerprint(fields: Mapping[str, Any]) -> str:
    """SHA-256 over settings, inputs, versions, whatever decides about some files, in hexadecimal."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


class WorkFolder:
    """A folder of folders, each of which holds what one fingerprint decides.

    Args:
        output: The data set's folder to be.
        progress: A folder of this machine for what is counted meanwhile.
        require: Raises an error if another job has taken this one's place.

    Attributes:
        path: The folder.
        data: Where the data set is made.
        progress: See above.
    """

    def __init__(self, output: str, progress: str, require: Callable[[], None] = lambda: None):
        self.path, self.progress, self._output, self._require = _beside(output), progress, output, require
        self.data = output if is_stored(output) else storage.join(self.path, _DATA)

    def folder(self, name: str) -> str:
        """A folder of the work."""
        return storage.join(self.path, name)

    def claim(self, name: str, fingerprint: str) -> str:
        """Gives a folder of the work; it is emptied if it was made under another fingerprint.

        Args:
            name: Its name.
            fingerprint: What decides about the files in it.
        """
        self._claim(name, self.folder(name), fingerprint)
        return self.folder(name)

    def claim_data(self, fingerprint: str) -> str:
        """Gives the folder in which the data set is made, as `claim` does.

        Raises:
            UserError: In a store, it holds something that is not this job's.
        """
        if is_stored(self.data):
            # What somebody has put there since the job began is not removed.
            require_free(self.data)
        self._claim(_DATA, self.data, fingerprint)
        return self.data

    def _claim(self, name: str, folder: str, fingerprint: str) -> None:
        stamp = self._note(name, _FINGERPRINT)
        if self._read(stamp) != fingerprint:
            # Not removed: it says that what is in the folder is the job's.
            storage.write_text(stamp, "")
            storage.remove(self.path, f"{name}.{_FINISHED}")
            storage.remove_folder(folder)
            storage.write_text(stamp, fingerprint)

    def fingerprint(self, name: str) -> str:
        """What decides about the files of a folder."""
        return storage.read_text(self._note(name, _FINGERPRINT))

    def _read(self, note: str) -> str | None:
        try:
            return storage.read_text(note)
        except FileNotFoundError:
            return None

    def is_finished(self, name: str) -> bool:
        """Whether all files of a folder are there."""
        return storage.exists(self._note(name, _FINISHED))

    def mark(self, name: str) -> None:
        """Notes that all files of a folder are there."""
        storage.write_text(self._note(name, _FINISHED), "")

    def publish(self, manifest: Manifest) -> None:
        """Makes a data set of what is in `data`.

        Raises:
            UserError: Another job has taken this one's place.
        """
        self._require()
        if is_stored(self.data):
            # Another job may have taken the place of this one, and ended.
            require_free(self.data)
        with storage.filled(self.data) as folder:
            manifest.write(folder)
        if not is_stored(self.data):
            os.replace(self.data, self._output)

    def give_up(self) -> None:
        """Removes the folder if nothing in it is finished.

        Raises:
            UserError: Another job has taken this one's place.
        """
        self._require()
        if not any(name.endswith(f".{_FINISHED}") for name in storage.names(self.path)):
            self.remove()

    def remove(self) -> None:
        """Removes the folder; first of all the notes, so that what is left of it if that fails is taken for nothing."""
        notes = [name for name in storage.names(self.path) if name.endswith((f".{_FINGERPRINT}", f".{_FINISHED}"))]
        storage.remove(self.path, *notes)
        for name in sorted({note.rpartition(".")[0] for note in notes}):
            storage.remove_folder(self.folder(name))
        # With the mark, which says until then whose the rest is.
        storage.remove_folder(self.path)

    def _note(self, name: str, kind: str) -> str:
        return storage.join(self.path, f"{name}.{kind}")


def _beside(output: str) -> str:
    return f"{output}.work"


def require_free(output: str) -> None:
    """Refuses a folder in which a data set cannot be made.

    Args:
        output: The folder.

    Raises:
        UserError: It holds something, a disk is mounted there, or its store cannot be read.
    """
    if not is_stored(output) and os.path.ismount(output):
        raise UserError(
            f"--output: expected a folder in whose place the data set can be put, received {output!r}, where a disk is"
            " mounted; name a folder in it"
        )
    if is_stored(output):
        with _store_told(output):
            is_free = not storage.names(output, 1) or _is_begun(output)
    else:
        is_free = not os.path.exists(output) or (os.path.isdir(output) and not os.listdir(output))
    if not is_free:
        raise UserError(
            f"--output: expected a new or empty folder, received {output!r}, which holds something; name another one,"
            " or remove it first"
        )


def _is_begun(output: str) -> bool:
    """Whether what is in a folder of a store is what a killed job had made of a data set."""
    is_whole = storage.exists(storage.join(output, MANIFEST_FILE))
    return not is_whole and storage.exists(storage.join(_beside(output), f"{_DATA}.{_FINGERPRINT}"))


@contextlib.contextmanager
def work_folder(output: str) -> Iterator[WorkFolder]:
    """Gives the folder `OUTPUT.work`, to this job alone.

    It is removed when the block ends well, and when it ends before a folder in it is finished by the user's mistake.

    Args:
        output: The data set's folder to be.

    Raises:
        UserError: Another job has it, it holds what is no job's, or its store cannot be read and written.
    """
    with _stored_work(output) if is_stored(output) else _local_work(output) as work:
        # The job that was waited for may have ended well.
        require_free(output)
        try:
            yield work
        except UserError:
            with contextlib.suppress(UserError):
                work.give_up()
            raise
        work.remove()


@contextlib.contextmanager
def _local_work(output: str) -> Iterator[WorkFolder]:
    path = _beside(output)
    _mark(path, output)
    lock = filelock.FileLock(storage.join(path, _LOCK))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise taken(output) from None
    try:
        yield WorkFolder(output, storage.join(path, _PROGRESS))
    finally:
        lock.release()


@contextlib.contextmanager
def _stored_work(output: str) -> Iterator[WorkFolder]:
    lock = StoreLock(storage.join(_beside(output), _LOCK), output)
    with contextlib.ExitStack() as stack:
        with _store_told(output):
            _mark(_beside(output), output)
            stack.enter_context(lock.held())
        progress = stack.enter_context(tempfile.TemporaryDirectory(prefix="nmt-"))
        yield WorkFolder(output, progress, lock.require)


def _mark(path: str, output: str) -> None:
    """Makes the folder of the work, or takes it up if a job has made it."""
    mark = storage.join(path, _MARK)
    if not storage.exists(mark) and not _is_new(path):
        raise UserError(
            f"--output: expected a name beside which {path!r} is free for the work, received {output!r}, beside which"
            " that is something no job has made; name another output, or move it away"
        )
    if is_stored(path):
        storage.write_text(mark, "")
    else:
        os.makedirs(path, exist_ok=True)
        # Not written beside: what a job leaves that is killed meanwhile would be nobody's.
        Path(mark).touch()


def _is_new(path: str) -> bool:
    if is_stored(path):
        return not storage.names(path, 1)
    return not os.path.lexists(path) or (_is_plain(path) and not os.listdir(path))


def _is_plain(path: str) -> bool:
    """Whether a name is a folder's own, that can be removed."""
    return os.path.isdir(path) and not os.path.islink(path) and not os.path.ismount(path)


@contextlib.contextmanager
def _store_told(output: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"--output: expected a folder of a store that can be read and written, received {output!r}"
            f" ({error.strerror or error}); name another one, see to the rights, or give the store's flags, such as"
            " --s3_endpoint_url or --hdfs_host, after --"
        ) from None
