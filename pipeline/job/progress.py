"""How far a job is, told while it runs: workers leave their counts in a folder, and the command adds them up.

No runner but the in-memory one lets its caller see counters before the end, and that one not while it runs. The sums
are for people to look at: a bundle that was tried twice is counted twice. What a data set's manifest says is counted
as data.
"""

import contextlib
import json
import os
import shutil
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tqdm import tqdm

from pipeline.files import write_beside

READ, KEPT = "read", "kept"
# Seconds between two writings of a worker, and between two looks at a terminal or at a log.
_WRITE, _TERMINAL, _LOG = 0.5, 0.5, 30.0


class Tally:
    """A worker's counts.

    Args:
        folder: Where all workers leave theirs. Where there is no such folder, as on another machine, nothing is left.
    """

    def __init__(self, folder: str | Path):
        self._folder = Path(folder)
        self._file = self._folder / f"{os.getpid()}-{uuid.uuid4().hex}.json"
        self._counts: Counter[str] = Counter()
        self._next = 0.0

    def add(self, counts: Mapping[str, int]) -> None:
        """Adds counts; about twice a second they can be seen."""
        self._counts.update(counts)
        if time.monotonic() >= self._next:
            self.leave()

    def leave(self) -> None:
        """Lets all counts be seen now."""
        if self._folder.is_dir():
            with write_beside(self._file) as path:
                path.write_text(json.dumps(self._counts))
        self._next = time.monotonic() + _WRITE


def left(folder: str | Path) -> Counter[str]:
    """The sum of the counts that workers have left."""
    total: Counter[str] = Counter()
    for path in Path(folder).glob("*.json"):
        # The folder may go while it is looked at.
        with contextlib.suppress(FileNotFoundError):
            total.update(json.loads(path.read_text()))
    return total


def told(counts: Mapping[str, int]) -> str:
    """What was kept and, the most frequent rule first, what was rejected: all counts but that of the pairs read."""
    parts = [f"kept {counts[KEPT]:,}"] if KEPT in counts else []
    rules = [(rule, count) for rule, count in counts.items() if rule not in (READ, KEPT) and count]
    parts += [f"{rule} {count:,}" for rule, count in sorted(rules, key=lambda item: (-item[1], item[0]))]
    return ", ".join(parts)


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Tells on stderr the name of what a block does, which counts nothing, and how long it took."""
    with tqdm(desc=name, bar_format="{desc}: {elapsed}", mininterval=0, miniters=0):
        yield


@contextlib.contextmanager
def watched(folder: str | Path, stage: str, total: int | None = None, every: float | None = None) -> Iterator[None]:
    """Tells on stderr, until the block ends, what workers count: pairs read, kept, rejected by rule, pairs a second.

    Args:
        folder: Where they leave their counts; it is made anew.
        stage: What they do.
        total: How many pairs they will read, if that is known.
        every: Seconds between two lines; by default half a second on a terminal, half a minute in a log.
    """
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)
    if every is None:
        every = _TERMINAL if sys.stderr.isatty() else _LOG
    ended = threading.Event()
    with tqdm(desc=stage, total=total, unit=" pairs", mininterval=0, miniters=0, dynamic_ncols=True) as bar:

        def show() -> None:
            counts = left(folder)
            bar.set_postfix_str(told(counts), refresh=False)
            bar.update(counts[READ] - bar.n)

        def look() -> None:
            while not ended.wait(every):
                show()

        watcher = threading.Thread(target=look, name="progress", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            show()
