"""Pairs drawn from the records of a data set, with their pieces."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from pipeline.errors import UserError
from pipeline.reading.parsing import parse
from pipeline.schema import Manifest, Shard
from pipeline.tokenizer import Tokenizer


class Side(NamedTuple):
    """A sentence: its text as a model is given it, and its pieces, with U+2581 for a space."""

    text: str
    pieces: list[str]


class PairSample(NamedTuple):
    """A pair: the file and the number from 0 of its record, and its sides."""

    file: str
    record: int
    source: Side
    target: Side


def draw_pairs(folder: str | Path, manifest: Manifest, split: str, count: int, seed: int) -> list[PairSample]:
    """Draws pairs of a split, each with the same chance.

    Args:
        folder: The data set's.
        manifest: Its manifest.
        split: `train` or `valid`.
        count: How many; fewer if the split has no more.
        seed: Decides which.

    Returns:
        The pairs, in the order of their records.

    Raises:
        UserError: A file of the data set is missing or damaged.
    """
    total = manifest.splits[split].records
    drawn = sorted(random.Random(seed).sample(range(total), min(count, total)))
    tokenizers = [
        Tokenizer.read(Path(folder, subwords.file), subwords.fingerprint)
        for subwords in (manifest.source, manifest.target)
    ]
    samples = []
    for file, number, record in _records(Path(folder), manifest.splits[split].shards, drawn):
        sides = (ids.to_list()[0] for ids in parse(tf.constant([record])))
        source, target = (
            Side(tokenizer.text(ids), tokenizer.spell(ids)) for tokenizer, ids in zip(tokenizers, sides, strict=True)
        )
        samples.append(PairSample(file, number, source, target))
    return samples


def _records(folder: Path, shards: Sequence[Shard], drawn: Sequence[int]) -> Iterator[tuple[str, int, bytes]]:
    """The records of these numbers, counted through the shards, which rise."""
    first = 0
    for shard in shards:
        inside = [number - first for number in drawn if first <= number < first + shard.records]
        first += shard.records
        if inside and not (folder / shard.file).is_file():
            raise UserError(
                f"DATA: expected the shard {str(folder / shard.file)!r}, which the manifest lists, received a folder"
                " without it; make the data set anew with `nmt preprocess`"
            )
        for number in inside:
            yield shard.file, number, _record(folder / shard.file, number)


def _record(path: Path, number: int) -> bytes:
    try:
        [record] = tf.data.TFRecordDataset(str(path)).skip(number).take(1).as_numpy_iterator()
    except (tf.errors.DataLossError, ValueError):
        raise UserError(
            f"DATA: expected record {number} of the shard {str(path)!r}, received a file that is damaged or ends before"
            " it; make the data set anew with `nmt preprocess`; --verify compares all its files with the manifest"
        ) from None
    return record
