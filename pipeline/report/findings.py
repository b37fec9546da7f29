"""What a job found out about its text, beside the manifest: `statistics.json`."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.corpora.units import InputName
from pipeline.errors import UserError
from pipeline.files import write_beside
from pipeline.job.blocks import RejectRow
from pipeline.job.rejects import fields as reject_fields
from pipeline.report.examples import Examples
from pipeline.report.statistics import PairStatistics, Sentences, Vocabulary, count_pairs
from pipeline.schema import TRAIN

STATISTICS_FILE = "statistics.json"
KEPT = "kept"


@dataclasses.dataclass(frozen=True)
class Findings:
    """What is told of a data set, and not needed to read it.

    Attributes:
        splits: Statistics of the records of `train` and `valid`.
        inputs: What became of each input's pairs: its corpus's name to its files' names to counts by `kept` and by the
            rule that rejected them.
        examples: A few rejected pairs of each rule, as rows of the files of rejected pairs.
    """

    splits: Mapping[str, PairStatistics]
    inputs: Mapping[str, Mapping[str, Mapping[str, int]]]
    examples: Mapping[str, Sequence[Mapping[str, Any]]]

    def write(self, folder: str | Path) -> None:
        """Writes `statistics.json` into a folder, whole or not at all."""
        fields = {
            "splits": {split: statistics.to_json() for split, statistics in self.splits.items()},
            "inputs": self.inputs,
            "examples": self.examples,
        }
        with write_beside(Path(folder) / STATISTICS_FILE) as path:
            path.write_text(json.dumps(fields, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")

    @classmethod
    def read_from(cls, folder: str | Path) -> "Findings":
        """Reads the file of a data set.

        Raises:
            UserError: The folder has none, or it is damaged.
        """
        path = Path(folder) / STATISTICS_FILE
        try:
            fields = json.loads(path.read_text("utf-8"))
            splits = {split: PairStatistics.from_json(fields["splits"][split]) for split in (TRAIN, *fields["splits"])}
            inputs = {
                corpus: {name: dict(counts) for name, counts in files.items()}
                for corpus, files in fields["inputs"].items()
            }
            return cls(splits, inputs, fields["examples"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise UserError(
                f"DATA: expected {STATISTICS_FILE} as `nmt preprocess` writes it, received {str(path)!r}, which is"
                " missing or damaged; make the data set anew"
            ) from None


class ShardFindings:
    """What is found out about one shard, block by block.

    Args:
        vocabularies: Those of the source and of the target side.
        inputs: The inputs' names.
    """

    def __init__(self, vocabularies: tuple[Vocabulary, Vocabulary], inputs: Sequence[InputName]):
        self._vocabularies, self._names = vocabularies, inputs
        self._inputs = _inputs(inputs)
        self._examples = Examples()
        self.statistics = self._count([], [], [])

    def add(self, rows: Sequence[tuple], source_ids: Sequence[list[int]], target_ids: Sequence[list[int]]) -> None:
        """Counts kept pairs.

        Args:
            rows: File, line, source, target and number of the copy of each.
            source_ids: The ids of each, END included.
            target_ids: The same for the target.
        """
        self.statistics += self._count(rows, source_ids, target_ids)
        # A copy is no pair that was read.
        for file, count in Counter(row[0] for row in rows if row[4] == 0).items():
            self._of(file)[KEPT] += count

    def add_rejected(self, rows: Iterable[RejectRow]) -> None:
        """Counts rejected pairs."""
        for row in rows:
            self._of(row[0])[row[2]] += 1
            self._examples.add(reject_fields(row, self._names))

    def to_json(self) -> dict[str, Any]:
        """All that was found out, for `gather`."""
        examples = self._examples.by_rule()
        return {"statistics": self.statistics.to_json(), "inputs": self._inputs, "examples": examples}

    def _count(self, rows: Sequence[tuple], *ids: Sequence[list[int]]) -> PairStatistics:
        source, target = (
            Sentences.of([row[side] for row in rows], each) for side, each in zip((2, 3), ids, strict=True)
        )
        return count_pairs(source, target, *self._vocabularies)

    def _of(self, file: int) -> Counter[str]:
        corpus, files = self._names[file]
        return self._inputs[corpus][files]


def _inputs(names: Sequence[InputName]) -> dict[str, dict[str, Counter[str]]]:
    """An empty count of each input."""
    inputs: dict[str, dict[str, Counter[str]]] = {}
    for corpus, files in names:
        inputs.setdefault(corpus, {})[files] = Counter()
    return inputs


def gather(shards: Iterable[tuple[str, Mapping[str, Any]]], names: Sequence[InputName]) -> Findings:
    """Adds up what was found out about shards.

    Args:
        shards: The split of each, and what its `ShardFindings.to_json` gave.
        names: The inputs' names, in their order; two inputs may have one name.
    """
    splits: dict[str, PairStatistics] = {}
    inputs = _inputs(names)
    examples = Examples()
    for split, found in shards:
        statistics = PairStatistics.from_json(found["statistics"])
        splits[split] = splits[split] + statistics if split in splits else statistics
        examples.add_all(found["examples"])
        for corpus, files in found["inputs"].items():
            for name, counts in files.items():
                inputs[corpus][name].update(counts)
    return Findings(splits, inputs, examples.by_rule())
