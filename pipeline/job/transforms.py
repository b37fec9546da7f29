"""The job's steps between cleaning and encoding: the drop of leaked pairs, and the one shuffle into shards of text.

No tagged outputs, no output of `finish_bundle`, no sink of Beam's: not every runner carries them.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.cleaning.config import CleaningConfig
from pipeline.cleaning.normalization import normalizer
from pipeline.config import PreprocessConfig
from pipeline.corpora import readers
from pipeline.corpora.units import RawPair, Unit
from pipeline.job import digests, storage
from pipeline.job.assignment import PAIRS, REJECTED, split_digests
from pipeline.job.blocks import NearRow, PairRow, RejectRow, pack, unpack, write_block
from pipeline.job.clean_unit import Element
from pipeline.job.counters import CountingDoFn
from pipeline.job.progress import KEPT
from pipeline.job.rejects import LEAKED
from pipeline.job.survivors import most_alike, survivors, without_leaked
from pipeline.job.text_shards import ShardName
from pipeline.schema import TRAIN

NEAR = "near duplicates"
_ROWS = 4096


def sentence_digests(pairs: Iterable[RawPair], cleaning: CleaningConfig) -> Iterator[bytes]:
    """The joined digests of both sides of pairs, empty ones aside, in the form that cleaning gives them."""
    normal = normalizer(cleaning)
    texts = (normal(sentence.decode(errors="replace")) for sentence in readers.sentences(pairs))
    while block := list(itertools.islice(texts, _ROWS)):
        yield b"".join(map(digests.sentence_digest, block))


class DigestUnit(CountingDoFn):
    """Gives the joined digests of the sentences of a unit, see `sentence_digests`.

    Args:
        cleaning: The settings of cleaning.
        progress: The folder of what is counted meanwhile.
    """

    def __init__(self, cleaning: CleaningConfig, progress: str):
        super().__init__(progress)
        self._cleaning = cleaning

    def process(self, unit: Unit) -> Iterator[bytes]:
        """Reads a unit."""
        return sentence_digests(readers.read(unit), self._cleaning)


class DropLeaked(CountingDoFn):
    """Turns the training pairs that share a sentence with the validation pairs into rejected ones.

    Args:
        config: The settings.
        progress: The folder of what is counted meanwhile.
    """

    def __init__(self, config: PreprocessConfig, progress: str):
        super().__init__(progress)
        self._config = config

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
        kept, rejected, dropped = without_leaked(unpack(block), self._held_out, self._config)
        if not dropped:
            yield element
            return
        yield key, (PAIRS, pack(kept))
        self._counters.add({LEAKED: len(rejected), KEPT: -len(rejected)})
        if rejected:
            yield key, (REJECTED, pack(rejected))


class WriteTextShard(CountingDoFn):
    """Writes a shard of clean text, each pair once, in the order of the places, and its rejected pairs beside it.

    Args:
        config: The settings.
        shards: Count of shards of the training pairs.
        folder: Where they are written.
        progress: The folder of what is counted meanwhile.
    """

    def __init__(self, config: PreprocessConfig, shards: int, folder: str, progress: str):
        super().__init__(progress)
        self._config, self._shards, self._folder = config, shards, folder

    def process(self, shard: tuple[tuple[str, int], Iterable[tuple[str, bytes]]]) -> Iterator[dict[str, Any]]:
        """Writes the shard's files, the one that counts them last, and gives these counts; finished ones stay."""
        (split, number), tagged = shard
        name = ShardName(split, number, self._shards if split == TRAIN else 1)
        if storage.exists(storage.join(self._folder, name.counts)):
            return
        pairs: list[PairRow] = []
        rejected: list[RejectRow] = []
        near: dict[bytes, NearRow] = {}
        for tag, block in tagged:
            if tag == PAIRS:
                pairs += unpack(block)
            elif tag == REJECTED:
                rejected += unpack(block)
            else:
                for row in unpack(block):
                    near[row[0]] = most_alike(row, near.get(row[0], row))
        pairs.sort()
        kept, before = 0, len(rejected)
        with storage.write_whole(storage.join(self._folder, name.text)) as path, open(path, "wb") as file:
            stay = survivors(pairs, near, rejected, self._config)
            while rows := list(itertools.islice(stay, _ROWS)):
                kept += len(rows)
                write_block(file, rows)
        with storage.write_whole(storage.join(self._folder, name.rejects)) as path, open(path, "wb") as file:
            write_block(file, rejected)
        dropped = Counter(row[2] for row in rejected[before:])
        self._counters.add({**dropped, KEPT: -dropped.total()})
        counts = Counter(row[2] for row in rejected)
        found = {"split": split, "number": number, "pairs": kept, "rejected": dict(counts)}
        storage.write_text(storage.join(self._folder, name.counts), json.dumps(found))
        yield found
