"""The first step of the job: a unit of raw pairs to blocks of clean and of rejected ones."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.config import PreprocessConfig
from pipeline.corpora.readers import read
from pipeline.corpora.units import Unit
from pipeline.job.assignment import HELD_OUT, PAIRS, REJECTED, Assignment, Key, split_digests
from pipeline.job.blocks import pack
from pipeline.job.counters import CountingDoFn
from pipeline.job.progress import KEPT, READ

_BLOCK_BYTES = 8 << 20
_OVERHEAD = 100

Element = tuple[Key, tuple[str, bytes]]


class CleanUnit(CountingDoFn):
    """Cleans a unit of pairs and tells the shard of each: `Unit` to `((split, shard), (tag, block))`; see `Assignment`.

    Args:
        config: The settings.
        shards: Count of shards of the training pairs.
        split: The split of the units: `valid`, or `train`, of which a share becomes `valid` if the settings say so.
        progress: The folder of what is counted meanwhile.
    """

    def __init__(self, config: PreprocessConfig, shards: int, split: str, progress: str):
        super().__init__(progress)
        self._config, self._shards, self._split = config, shards, split

    def setup(self) -> None:
        """Makes the rules ready."""
        super().setup()
        self._assignment = Assignment(self._config, self._shards, self._split)

    def start_bundle(self) -> None:
        """Forgets the excluded sentences, which may be others."""
        self._excluded: frozenset[bytes] | None = None

    def process(self, unit: Unit, excluded: Iterable[bytes] = ()) -> Iterator[Element]:
        """Reads a unit and yields its blocks.

        Args:
            unit: What to read.
            excluded: Joined digests of the sentences that no pair may have.
        """
        if self._excluded is None:
            self._excluded = split_digests(excluded)
        rows: dict[tuple[tuple[str, int], str], list[Any]] = defaultdict(list)
        size = 0
        for raw in read(unit):
            for key, row in self._assignment.rows(raw, unit.weight, self._excluded):
                rows[key].append(row)
            size += len(raw.source) + len(raw.target) + _OVERHEAD
            if size >= _BLOCK_BYTES:
                self._counters.add(_counted(rows))
                yield from _blocks(rows)
                rows.clear()
                size = 0
        self._counters.add(_counted(rows))
        yield from _blocks(rows)


def _counted(rows: dict[tuple[tuple[str, int], str], list[Any]]) -> dict[str, int]:
    """How many pairs were read, kept, and rejected by each rule."""
    kept = sum(row[5] == 0 for (_, tag), group in rows.items() if tag == PAIRS for row in group)
    rejected = Counter(row[2] for (_, tag), group in rows.items() if tag == REJECTED for row in group)
    return {READ: kept + rejected.total(), KEPT: kept, **rejected}


def _blocks(rows: dict[tuple[tuple[str, int], str], list[Any]]) -> Iterator[Element]:
    for (key, tag), group in rows.items():
        yield key, (tag, b"".join(group) if tag == HELD_OUT else pack(group))
