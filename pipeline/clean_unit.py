"""The first step of the job: a unit of raw pairs to blocks of clean and of rejected ones."""

import struct
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam

from pipeline import digests
from pipeline.blocks import pack
from pipeline.config import PreprocessConfig
from pipeline.counters import Counters
from pipeline.progress import KEPT, READ
from pipeline.readers import read
from pipeline.rejects import LEAKED, SAMPLED_OUT, cut
from pipeline.rules import Rejected, cleaner
from pipeline.schema import TRAIN, VALID
from pipeline.units import RawPair, Unit

# Tags of the elements: what a block holds.
PAIRS, REJECTED, HELD_OUT = "pairs", "rejected", "held out"
_BLOCK_BYTES = 8 << 20
_OVERHEAD = 100

Element = tuple[tuple[str, int], tuple[str, bytes]]


class CleanUnit(beam.DoFn):
    """Cleans a unit of pairs and tells the shard of each: `Unit` to `((split, shard), (tag, block))`.

    Rejected pairs go to a shard of `train` by what stands in their lines. The digests of the sentences of validation
    have the key `(HELD_OUT, 0)`.

    Args:
        config: The settings.
        shards: Count of shards of the training pairs.
        split: The split of the units: `valid`, or `train`, of which a share becomes `valid` if the settings say so.
        progress: The folder of what is counted meanwhile.
    """

    def __init__(self, config: PreprocessConfig, shards: int, split: str, progress: str):
        self._config, self._shards, self._split, self._progress = config, shards, split, progress
        self._hold_out = split == TRAIN and not (config.valid_source or config.valid_pairs)

    def setup(self) -> None:
        """Makes the rules ready."""
        config = self._config
        self._clean = cleaner(config.cleaning, config.source_language, config.target_language)

        self._counters = Counters(self._progress)

    def finish_bundle(self) -> None:
        """Lets all counts be seen."""
        self._counters.leave()

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
            for key, row in self._rows(raw, unit.weight):
                rows[key].append(row)
            size += len(raw.source) + len(raw.target) + _OVERHEAD
            if size >= _BLOCK_BYTES:
                self._counters.add(_counted(rows))
                yield from _blocks(rows)
                rows.clear()
                size = 0
        self._counters.add(_counted(rows))
        yield from _blocks(rows)

    def _rows(self, raw: RawPair, weight: float) -> Iterator[tuple[tuple[tuple[str, int], str], Any]]:
        excluded = self._excluded or frozenset()
        pair = self._clean(raw.source, raw.target)
        if isinstance(pair, Rejected):
            yield self._reject(raw, *pair)
            return
        source, target = pair
        sides = (source,) if self._config.leak_side == "source" else pair
        if self._split == TRAIN and any(digests.sentence_digest(side) in excluded for side in sides):
            yield self._reject(raw, LEAKED, None, None, source, target)
        elif self._split == VALID:
            yield from _validation(struct.pack(">QQ", raw.file, raw.line), raw, source, target)
        elif self._hold_out and digests.held_out(source, self._config.valid_share, self._config.seed):
            yield from _validation(self._place(source, target, 0), raw, source, target)
        else:
            yield from self._copies(raw, weight, source, target)

    def _copies(self, raw: RawPair, weight: float, source: str, target: str) -> Iterator[Any]:
        """A pair as often as its weight says: of 2.5, two copies and a third of half of the pairs."""
        copy = 0
        while copy < weight:
            place = self._place(source, target, copy)
            if digests.in_share(place, weight - copy):
                key = TRAIN, digests.shard(place, self._shards)
                yield (key, PAIRS), (place, raw.file, raw.line, source, target, copy)
            elif copy == 0:
                yield self._reject(raw, SAMPLED_OUT, None, weight, source, target)
            copy += 1

    def _place(self, source: str, target: str, copy: int) -> bytes:
        return digests.place(source, target, copy, self._config.dedup, self._config.seed)

    def _reject(self, raw: RawPair, rule: str, value: Any, threshold: Any, source: str, target: str) -> Any:
        shard = zlib.crc32(raw.target, zlib.crc32(raw.source)) % self._shards
        texts = (None, None) if self._config.reject_text == "none" else (cut(source), cut(target))
        return ((TRAIN, shard), REJECTED), (raw.file, raw.line, rule, value, threshold, *texts)


def _validation(place: bytes, raw: RawPair, source: str, target: str) -> Iterator[Any]:
    yield ((VALID, 0), PAIRS), (place, raw.file, raw.line, source, target, 0)
    for side in (source, target):
        yield ((HELD_OUT, 0), HELD_OUT), digests.sentence_digest(side)


def _counted(rows: dict[tuple[tuple[str, int], str], list[Any]]) -> dict[str, int]:
    """How many pairs were read, kept, and rejected by each rule."""
    kept = sum(row[5] == 0 for (_, tag), group in rows.items() if tag == PAIRS for row in group)
    rejected = Counter(row[2] for (_, tag), group in rows.items() if tag == REJECTED for row in group)
    return {READ: kept + rejected.total(), KEPT: kept, **rejected}


def _blocks(rows: dict[tuple[tuple[str, int], str], list[Any]]) -> Iterator[Element]:
    for (key, tag), group in rows.items():
        yield key, (tag, b"".join(group) if tag == HELD_OUT else pack(group))


def split_digests(joined: Iterable[bytes]) -> frozenset[bytes]:
    """The digests that are joined in some strings of bytes."""
    size = digests.SIZE
    return frozenset(block[at : at + size] for block in joined for at in range(0, len(block), size))
