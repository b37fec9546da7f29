"""Where the benchmarks read and write."""

import dataclasses
from pathlib import Path

from benchmarks.results import RESULTS

# The recipe that is compared.
RECIPE = "attention"


@dataclasses.dataclass(frozen=True)
class Places:
    """Where the benchmarks read and write.

    Attributes:
        multi30k: Folder of the Multi30k files, `train`, `val` and `test_2016_flickr`, each `.en.gz` and `.de.gz`.
        work: Folder for the data set, the peer's environment and the trained models, which later runs use again.
        results: File to which the rows are added.
    """

    multi30k: str = "../shared/data/multi30k"
    work: str = "benchmarks/.work"
    results: str = RESULTS

    def corpus(self, split: str, language: str) -> Path:
        """A file of the corpus."""
        return Path(self.multi30k).resolve() / f"{split}.{language}.gz"

    @property
    def data(self) -> Path:
        """The data set, made by `nmt preprocess`."""
        return self.below("data")

    @property
    def pieces(self) -> Path:
        """The peer's text: lines of pieces, and its vocabulary."""
        return self.below("pieces")

    def log(self, name: str) -> Path:
        """Where a process tells how it went."""
        return self.below("logs") / f"{name}.log"

    def below(self, name: str) -> Path:
        """A file or folder in the work folder."""
        return Path(self.work).resolve() / name
