"""Near duplicates: training pairs that are much like another one, found by their sketches and told to their shards.

A pair is dropped if it has a band in common with a pair of smaller place and their estimated similarity reaches the
threshold. This looks at two pairs alone, so the same ones are dropped whatever the order of the files and the runner:
of a chain, A like B and B like C, B and C go even if C is unlike A. The smallest of those that hang together stays.

Sketches are large and nearly all of them meet no other. So hashes of bands travel first, 8 bytes each; then a sketch
goes to those bands alone in which its pair is not the only one.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import apache_beam as beam
import numpy as np

from pipeline.config import PreprocessConfig
from pipeline.job import band_rows, digests
from pipeline.job.assignment import PAIRS
from pipeline.job.blocks import NearRow, PairRow, pack, unpack
from pipeline.job.clean_unit import Element
from pipeline.job.minhash import banding, sketch
from pipeline.job.transforms import NEAR
from pipeline.schema import TRAIN

_PARTITIONS_A_SHARD = 4
_ROWS = 4096
_BANDS, _SKETCHES, _COPIES = "bands", "sketches", "copies"

# A partition and some rows, with their kind.
_Rows: TypeAlias = tuple[int, tuple[str, bytes]]


class NearDuplicates(beam.PTransform):
    """Finds the near duplicates among the training pairs: elements of `CleanUnit` to elements for `WriteTextShard`.

    Args:
        config: The settings; `near_duplicates` is the threshold.
        shards: Count of shards of the training pairs.
    """

    def __init__(self, config: PreprocessConfig, shards: int):
        super().__init__()
        self._config, self._shards = config, shards

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        """Gives `((TRAIN, shard), (NEAR, block))`, with rows that are each a `NearRow`."""
        partitions = _PARTITIONS_A_SHARD * self._shards
        place_bytes = len(digests.place("", "", 0, self._config.dedup, self._config.seed))
        rows = elements | "Sketch" >> beam.ParDo(_Sketch(self._config, partitions, place_bytes))
        shared = (
            rows
            | "Bands" >> beam.Filter(lambda row: row[1][0] == _BANDS)
            | "Group bands" >> beam.GroupByKey()
            | "Shared bands" >> beam.FlatMap(_shared, partitions)
        )
        return (
            (rows | "Sketches" >> beam.Filter(lambda row: row[1][0] != _BANDS), shared)
            | beam.Flatten()
            | "Group names" >> beam.GroupByKey()
            | "Meet" >> beam.FlatMap(_meet, partitions, place_bytes)
            | "Group members" >> beam.GroupByKey()
            | "Compare" >> beam.FlatMap(_compare, self._config.near_duplicates, self._shards, place_bytes)
        )


class _Sketch(beam.DoFn):
    """Blocks of pairs to rows of their bands, by band, and of their sketches, by name."""

    def __init__(self, config: PreprocessConfig, partitions: int, place_bytes: int):
        assert config.near_duplicates is not None
        self._config, self._partitions, self._place_bytes = config, partitions, place_bytes
        self._banding = banding(config.near_duplicates)

    def process(self, element: Element) -> Iterator[_Rows]:
        (split, _), (tag, block) = element
        if split != TRAIN or tag != PAIRS:
            return
        pairs = unpack(block)
        if not pairs:
            return
        parts = [self._rows(pairs[at : at + _ROWS]) for at in range(0, len(pairs), _ROWS)]
        hashes, copies = (np.concatenate(rows) for rows in zip(*parts, strict=True))
        first = np.array([pair[-1] == 0 for pair in pairs])
        bands = np.empty(hashes[first].shape, band_rows.BAND)
        bands["band"] = hashes[first] >> np.uint64(32)
        bands["name"] = copies["name"][first, None]
        sketches = np.empty(np.count_nonzero(first), band_rows.sketch_type(self._place_bytes))
        for field in sketches.dtype.names or ():
            sketches[field] = copies[field][first]
        for kind, rows, numbers in (
            (_BANDS, bands.ravel(), hashes[first].ravel()),
            (_SKETCHES, sketches, sketches["name"]),
            (_COPIES, copies[~first], copies["name"][~first]),
        ):
            for partition, part in band_rows.divide(rows, numbers, self._partitions):
                yield partition, (kind, part)

    def _rows(self, pairs: list[PairRow]) -> tuple[np.ndarray, np.ndarray]:
        """Hashes of bands, and rows of copies."""
        places, inputs, lines, sources, targets, _ = zip(*pairs, strict=True)
        found = sketch(sources, targets, self._config.near_ngram, self._banding)
        ranks = [self._rank(pair) for pair in pairs]
        rows = np.empty(len(pairs), band_rows.copy_type(self._place_bytes))
        rows["place"] = band_rows.to_words(places, self._place_bytes)
        rows["rank"] = band_rows.to_words(ranks, self._place_bytes)
        # The end of a place tells texts from each other, whatever deduplication looks at.
        rows["name"] = np.frombuffer(b"".join(rank[-4:] for rank in ranks), ">u4")
        rows["origin"] = band_rows.to_origins(inputs, lines)
        rows["bits"] = found.bits
        return found.bands, rows

    def _rank(self, pair: PairRow) -> bytes:
        place, _, _, source, target, copy = pair
        if not copy:
            return place
        first = digests.place(source, target, 0, self._config.dedup, self._config.seed)
        return first[: digests.SIZE] + place[digests.SIZE :]


def _shared(group: tuple[int, Iterable[tuple[str, bytes]]], partitions: int) -> Iterator[_Rows]:
    partition, blocks = group
    bands = band_rows.shared(band_rows.from_blocks((block for _, block in blocks), band_rows.BAND), partition)
    for name_partition, part in band_rows.divide(bands, bands["name"], partitions):
        yield name_partition, (_BANDS, part)


def _meet(
    group: tuple[int, Iterable[tuple[str, bytes]]], partitions: int, place_bytes: int
) -> Iterator[tuple[int, bytes]]:
    types = {
        _BANDS: band_rows.SHARED,
        _SKETCHES: band_rows.sketch_type(place_bytes),
        _COPIES: band_rows.copy_type(place_bytes),
    }
    blocks: dict[str, list[bytes]] = {kind: [] for kind in types}
    for kind, block in group[1]:
        blocks[kind].append(block)
    members = band_rows.meet(*(band_rows.from_blocks(blocks[kind], dtype) for kind, dtype in types.items()))
    yield from band_rows.divide(members, members["band"], partitions)


def _compare(group: tuple[int, Iterable[bytes]], threshold: float, shards: int, place_bytes: int) -> Iterator[Element]:
    members, best, like = band_rows.likeness(band_rows.from_blocks(group[1], band_rows.member_type(place_bytes)))
    found = best >= threshold
    others = members[like[found]]
    similarities = (round(similarity, 3) for similarity in best[found].tolist())
    ranks, lines = band_rows.to_places(others["rank"]), band_rows.to_inputs_and_lines(others["origin"])
    dropped: dict[int, list[NearRow]] = {}
    for row in zip(band_rows.to_places(members["place"][found]), similarities, ranks, lines, strict=True):
        dropped.setdefault(digests.shard(row[0], shards), []).append(row)
    for shard, rows in sorted(dropped.items()):
        yield (TRAIN, shard), (NEAR, pack(rows))
