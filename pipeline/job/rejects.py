"""What becomes of pairs that leave the data set: names of the job's own reasons, and the files that hold them."""

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.config import PreprocessConfig
from pipeline.corpora.units import InputName
from pipeline.job.blocks import RejectRow

LEAKED = "leaked"
SAMPLED_OUT = "sampled_out"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near_duplicate"
TOO_MANY_PIECES = "too_many_pieces"
# After the rules that look at one pair alone, in the order in which they are asked.
JOB_REASONS = (LEAKED, SAMPLED_OUT, DUPLICATE, NEAR_DUPLICATE, TOO_MANY_PIECES)

_LONGEST = 2000


def cut(text: str) -> str:
    """A text's first 2000 characters: whole files without a line's end are rejected, too."""
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def reject_row(
    config: PreprocessConfig,
    place: tuple[int, int],
    rule: str,
    value: Any,
    threshold: Any,
    sides: Sequence[str],
    of: tuple[int, int] | None = None,
) -> RejectRow:
    """What is kept of a rejected pair: its texts, too, unless the settings say otherwise.

    Args:
        config: The settings.
        place: The numbers of the input and of the line.
        rule: The rule or reason.
        value: What was measured, if anything was.
        threshold: What it was held against.
        sides: Source and target.
        of: The place of the pair in whose favour it is rejected, if there is one.
    """
    source, target = (None, None) if config.reject_text == "none" else map(cut, sides)
    return (*place, rule, value, threshold, source, target, of)


def fields(row: RejectRow, inputs: Sequence[InputName]) -> dict[str, Any]:
    """What is told of a rejected pair; its line is counted from 1.

    Args:
        row: The pair.
        inputs: The inputs' names by their numbers.
    """
    number, line, rule, value, threshold, source, target, of = row
    told = {"rule": rule, **_place(inputs, number, line), "value": value, "threshold": threshold}
    if of is not None:
        told["of"] = _place(inputs, *of)
    return told if source is None else told | {"source": source, "target": target}


def _place(inputs: Sequence[InputName], number: int, line: int) -> dict[str, Any]:
    return {**inputs[number]._asdict(), "line": line + 1}


def write_rejects(path: str | Path, rows: Iterable[RejectRow], inputs: Sequence[InputName]) -> None:
    """Writes rejected pairs, one JSON object a line, in the order of files and lines.

    Args:
        path: The file, compressed by gzip; equal rows give equal bytes.
        rows: `RejectRow`s.
        inputs: The inputs' names.
    """
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        for row in sorted(rows, key=lambda row: (row[0], row[1])):
            file.write(json.dumps(fields(row, inputs), ensure_ascii=False).encode() + b"\n")
