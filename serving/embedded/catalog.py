"""The models that a server has: loaded, kept at their folders' versions, and exchanged for others while it serves."""

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Iterator, Sequence

from pipeline.errors import UserError
from serving.embedded.config import ServerConfig
from serving.embedded.metrics import ServingMetrics
from serving.embedded.models_config import ModelSource
from serving.embedded.rest import Route
from serving.embedded.versions import Model, Version
from serving.embedded.watcher import Watcher
from serving.exports.export_folder import newest_version


@dataclasses.dataclass(frozen=True)
class _Entry:
    source: ModelSource
    model: Model
    watcher: Watcher

    def retire(self) -> None:
        """Frees the model once the requests that use it are answered."""
        self.watcher.close()
        for number in self.model.available():
            self.model.unload(number)
        self.model.close()

    def close(self) -> None:
        self.watcher.close()
        self.model.close()


class Catalog:
    """Models by name. Requests find them in one thread, while another one may exchange them."""

    def __init__(self, config: ServerConfig, metrics: ServingMetrics):
        """Makes a catalog without models.

        Args:
            config: How requests are treated.
            metrics: Where their batches are counted.
        """
        self._config = config
        self._metrics = metrics
        self._entries: dict[str, _Entry] = {}
        self._exchange = threading.Lock()
        self._one_at_a_time = threading.Lock()

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def models(self) -> list[Model]:
        """All models."""
        return [entry.model for entry in self._entries.values()]

    def find(self, name: str) -> Model:
        """The model of a name; one that is not known is that of a model without versions."""
        entry = self._entries.get(name)
        return entry.model if entry else Model(name, self._config)

    @contextlib.contextmanager
    def use(self, route: Route) -> Iterator[Version]:
        """The version that a request is for, which stays loaded while the block runs.

        Raises:
            StatusError: It is not there.
        """
        with contextlib.ExitStack() as stack:
            # The model that is found must not be retired before the version is held.
            with self._exchange:
                version = stack.enter_context(self.find(route.model).use(route))
            yield version

    def replace(self, sources: Sequence[ModelSource]) -> None:
        """Loads models, lets requests reach them and no others from then on, and frees those before; blocks.

        A model whose source is the same stays as it is.

        Args:
            sources: All models that there are to be.

        Raises:
            UserError: One of them has no version that loads; all stays as it was.
        """
        with self._one_at_a_time, contextlib.ExitStack() as undo:
            before, entries = self._entries, {}
            for source in sources:
                entry = before.get(source.name)
                if entry is None or entry.source != source:
                    entry = self._load(source)
                    undo.callback(entry.close)
                entries[source.name] = entry
            with self._exchange:
                self._entries = entries
            undo.pop_all()
            for name, entry in before.items():
                if entries.get(name) is not entry:
                    entry.retire()

    def close(self) -> None:
        """Ends the threads and frees the memory of all models."""
        with self._one_at_a_time:
            entries, self._entries = self._entries, {}
            for entry in entries.values():
                entry.close()

    def _load(self, source: ModelSource) -> _Entry:
        """Loads the newest version of a model and those with labels, and keeps watch."""
        folder = newest_version(source.path)
        observe = functools.partial(self._metrics.record_batch, source.name)
        model = Model(source.name, self._config, observe, source.labels)
        with contextlib.ExitStack() as undo:
            undo.callback(model.close)
            try:
                model.load(folder)
            except Exception as error:
                reason = " ".join(str(error).split())
                raise UserError(
                    f"EXPORT: expected a SavedModel that loads, received {str(folder)!r} ({reason}); export it anew"
                ) from error
            watcher = Watcher(model, source.path)
            watcher.poll()
            watcher.start()
            undo.pop_all()
        return _Entry(source, model, watcher)
