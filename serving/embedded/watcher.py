"""A thread that keeps a served model at the newest version of its export, as TF Serving does, and at labelled ones."""

import logging
import os
import threading
from pathlib import Path

from serving.embedded.versions import Model
from serving.exports.export_folder import complete_versions

_log = logging.getLogger(__name__)


class Watcher:
    """Looks at an export's folder again and again, loads what is newer, and then unloads what it replaces.

    A version that cannot be loaded leaves the one before it in service, and is tried again when its files change, as
    they do while a folder is copied into place instead of renamed. When the served version's folder vanishes, the
    newest one left takes its place; if there is none, the model is served no longer until there is one. A folder of the
    export that is gone as a whole, as of a disk that is not mounted, changes nothing.
    """

    def __init__(self, model: Model, export: str | Path):
        """Makes a watcher, whose thread `start` starts.

        Args:
            model: The model whose versions are loaded and unloaded; by this watcher alone from now on.
            export: The folder that holds <version>/saved_model.pb.
        """
        self._model = model
        self._export = Path(export)
        self._failed: dict[int, frozenset[tuple]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"versions of {model.name}")

    def start(self) -> None:
        """Starts to look, every `poll_interval` seconds; never, if these are 0."""
        if self._model.config.poll_interval:
            self._thread.start()

    def close(self) -> None:
        """Ends the thread, once a version that is being loaded or unloaded is done."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def poll(self) -> None:
        """Looks once; returns when the model serves what it should.

        Raises:
            OSError: The folder cannot be read; nothing has been changed.
        """
        # Raises where `glob`, which looks for versions, would just find none.
        os.listdir(self._export)
        found = complete_versions(self._export)
        newest = max(found, default=None)
        wanted = found.keys() & {newest, *self._model.labels.values()}
        self._failed = {n: files for n, files in self._failed.items() if n in found and files == _files(found[n])}
        for number in sorted(wanted - self._model.available() - self._failed.keys()):
            self._load(number, found[number])
        available = self._model.available()
        if newest is None or newest in available:
            for number in available - wanted:
                self._model.unload(number)
                _log.info("model %s: version %d unloaded", self._model.name, number)

    def _load(self, number: int, folder: Path) -> None:
        files = _files(folder)
        try:
            self._model.load(folder)
        except Exception as error:
            self._failed[number] = files
            _log.error("model %s: version %d left out: %s", self._model.name, number, error)
        else:
            _log.info("model %s: version %d is served", self._model.name, number)

    def _watch(self) -> None:
        while not self._ended.wait(self._model.config.poll_interval):
            try:
                self.poll()
            except OSError as error:
                # A network disk that fails now may answer at the next look.
                _log.error("%s: cannot be read, its model is served as before: %s", self._export, error)


def _files(folder: Path) -> frozenset[tuple]:
    """What tells a folder from the same one with other files in it."""
    stats = ((path, path.stat()) for path in folder.rglob("*"))
    return frozenset((path, stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in stats)
