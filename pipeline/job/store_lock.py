"""One job at a time in a folder of a store, which knows no locks: an object that tells who works there.

The job that works writes it anew every few seconds. Another one that finds it watches: if it changes, a job is alive
there; if it stays as it is for a minute, that job was killed, and its place is taken. No clock of another machine is
asked. Stores write without looking, so two jobs that begin in the same second both write; each looks again a moment
later, and the last one that wrote stays.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator

from pipeline.errors import UserError
from pipeline.job import storage
from pipeline.job.progress import stage

# Seconds between two writings, for which an object is watched, and until the one that wrote last is known.
_BEAT, _WATCH, _SETTLE = 15.0, 60.0, 2.0
_LOOK = 1.0


def taken(output: str) -> UserError:
    """What is told of a folder that another job makes."""
    return UserError(
        f"--output: expected a folder that no other job makes, received {output!r}; wait for that job, or name another"
        " folder"
    )


class StoreLock:
    """The right to work in a folder.

    Args:
        path: The object.
        told: The folder, as the user named it.
    """

    def __init__(self, path: str, told: str):
        self._path, self._told = path, told
        self._job, self._beats = uuid.uuid4().hex, 0
        self._ended, self._writing = threading.Event(), threading.Lock()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Holds it while the block runs.

        Raises:
            UserError: Another job works there.
        """
        self._acquire()
        beat = threading.Thread(target=self._go_on, name="store lock", daemon=True)
        beat.start()
        try:
            yield
        finally:
            self._ended.set()
            beat.join()
            with contextlib.suppress(OSError, UserError):
                self.require()
                storage.remove(*self._path.rsplit("/", 1))

    def require(self) -> None:
        """Makes sure that no other job has taken this one's place, as when this one was suspended for a minute.

        Raises:
            UserError: One has.
        """
        with self._writing:
            if self._is_lost():
                raise taken(self._told)

    def _acquire(self) -> None:
        seen = self._read()
        if seen is not None:
            with stage("see whether the job that began there is alive"):
                self._watch(seen)
        self._write()
        time.sleep(_SETTLE)
        self.require()

    def _watch(self, seen: str) -> None:
        until, missing = time.monotonic() + _WATCH, 0
        # Where a file is replaced in two steps, it is missing for a moment.
        while time.monotonic() < until and missing < 2:
            time.sleep(_LOOK)
            found = self._read()
            missing = missing + 1 if found is None else 0
            if found is not None and found != seen:
                raise taken(self._told)

    def _go_on(self) -> None:
        while not self._ended.wait(_BEAT):
            # A store that does not answer now may do so later.
            with contextlib.suppress(OSError), self._writing:
                if self._is_lost():
                    return
                self._write()

    def _write(self) -> None:
        self._beats += 1
        told = {"job": self._job, "host": socket.gethostname(), "process": os.getpid(), "beat": self._beats}
        storage.write_text(self._path, json.dumps(told))

    def _read(self) -> str | None:
        try:
            return storage.read_text(self._path)
        except FileNotFoundError:
            return None

    def _is_lost(self) -> bool:
        """Whether another job has written it; one that is missing is what a failed upload of this job's left."""
        found = self._read()
        return found is not None and self._job not in found
