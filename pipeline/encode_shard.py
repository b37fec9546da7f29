"""The last step of the job: a shard of clean text to a shard of records."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam

from pipeline import protected
from pipeline.blocks import RejectRow, read_blocks
from pipeline.config import PreprocessConfig
from pipeline.files import write_beside
from pipeline.rejects import TOO_MANY_PIECES, cut, write_rejects
from pipeline.text_shards import ShardName, read_text_blocks


class EncodeShard(beam.DoFn):
    """Tokenizes a shard of clean text and writes its records, and the pairs that were rejected on the way.

    Args:
        config: The settings.
        text: The folder of clean text.
        data: The folder of the data set; it holds the subwords.
        encoded: The folder of what is known of each finished shard.
        subwords: The file names of the source's and the target's subwords.
        files: The inputs' names, by which the rejected pairs are told.
    """

    def __init__(
        self,
        config: PreprocessConfig,
        text: str,
        data: str,
        encoded: str,
        subwords: tuple[str, str],
        files: tuple[str, ...],
    ):
        self._config, self._subwords, self._files = config, subwords, files
        self._text, self._data, self._encoded = text, data, encoded

    def setup(self) -> None:
        """Loads TensorFlow and the tokenizers, which workers of the first job never need."""
        from pipeline import records
        from pipeline.tokenizer import Tokenizer

        tokenizers = {name: Tokenizer.read(Path(self._data, name)) for name in set(self._subwords)}
        self._records = records
        self._tokenizers = [tokenizers[name] for name in self._subwords]

    def process(self, name: ShardName) -> Iterator[dict[str, Any]]:
        """Writes a shard and gives what the manifest says of it."""
        name = ShardName(*name)
        found: Counter[str] = Counter()
        rejected: list[RejectRow] = []
        with write_beside(Path(self._data, name.records)) as path:
            with open(path, "wb") as file:
                for rows in read_text_blocks(Path(self._text, name.text)):
                    file.writelines(self._encode(rows, found, rejected))
            sha256 = self._records.file_sha256(path)
        if Path(self._text, name.rejects).exists():
            for block in read_blocks(Path(self._text, name.rejects)):
                rejected += block
        with write_beside(Path(self._data, name.rejected)) as path:
            write_rejects(path, rejected, self._files)
        told = {
            "split": name.split,
            "file": name.records,
            "sha256": sha256,
            "rejected": dict(Counter(row[2] for row in rejected)),
            **{key: found[key] for key in ("records", "source_tokens", "target_tokens", "masked", "copies")},
        }
        with write_beside(Path(self._encoded, name.counts)) as path:
            path.write_text(json.dumps(told))
        yield told

    def _encode(self, rows: list[tuple], found: Counter[str], rejected: list[RejectRow]) -> Iterator[bytes]:
        """The framed records of a block of rows; what is too long is added to the rejected ones."""
        most = self._config.max_pieces
        texts = ([row[2] for row in rows], [row[3] for row in rows])
        ids = (tokenizer.tokenize(side).to_list() for tokenizer, side in zip(self._tokenizers, texts, strict=True))
        for row, source_ids, target_ids in zip(rows, *ids, strict=True):
            longest = max(len(source_ids), len(target_ids))
            if longest <= most:
                found["records"] += 1
                found["source_tokens"] += len(source_ids)
                found["target_tokens"] += len(target_ids)
                found["copies"] += row[4] > 0
                found["masked"] += self._config.protect and any(map(protected.is_placeholder, source_ids))
                yield self._records.frame(self._records.serialize(source_ids, target_ids))
            elif row[4] == 0:
                sides = (None, None) if self._config.reject_text == "none" else (cut(row[2]), cut(row[3]))
                rejected.append((row[0], row[1], TOO_MANY_PIECES, longest, most, *sides))
