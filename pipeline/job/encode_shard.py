"""The last step of the job: a shard of clean text to a shard of records."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pipeline import protected, records
from pipeline.config import PreprocessConfig
from pipeline.corpora.units import InputName
from pipeline.files import file_sha256
from pipeline.job import storage
from pipeline.job.blocks import RejectRow
from pipeline.job.counters import CountingDoFn
from pipeline.job.progress import KEPT, READ
from pipeline.job.rejects import TOO_MANY_PIECES, reject_row, write_rejects
from pipeline.job.text_shards import ShardName, read_rows
from pipeline.pieces import Pieces
from pipeline.report.findings import ShardFindings
from pipeline.report.statistics import Vocabulary


class EncodeShard(CountingDoFn):
    """Tokenizes a shard of clean text and writes its records, and the pairs that were rejected on the way.

    Args:
        config: The settings.
        text: The folder of clean text.
        data: The folder of the data set; it holds the subwords.
        encoded: The folder of what is known of each finished shard.
        subwords: The file names of the source's and the target's subwords.
        inputs: The inputs' names, by which the rejected pairs are told.
        progress: The folder of what is counted meanwhile.
    """

    def __init__(
        self,
        config: PreprocessConfig,
        text: str,
        data: str,
        encoded: str,
        subwords: tuple[str, str],
        inputs: tuple[InputName, ...],
        progress: str,
    ):
        super().__init__(progress)
        self._config, self._subwords, self._inputs = config, subwords, inputs
        self._text, self._data, self._encoded = text, data, encoded

    def setup(self) -> None:
        """Reads the subwords."""
        super().setup()
        pieces = {name: Pieces(storage.read_bytes(storage.join(self._data, name))) for name in set(self._subwords)}
        vocabularies = {name: Vocabulary.of(each.spell(range(each.vocab_size))) for name, each in pieces.items()}
        self._pieces = [pieces[name] for name in self._subwords]
        source, target = self._subwords
        self._vocabularies = vocabularies[source], vocabularies[target]

    def process(self, name: ShardName) -> Iterator[dict[str, Any]]:
        """Writes a shard and gives what the manifest says of it."""
        name = ShardName(*name)
        counts: Counter[str] = Counter()
        rejected: list[RejectRow] = []
        found = ShardFindings(self._vocabularies, self._inputs)
        with storage.write_whole(storage.join(self._data, name.records)) as path:
            with open(path, "wb") as file:
                for rows in read_rows(storage.join(self._text, name.text)):
                    file.writelines(self._encode(rows, counts, found, rejected))
            sha256 = file_sha256(path)
        for block in read_rows(storage.join(self._text, name.rejects)):
            rejected += block
        found.add_rejected(rejected)
        with storage.write_whole(storage.join(self._data, name.rejected)) as path:
            write_rejects(path, rejected, self._inputs)
            rejected_sha256 = file_sha256(path)
        storage.write_text(storage.join(self._encoded, name.findings), json.dumps(found.to_json()))
        told = {
            "split": name.split,
            "file": name.records,
            "sha256": sha256,
            "rejected": dict(Counter(row[2] for row in rejected)),
            "files": {name.rejected: rejected_sha256},
            "records": found.statistics.source.sentences,
            "source_tokens": found.statistics.source.tokens,
            "target_tokens": found.statistics.target.tokens,
            **{key: counts[key] for key in ("masked", "copies")},
        }
        storage.write_text(storage.join(self._encoded, name.counts), json.dumps(told))
        yield told

    def _encode(
        self, rows: list[tuple], counts: Counter[str], found: ShardFindings, rejected: list[RejectRow]
    ) -> Iterator[bytes]:
        """The framed records of a block of rows; what is too long is added to the rejected ones."""
        texts = ([row[2] for row in rows], [row[3] for row in rows])
        ids = (pieces.encode(side) for pieces, side in zip(self._pieces, texts, strict=True))
        kept: list[tuple] = []
        too_long: list[tuple] = []
        for each in zip(rows, *ids, strict=True):
            (kept if max(len(each[1]), len(each[2])) <= self._config.max_pieces else too_long).append(each)
        rejected += [self._reject(*each) for each in too_long if each[0][4] == 0]
        self._counters.add({READ: len(rows), KEPT: len(kept), TOO_MANY_PIECES: len(too_long)})
        if kept:
            kept_rows, *kept_ids = zip(*kept, strict=True)
            found.add(kept_rows, *kept_ids)
            counts["copies"] += sum(row[4] > 0 for row in kept_rows)
            if self._config.protect:
                counts["masked"] += sum(any(map(protected.is_placeholder, row)) for row in kept_ids[0])
            yield from map(records.frame, records.serialize_all(*kept_ids))

    def _reject(self, row: tuple, source_ids: list[int], target_ids: list[int]) -> RejectRow:
        longest = max(len(source_ids), len(target_ids))
        return reject_row(self._config, row[:2], TOO_MANY_PIECES, longest, self._config.max_pieces, row[2:4])
