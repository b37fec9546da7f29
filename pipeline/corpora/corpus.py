"""What is to be read: corpora of parallel files, each with a name and a weight."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from pipeline.errors import UserError


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Files of parallel text that belong together.

    They are either two lists of text files, aligned line by line, or one list of files that hold pairs: TSV, JSONL,
    Parquet or TMX, told by their names' endings. Each may be a pattern (`*`, `?`, `[ab]`, and `**/` across
    folders), and each but a Parquet file may be compressed. Paths may be those of any file system that Apache Beam
    knows, such as `gs://`.

    Attributes:
        name: What reports call it.
        weight: How often its pairs are trained on; 2.5 gives each pair twice and half of them a third time.
        source: Files of source sentences, one a line.
        target: Files of target sentences; the n-th is parallel to the n-th source file.
        pairs: Files that hold both sides, instead of `source` and `target`.
        source_field: Where the source stands in `pairs`: a TSV column, by its number from 1 on or by the name that the
            first line gives it; a JSON or Parquet field, `a.b` for one inside another; a TMX language. None is column
            1, the field `source`, or the data set's source language.
        target_field: The same for the target; None is column 2, the field `target` or the target language.
        option: What named the files, for messages.
    """

    name: str
    weight: float = 1.0
    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    source_field: str | None = None
    target_field: str | None = None
    option: str = "--source, --target"

    def __post_init__(self) -> None:
        self._require(math.isfinite(self.weight) and self.weight > 0, "a weight above 0", self.weight)
        if self.pairs:
            given = (*self.source, *self.target)
            self._require(not given, "either source and target or pairs", f"both ({', '.join(given)})")
            same = self.source_field is not None and self.source_field == self.target_field
            self._require(not same, "two different fields", self.source_field)
            return
        self._require(bool(self.source), "at least one file", self.source)
        field = self.source_field or self.target_field
        self._require(field is None, "fields of pairs alone", field)
        self._require(
            len(self.source) == len(self.target),
            f"as many target files as source files ({len(self.source)})",
            len(self.target),
        )

    def _require(self, holds: bool, expected: str, received: Any) -> None:
        if not holds:
            raise UserError(f"{self.option}: expected {expected}, received {received!r}; change {self.option}")


def aligned(source: Sequence[str], target: Sequence[str], prefix: str = "") -> tuple[Corpus, ...]:
    """The corpus of `--source` and `--target`, or none if they name no file.

    Args:
        source: Source files.
        target: Target files.
        prefix: What stands before `source` and `target` in the options' names, such as `valid-`.

    Raises:
        UserError: They are not as many.
    """
    if not source and not target:
        return ()
    option = f"--{prefix}source, --{prefix}target"
    return (Corpus("files", source=tuple(source), target=tuple(target), option=option),)


def paired(
    pairs: Sequence[str], source_field: str | None = None, target_field: str | None = None, prefix: str = ""
) -> tuple[Corpus, ...]:
    """The corpus of `--pairs`, or none if it names no file.

    Args:
        pairs: Files that hold both sides.
        source_field: Where the source stands in them, see `Corpus`.
        target_field: Where the target stands.
        prefix: What stands before `pairs` in the option's name, such as `valid-`.
    """
    if not pairs:
        return ()
    fields = source_field, target_field
    return (Corpus("pairs", 1.0, (), (), tuple(pairs), *fields, option=f"--{prefix}pairs"),)
