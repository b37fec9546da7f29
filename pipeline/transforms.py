"""The job's steps between cleaning and encoding: the drop of leaked pairs, and the one shuffle into shards of text.

No tagged outputs, no output of `finish_bundle`, no sink of Beam's: not every runner carries them.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam

from pipeline import digests, protected
from pipeline.blocks import PairRow, RejectRow, pack, unpack, write_block
from pipeline.clean_unit import PAIRS, REJECTED, Element, split_digests
from pipeline.cleaning_config import CleaningConfig
from pipeline.config import PreprocessConfig
from pipeline.counters import Counters
from pipeline.files import write_beside
from pipeline.filesystems import read_lines
from pipeline.normalization import normalizer
from pipeline.progress import KEPT
from pipeline.rejects import DUPLICATE, LEAKED, NEAR_DUPLICATE, cut
from pipeline.schema import TRAIN
from pipeline.text_shards import ShardName

NEAR = "near duplicates"
_ROWS = 4096


def file_digests(path: str, cleaning: CleaningConfig) -> Iterator[bytes]:
    """The joined digests of the sentences in a file, in the form that cleaning gives them."""
    normal = normalizer(cleaning)
    texts = (normal(line.decode(errors="replace")) for line in read_lines(path))
    while block := list(itertools.islice(texts, _ROWS)):
        yield b"".join(map(digests.sentence_digest, block))


class DropLeaked(beam.DoFn):
    """Turns the training pairs that share a sentence with the validation pairs into rejected ones.

    Args:
        config: The settings.
        progress: The folder of what is counted meanwhile.
    """

    def __init__(self, config: PreprocessConfig, progress: str):
        self._config, self._progress = config, progress

    def setup(self) -> None:
        """Begins to count."""
        self._counters = Counters(self._progress)

    def finish_bundle(self) -> None:
        """Lets all counts be seen."""
        self._counters.leave()

    def start_bundle(self) -> None:
        """Forgets the sentences, which may be others."""
        self._held_out: frozenset[bytes] | None = None

    def process(self, element: Element, held_out: Iterable[bytes]) -> Iterator[Element]:
        """Gives the element, or in its place one of kept pairs and one of rejected ones.

        Args:
            element: What `CleanUnit` gave.
            held_out: Joined digests of the sentences.
        """
        if self._held_out is None:
            self._held_out = split_digests(held_out)
        key, (tag, block) = element
        if tag != PAIRS or key[0] != TRAIN:
            yield element
            return
        kept: list[PairRow] = []
        leaked: list[PairRow] = []
        for row in unpack(block):
            sides = row[3:4] if self._config.leak_side == "source" else row[3:5]
            is_leaked = any(digests.sentence_digest(side) in self._held_out for side in sides)
            (leaked if is_leaked else kept).append(row)
        if not leaked:
            yield element
            return
        yield key, (PAIRS, pack(kept))
        # Of several copies, the first is the pair.
        rejected = [reject(row, LEAKED, None, None, self._config) for row in leaked if row[5] == 0]
        self._counters.add({LEAKED: len(rejected), KEPT: -len(rejected)})
        if rejected:
            yield key, (REJECTED, pack(rejected))


def reject(row: PairRow, rule: str, value: Any, threshold: Any, config: PreprocessConfig) -> RejectRow:
    """What the files of rejected pairs tell of a clean pair that the job drops."""
    _, file, line, source, target, _ = row
    texts = (None, None) if config.reject_text == "none" else (cut(source), cut(target))
    return (file, line, rule, value, threshold, *texts)


class WriteTextShard(beam.DoFn):
    """Writes a shard of clean text, each pair once, in the order of the places, and its rejected pairs beside it.

    Args:
        config: The settings.
        shards: Count of shards of the training pairs.
        folder: Where they are written.
        progress: The folder of what is counted meanwhile.
    """

    def __init__(self, config: PreprocessConfig, shards: int, folder: str, progress: str):
        self._config, self._shards, self._folder, self._progress = config, shards, folder, progress

    def setup(self) -> None:
        """Begins to count."""
        self._counters = Counters(self._progress)

    def finish_bundle(self) -> None:
        """Lets all counts be seen."""
        self._counters.leave()

    def process(self, shard: tuple[tuple[str, int], Iterable[tuple[str, bytes]]]) -> Iterator[dict[str, Any]]:
        """Writes the shard's files, the one that counts them last, and gives these counts; finished ones stay."""
        (split, number), tagged = shard
        name = ShardName(split, number, self._shards if split == TRAIN else 1)
        if Path(self._folder, name.counts).exists():
            return
        pairs: list[PairRow] = []
        rejected: list[RejectRow] = []
        near: dict[bytes, Any] = {}
        for tag, block in tagged:
            if tag == PAIRS:
                pairs += unpack(block)
            elif tag == REJECTED:
                rejected += unpack(block)
            else:
                for place, value in unpack(block):
                    near[place] = max(value, near.get(place, value))
        pairs.sort()
        kept, before = 0, len(rejected)
        with write_beside(Path(self._folder, name.text)) as path, open(path, "wb") as file:
            survivors = self._survivors(pairs, near, rejected)
            while rows := list(itertools.islice(survivors, _ROWS)):
                kept += len(rows)
                write_block(file, rows)
        with write_beside(Path(self._folder, name.rejects)) as path, open(path, "wb") as file:
            write_block(file, rejected)
        dropped = Counter(row[2] for row in rejected[before:])
        self._counters.add({**dropped, KEPT: -dropped.total()})
        counts = Counter(row[2] for row in rejected)
        found = {"split": split, "number": number, "pairs": kept, "rejected": dict(counts)}
        with write_beside(Path(self._folder, name.counts)) as path:
            path.write_text(json.dumps(found))
        yield found

    def _survivors(self, pairs: list[PairRow], near: dict[bytes, Any], rejected: list[RejectRow]) -> Iterator[tuple]:
        """The pairs of each place's first, without the place; the others are added to the rejected ones."""
        same = kept = b""
        for row in pairs:
            place, file, line, source, target, copy = row
            group = place[: digests.SIZE]
            if self._config.dedup != "none" and (place == same or group == kept):
                reason: tuple[str, Any, Any] = (DUPLICATE, None, None)
            elif place in near:
                reason = (NEAR_DUPLICATE, near[place], self._config.near_duplicates)
            else:
                sides = protected.mask_pair(source, target) if self._config.protect else (source, target)
                yield file, line, *sides, copy
                same, kept = place, group
                continue
            same = place
            if copy == 0:
                rejected.append(reject(row, *reason, self._config))
