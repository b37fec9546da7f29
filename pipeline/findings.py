"""What a job found out about its text, beside the manifest: `statistics.json`."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files import write_beside
from pipeline.statistics import PairStatistics

STATISTICS_FILE = "statistics.json"


@dataclasses.dataclass(frozen=True)
class Findings:
    """What is told of a data set, and not needed to read it.

    Attributes:
        splits: Statistics of the records of `train` and `valid`.
        inputs: What became of each input's pairs: its name to counts by `kept` and by the rule that rejected them.
        examples: A few rejected pairs of each rule, as rows of the files of rejected pairs.
    """

    splits: Mapping[str, PairStatistics]
    inputs: Mapping[str, Mapping[str, int]]
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
            splits = {split: PairStatistics.from_json(counts) for split, counts in fields["splits"].items()}
            return cls(splits, fields["inputs"], fields["examples"])
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(
                f"DATA: expected {STATISTICS_FILE} as `nmt preprocess` writes it, received {str(path)!r}, which is"
                " missing or damaged; make the data set anew"
            ) from None
