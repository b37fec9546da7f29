"""What becomes of a raw pair: rows of clean pairs, of rejected ones and of sentences, and where each belongs."""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from pipeline.cleaning.rules import Rejected, cleaner
from pipeline.config import PreprocessConfig
from pipeline.corpora.units import RawPair
from pipeline.job import digests
from pipeline.job.rejects import LEAKED, SAMPLED_OUT, reject_row
from pipeline.schema import TRAIN, VALID

# What a block of rows holds.
PAIRS, REJECTED, HELD_OUT = "pairs", "rejected", "held out"

Key: TypeAlias = tuple[str, int]
Row: TypeAlias = tuple[tuple[Key, str], Any]


class Assignment:
    """Cleans pairs and tells the split and shard of each.

    Rejected pairs go to a shard of `train` by what stands in their lines. The digests of the sentences of validation
    have the key `(HELD_OUT, 0)`.

    Args:
        config: The settings.
        shards: Count of shards of the training pairs.
        split: The split of the pairs: `valid`, or `train`, of which a share becomes `valid` if the settings say so.
    """

    def __init__(self, config: PreprocessConfig, shards: int, split: str):
        self._config, self._shards, self._split = config, shards, split
        self._hold_out = split == TRAIN and not (config.valid_source or config.valid_pairs)
        self._clean = cleaner(config.cleaning, config.source_language, config.target_language)

    def rows(self, raw: RawPair, weight: float, excluded: frozenset[bytes]) -> Iterator[Row]:
        """Cleans a pair.

        Args:
            raw: What was read.
            weight: How often it is trained on.
            excluded: Digests of the sentences that no training pair may have.

        Yields:
            A key, a tag, and the row for both: a `PairRow`, a `RejectRow`, or the digest of a sentence of validation.
        """
        pair = self._clean(raw.source, raw.target)
        if isinstance(pair, Rejected):
            yield self._reject(raw, *pair)
            return
        source, target = pair
        if self._split == TRAIN and is_leaked(pair, excluded, self._config):
            yield self._reject(raw, LEAKED, None, None, source, target)
        elif self._split == VALID:
            yield from _validation(struct.pack(">QQ", raw.file, raw.line), raw, source, target)
        elif self._hold_out and digests.held_out(source, self._config.valid_share, self._config.seed):
            yield from _validation(self._place(source, target, 0), raw, source, target)
        else:
            yield from self._copies(raw, weight, source, target)

    def _copies(self, raw: RawPair, weight: float, source: str, target: str) -> Iterator[Row]:
        """A pair as often as its weight says: of 2.5, two copies and a third of half of the pairs."""
        copy = 0
        while copy < weight:
            place = self._place(source, target, copy, weight)
            if digests.in_share(place, weight - copy):
                key = TRAIN, digests.shard(place, self._shards)
                yield (key, PAIRS), (place, raw.file, raw.line, source, target, copy)
            elif copy == 0:
                yield self._reject(raw, SAMPLED_OUT, None, weight, source, target)
            copy += 1

    def _place(self, source: str, target: str, copy: int, weight: float = 1.0) -> bytes:
        return digests.place(source, target, copy, self._config.dedup, self._config.seed, weight)

    def _reject(self, raw: RawPair, rule: str, value: Any, threshold: Any, source: str, target: str) -> Row:
        shard = zlib.crc32(raw.target, zlib.crc32(raw.source)) % self._shards
        row = reject_row(self._config, (raw.file, raw.line), rule, value, threshold, (source, target))
        return ((TRAIN, shard), REJECTED), row


def _validation(place: bytes, raw: RawPair, source: str, target: str) -> Iterator[Row]:
    yield ((VALID, 0), PAIRS), (place, raw.file, raw.line, source, target, 0)
    for side in (source, target):
        yield ((HELD_OUT, 0), HELD_OUT), digests.sentence_digest(side)


def is_leaked(sides: Sequence[str], excluded: frozenset[bytes], config: PreprocessConfig) -> bool:
    """Whether a side of a pair, or its source if that alone is asked for, is among the excluded sentences."""
    asked = sides[:1] if config.leak_side == "source" else sides
    return any(digests.sentence_digest(side) in excluded for side in asked)


def split_digests(joined: Iterable[bytes]) -> frozenset[bytes]:
    """The digests that are joined in some strings of bytes."""
    size = digests.SIZE
    return frozenset(block[at : at + size] for block in joined for at in range(0, len(block), size))
