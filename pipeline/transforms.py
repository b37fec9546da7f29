"""The job's steps: raw pairs to shards of clean text, shards of clean text to shards of records."""

import itertools
import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam

from pipeline import filters, protected
from pipeline.config import PreprocessConfig
from pipeline.files import write_beside
from pipeline.readers import RawPair, read_lines
from pipeline.schema import TRAIN

KEPT, REJECTED = "kept", "rejected"
_BATCH = 1024


class Pair(NamedTuple):
    """A clean pair, with its place among the pairs of its split: pairs of equal place are one and the same."""

    place: bytes
    source: str
    target: str


class ShardName(NamedTuple):
    """Shard `number` of the `total` of a split."""

    split: str
    number: int
    total: int

    @property
    def text(self) -> str:
        """The name of its file of clean text."""
        return f"{self.split}-{self.number:05d}.jsonl"

    @property
    def records(self) -> str:
        """The name of its file of records."""
        return f"{self.split}-{self.number:05d}-of-{self.total:05d}.tfrecord"


def shard_names(split: str, config: PreprocessConfig) -> list[ShardName]:
    """The shards of a split; validation is one file."""
    total = config.shards if split == TRAIN else 1
    return [ShardName(split, number, total) for number in range(total)]


class _Clean(beam.DoFn):
    def __init__(self, config: PreprocessConfig, shuffle: bool):
        self._config, self._shuffle = config, shuffle

    def setup(self) -> None:
        self._rules = filters.rules(self._config)

    def process(self, raw: RawPair) -> Iterator[Any]:
        source, target = filters.decode(raw.source), filters.decode(raw.target)
        if source is None or target is None:
            yield beam.pvalue.TaggedOutput(REJECTED, (filters.INVALID_UTF8, 1))
            return
        reason = next((name for name, drops in self._rules.items() if drops(source, target)), None)
        if reason:
            yield beam.pvalue.TaggedOutput(REJECTED, (reason, 1))
            return
        if self._shuffle:
            place = filters.pair_digest(source, target, self._config.seed)
        else:
            place = struct.pack(">QQ", raw.file, raw.line)
        yield Pair(place, source, target)


class Clean(beam.PTransform):
    """Decodes raw pairs and asks the rules that look at one pair alone.

    Args:
        config: The rules' limits.
        shuffle: Give a pair a place by its hash, so that equal pairs become one; otherwise its place in the files.
    """

    def __init__(self, config: PreprocessConfig, shuffle: bool):
        super().__init__()
        self._do = _Clean(config, shuffle)

    def expand(self, raw: beam.PCollection) -> Any:
        """Gives the kept `Pair`s, and `(reason, 1)` for each rejected pair."""
        return raw | beam.ParDo(self._do).with_outputs(REJECTED, main=KEPT)


def _drop_leaked(pair: Pair, excluded: set[bytes], side: str) -> Iterator[Any]:
    sentences = (pair.source,) if side == "source" else (pair.source, pair.target)
    if any(filters.sentence_digest(sentence) in excluded for sentence in sentences):
        yield beam.pvalue.TaggedOutput(REJECTED, (filters.LEAKED, 1))
    else:
        yield pair


class DropLeaked(beam.PTransform):
    """Drops the pairs of which a side is an excluded sentence.

    Args:
        excluded: Digests of sentences, from `digests`.
        side: `either`, or the `source` alone.
    """

    def __init__(self, excluded: beam.PCollection, side: str):
        super().__init__()
        self._excluded, self._side = excluded, side

    def expand(self, pairs: beam.PCollection) -> Any:
        """Gives the kept `Pair`s, and `(reason, 1)` for each rejected pair."""
        digests = beam.pvalue.AsSingleton(self._excluded | beam.combiners.ToSet())
        return pairs | beam.FlatMap(_drop_leaked, digests, self._side).with_outputs(REJECTED, main=KEPT)


def pair_sentence_digests(pair: Pair) -> list[bytes]:
    """The digests of a pair's two sentences."""
    return [filters.sentence_digest(pair.source), filters.sentence_digest(pair.target)]


def file_sentence_digests(path: str) -> Iterator[bytes]:
    """The digests of the sentences in a file."""
    for line in read_lines(path):
        text = filters.decode(line)
        if text is not None:
            yield filters.sentence_digest(text)


class _WriteText(beam.DoFn):
    def __init__(self, folder: str, protect: bool):
        self._folder, self._protect = folder, protect

    def process(self, shard: tuple[str, Iterable[Pair]]) -> Iterator[tuple[str, int]]:
        name, pairs = shard
        duplicates = 0
        with write_beside(Path(self._folder, name)) as path, open(path, "w") as file:
            for _, equal in itertools.groupby(sorted(pairs), key=lambda pair: pair.place):
                first, *others = equal
                sides = first.source, first.target
                file.write(json.dumps(protected.mask_pair(*sides) if self._protect else sides) + "\n")
                duplicates += len(others)
        yield filters.DUPLICATE, duplicates


class WriteTextShards(beam.PTransform):
    """Shuffles the pairs of a split into shards of clean text, each pair once, in the order of their places.

    One shuffle does the work of three: a place is a hash, its remainder tells the shard, its order the row, and
    equal pairs lie side by side.

    Args:
        names: The shards of the split.
        folder: Where they are written.
        protect: Whether placeholders stand there for what both sides protect.
    """

    def __init__(self, names: list[ShardName], folder: str, protect: bool):
        super().__init__()
        self._names, self._folder, self._protect = names, folder, protect

    def expand(self, pairs: beam.PCollection) -> beam.PCollection:
        """Gives `(reason, count)` for the duplicates of each shard."""
        names = [name.text for name in self._names]

        def shard(pair: Pair) -> str:
            return names[int.from_bytes(pair.place[:8], "big") % len(names)]

        return (
            pairs
            | "Key by shard" >> beam.WithKeys(shard)
            | "Shuffle" >> beam.GroupByKey()
            | "Write text" >> beam.ParDo(_WriteText(self._folder, self._protect))
        )


def read_text_shard(path: str | Path) -> Iterator[tuple[str, str]]:
    """Yields the pairs of a shard of clean text; a shard that got no pair has no file."""
    if Path(path).exists():
        with open(path) as file:
            yield from map(json.loads, file)


class EncodeShard(beam.DoFn):
    """Tokenizes a shard of clean text and writes its records.

    Args:
        text: The folder of clean text.
        data: The folder of the data set; it holds the subwords.
        subwords: The file names of the source's and the target's subwords.
        max_pieces: Longest side, in pieces, END included.
        protect: Whether there are placeholders, to be counted.
    """

    def __init__(self, text: str, data: str, subwords: tuple[str, str], max_pieces: int, protect: bool):
        self._text, self._data, self._subwords, self._max_pieces = text, data, subwords, max_pieces
        self._protect = protect

    def setup(self) -> None:
        """Loads TensorFlow and the tokenizers, which workers of the first job never need."""
        from pipeline import records
        from pipeline.tokenizer import Tokenizer

        tokenizers = {name: Tokenizer.read(Path(self._data, name)) for name in set(self._subwords)}
        self._records = records
        self._tokenizers = [tokenizers[name] for name in self._subwords]

    def process(self, name: ShardName) -> Iterator[dict[str, Any]]:
        """Writes a shard and gives what the manifest says of it, and the count of its pairs too long in pieces."""
        name = ShardName(*name)
        kept = rejected = masked = 0
        tokens = [0, 0]
        with write_beside(Path(self._data, name.records)) as path:
            with open(path, "wb") as file:
                for pair in self._encode(Path(self._text, name.text)):
                    lengths = [len(ids) for ids in pair]
                    if max(lengths) > self._max_pieces:
                        rejected += 1
                        continue
                    file.write(self._records.frame(self._records.serialize(*pair)))
                    kept += 1
                    masked += self._protect and any(map(protected.is_placeholder, pair[0]))
                    tokens = [total + length for total, length in zip(tokens, lengths, strict=True)]
            sha256 = self._records.file_sha256(path)
        yield {
            "split": name.split,
            "file": name.records,
            "records": kept,
            "sha256": sha256,
            "source_tokens": tokens[0],
            "target_tokens": tokens[1],
            "too_long": rejected,
            "masked": masked,
        }

    def _encode(self, path: Path) -> Iterator[tuple[list[int], list[int]]]:
        pairs = read_text_shard(path)
        while batch := list(itertools.islice(pairs, _BATCH)):
            sides = zip(self._tokenizers, zip(*batch, strict=True), strict=True)
            source, target = (tokenizer.tokenize(texts).to_list() for tokenizer, texts in sides)
            yield from zip(source, target, strict=True)


class WriteJson(beam.PTransform):
    """Gathers a small collection as one list in a JSON file, for the caller to read.

    Args:
        path: The file.
    """

    def __init__(self, path: str):
        super().__init__()
        self._path = path

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        """Writes the file, whole or not at all."""
        path = self._path

        def write(gathered: list) -> None:
            with write_beside(path) as beside:
                beside.write_text(json.dumps(gathered))

        return elements | beam.combiners.ToList() | "Write JSON" >> beam.Map(write)
