"""The versions of a model: loaded beside each other, found for requests, unloaded when their requests are done."""

import contextlib
import dataclasses
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from serving.embedded import rest
from serving.embedded.batcher import Batcher, Observe
from serving.embedded.config import ServerConfig
from serving.embedded.metrics import ModelNumbers
from serving.embedded.status import Code, StatusError, invalid_argument
from serving.embedded.text_count import TextCount
from serving.servable import Servable


@dataclasses.dataclass
class Version:
    """A version that answers requests.

    Attributes:
        number: The version's number.
        folder: The folder EXPORT/<version>.
        servable: Its signatures.
        batcher: Where to have them run.
        users: How many requests hold it.
    """

    number: int
    folder: Path
    servable: Servable
    batcher: Batcher
    users: int = 0

    def close(self) -> None:
        """Ends its thread and frees its memory."""
        self.batcher.close()
        self.servable.close()


class Model:
    """A name, and the versions of the model that have been loaded under it.

    Versions are loaded and unloaded in one thread while requests use them in another.
    """

    def __init__(
        self,
        name: str,
        config: ServerConfig,
        observe: Observe | None = None,
        labels: Mapping[str, int] = MappingProxyType({}),
    ):
        """Makes a model without versions.

        Args:
            name: Its name in URLs.
            config: How its requests are treated.
            observe: See `serving.embedded.batcher.Batcher`.
            labels: The versions that labels stand for, once they are loaded.
        """
        self.name = name
        self.config = config
        self.labels = labels
        self._observe = observe
        self._statuses: dict[int, rest.VersionStatus] = {}
        self._available: dict[int, Version] = {}
        self._changed = threading.Condition()
        self._texts = TextCount()
        self._failed_loads = 0

    def load(self, folder: Path) -> None:
        """Loads a version and warms it up, and only then lets requests reach it; blocks.

        Args:
            folder: EXPORT/<version>.

        Raises:
            Exception: It cannot be loaded; its status tells why, and the other versions stay.
        """
        number = int(folder.name)
        self._set_status(number, rest.VersionStatus("LOADING"))
        try:
            servable = Servable(folder, self.config.request_timeout)
            servable.warm_up()
        except Exception as error:
            self._set_status(number, rest.VersionStatus("END", Code.UNKNOWN, str(error)))
            self._failed_loads += 1
            raise
        version = Version(
            number, folder, servable, Batcher(self._texts.counting(servable.run), self.config.batching, self._observe)
        )
        with self._changed:
            self._available[number] = version
            self._statuses[number] = rest.VersionStatus("AVAILABLE")

    def unload(self, number: int) -> None:
        """Lets no more requests reach a version, waits for those that have, and frees it; blocks."""
        with self._changed:
            version = self._available.pop(number)
            self._statuses[number] = rest.VersionStatus("UNLOADING")
            self._changed.wait_for(lambda: not version.users)
        version.close()
        self._set_status(number, rest.VersionStatus("END"))

    def available(self) -> set[int]:
        """The numbers of the versions that answer requests."""
        with self._changed:
            return set(self._available)

    def numbers(self) -> ModelNumbers:
        """What is counted of all its versions, those of before included; to be called where the requests are."""
        with self._changed:
            waiting = sum(version.batcher.waiting_rows() for version in self._available.values())
        return ModelNumbers(waiting, self._failed_loads, self._texts.source, self._texts.target)

    @contextlib.contextmanager
    def use(self, route: rest.Route) -> Iterator[Version]:
        """The version that a request is for, which stays loaded while the block runs.

        Raises:
            StatusError: It is not there.
        """
        with self._changed:
            version = self._find(route)
            version.users += 1
        try:
            yield version
        finally:
            with self._changed:
                version.users -= 1
                self._changed.notify_all()

    def statuses(self, route: rest.Route) -> dict[int, rest.VersionStatus]:
        """How the versions that a request asks about stand, by number.

        Raises:
            StatusError: There are none.
        """
        with self._changed:
            wanted_version = self._resolve(route)
            found = {n: status for n, status in self._statuses.items() if wanted_version in (None, n)}
        if not found:
            wanted = "any versions" if route.version is None else f"version {route.version}"
            raise StatusError(Code.NOT_FOUND, f"Could not find {wanted} of model {route.model}")
        return found

    def close(self) -> None:
        """Ends the threads and frees the memory of all versions."""
        with self._changed:
            versions = list(self._available.values())
            self._available.clear()
            self._statuses.clear()
        for version in versions:
            version.close()

    def _set_status(self, number: int, status: rest.VersionStatus) -> None:
        with self._changed:
            self._statuses[number] = status

    def _resolve(self, route: rest.Route) -> int | None:
        """The number of the version that is asked for; None is the newest."""
        if route.label is None:
            return route.version
        if self.labels.get(route.label) not in self._available:
            raise invalid_argument(f"Unrecognized servable version label: {route.label}")
        return self.labels[route.label]

    def _find(self, route: rest.Route) -> Version:
        number = self._resolve(route)
        if number is None:
            number = max(self._available, default=None)
        if number is None or number not in self._available:
            wanted = f"Latest({route.model})" if route.version is None else f"Specific({route.model}, {route.version})"
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return self._available[number]
