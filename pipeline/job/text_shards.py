"""Shards of clean text: what the shuffle leaves, and what the subwords and the records are made of."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from pipeline.job import storage
from pipeline.job.blocks import read_blocks
from pipeline.schema import TRAIN, VALID


class ShardName(NamedTuple):
    """Shard `number` of the `total` of a split."""

    split: str
    number: int
    total: int

    @property
    def text(self) -> str:
        """The name of its file of clean text."""
        return f"{self.split}-{self.number:05d}.text"

    @property
    def rejects(self) -> str:
        """The name of its file of rejected pairs, as long as there is no data set."""
        return f"{self.split}-{self.number:05d}.rejects"

    @property
    def counts(self) -> str:
        """The name of the file that is written last and makes the others of the shard whole."""
        return f"{self.split}-{self.number:05d}.json"

    @property
    def findings(self) -> str:
        """The name of the file of its statistics, as long as there is no data set."""
        return f"{self.split}-{self.number:05d}.findings.json"

    @property
    def records(self) -> str:
        """The name of its file of records."""
        return f"{self.split}-{self.number:05d}-of-{self.total:05d}.tfrecord"

    @property
    def rejected(self) -> str:
        """The name of its file of rejected pairs in the data set."""
        return f"rejected-{self.split}-{self.number:05d}-of-{self.total:05d}.jsonl.gz"


def shard_names(split: str, shards: int) -> list[ShardName]:
    """The shards of a split; validation is one file.

    Args:
        split: `train` or `valid`.
        shards: Count of shards of the training pairs.
    """
    total = shards if split == TRAIN else 1
    return [ShardName(split, number, total) for number in range(total)]


def all_shards(shards: int) -> list[ShardName]:
    """The shards of both splits."""
    return [*shard_names(TRAIN, shards), *shard_names(VALID, shards)]


def read_rows(path: str) -> Iterator[list[Any]]:
    """Yields the blocks of rows of a file of the job; none if it is missing, as of a shard that got no pair."""
    with contextlib.suppress(FileNotFoundError), storage.opened(path) as file:
        yield from read_blocks(file)


def read_text_shard(path: str) -> Iterator[tuple[str, str]]:
    """Yields the pairs of a shard of clean text, whose rows are file, line from 0, source, target and copy."""
    for block in read_rows(path):
        for _, _, source, target, _ in block:
            yield source, target
