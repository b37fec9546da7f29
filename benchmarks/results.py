"""The rows that benchmarks leave, and the tables made of them."""

import dataclasses
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.command import run_command
from pipeline.files import write_beside

ROOT = Path(__file__).resolve().parents[1]
RESULTS = "benchmarks/results.jsonl"
TABLES = "docs/performance.md"
ABLATION = "benchmarks/ablation.jsonl"
ABLATION_PAGE = "docs/ablation.md"
# What a measurement writes is no change of what is measured.
WRITTEN = RESULTS, TABLES, ABLATION, ABLATION_PAGE

TITLES = {
    "train": "Training: source and target tokens a second, the median of the rounds",
    "time-to-bleu": "Training until OpenNMT-py's last validation BLEU: minutes",
    "decode-batch-64": "Translating test_2016_flickr with a beam of 5 in batches",
    "decode-batch-1": "Translating one sentence of test_2016_flickr with a beam of 5: the median",
    "serve-1": "Serving one client, a sentence a request; milliseconds are those of the percentile, or of the median",
    "serve-8": "Serving 8 clients, a sentence a request",
    "serve-32": "Serving 32 clients, a sentence a request",
    "serve-128": "Serving 128 clients, a sentence a request",
    "weights": "Large matrices of an export in fewer bytes: ours is with these, theirs with float32",
    "costs": "What settings of a training cost: ours is with the first named, theirs with the second",
    "preprocess-in-memory": "Preprocessing a million pairs in one process; memory is the most that was held",
    "preprocess-2-workers": "Preprocessing a million pairs with two worker processes; memory is that of all processes",
    "preprocess-growth": "Preprocessing and reading ten million pairs: theirs is ten times what one million take",
    "gpu-train": "Training on a GPU in bfloat16; the limit is cuDNN's LSTM without attention",
}
HIGHER_IS_BETTER = {
    "tokens a second": True,
    "sentences a second": True,
    "BLEU": True,
    "minutes": False,
    "seconds": False,
    "milliseconds": False,
    "megabytes": False,
}

_INTRODUCTION = """# Performance

`make bench-tables` writes this page from `benchmarks/results.jsonl`;
[benchmarks/README.md](../benchmarks/README.md) tells what is measured, and how. A ratio above 1 says that ours is
better. The limit is the time of the matrix products at the rate of one large product, and of one pass over the
optimizer's state and the logits.
"""


@dataclasses.dataclass(frozen=True)
class Row:
    """What one benchmark found against one peer.

    Attributes:
        benchmark: Its name, one of `TITLES`.
        peer: Who was measured beside us.
        ours: Our figure, the median of the rounds.
        theirs: The peer's.
        unit: Of both figures, one of `HIGHER_IS_BETTER`.
        ratio: Above 1, ours is better.
        limit_share: Our figure by what the machine allows; None where no limit is known.
        commit: The commit that was measured.
        date: When, in ISO 8601.
        machine: The processor and its count of cores, or the GPU.
    """

    benchmark: str
    peer: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    limit_share: float | None
    commit: str
    date: str
    machine: str

    @classmethod
    def compare(
        cls,
        benchmark: str,
        peer: str,
        ours: float,
        theirs: float,
        unit: str,
        limit_share: float | None = None,
        machine_name: str | None = None,
    ) -> "Row":
        """Makes the row of a comparison, here and now; the arguments are the attributes of these names.

        `machine_name` is by default this machine's.
        """
        return cls(
            benchmark=benchmark,
            peer=peer,
            ours=_rounded(ours),
            theirs=_rounded(theirs),
            unit=unit,
            ratio=_rounded(ours / theirs if HIGHER_IS_BETTER[unit] else theirs / ours),
            limit_share=None if limit_share is None else _rounded(limit_share),
            commit=commit(),
            date=today(),
            machine=machine_name or machine(),
        )


def _rounded(value: float) -> float:
    """Four significant figures, more than a repetition confirms."""
    return float(f"{value:.4g}")


def commit() -> str:
    """The hash of the commit, with `-dirty` if tracked files differ from it, but for what measurements write."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
    others = [":(top)", *(f":(top,exclude){path}" for path in WRITTEN)]
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", *others], cwd=ROOT).returncode
    return head.stdout.strip() + ("-dirty" if changed else "")


def short(commit: str) -> str:
    """A commit as tables show it."""
    return f"`{commit[:10]}{'-dirty' if commit.endswith('-dirty') else ''}`"


def today() -> str:
    """Date and time, in ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def machine() -> str:
    """The processor and its count of cores."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = fields.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in fields:
        # A virtual machine often calls several generations by one name.
        name += f" (family {fields['cpu family']}, model {fields['model']})"
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def append(row: Row, results: str | Path) -> None:
    """Adds a row to the file of results, which is whole at any moment."""
    path = Path(results)
    before = path.read_text() if path.exists() else ""
    fields = {name: value for name, value in dataclasses.asdict(row).items() if value is not None}
    with write_beside(path) as beside:
        beside.write_text(f"{before}{json.dumps(fields)}\n")


def read(results: str | Path) -> list[Row]:
    """Reads the rows of a file, oldest first; of none if there is no file."""
    path = Path(results)
    lines = path.read_text().splitlines() if path.exists() else []
    return [Row(**{"limit_share": None, **json.loads(line)}) for line in lines]


def record(rows: Iterable[Row], results: str | Path) -> None:
    """Adds rows to the file of results and prints them."""
    for row in rows:
        append(row, results)
        share = "" if row.limit_share is None else f"  {row.limit_share:.0%} of the limit"
        print(f"{row.benchmark}  ours {row.ours:g}  {row.peer} {row.theirs:g} {row.unit}  ratio {row.ratio:.2f}{share}")


def tables(rows: Iterable[Row]) -> str:
    """Writes the newest row of each benchmark, peer and machine as Markdown."""
    newest = {(row.benchmark, row.peer, row.machine): row for row in rows}
    parts = [_INTRODUCTION]
    for benchmark, title in TITLES.items():
        found = [row for (name, *_), row in newest.items() if name == benchmark]
        if found:
            head = "| peer | ours | theirs | unit | ratio | share of the limit | commit | date | machine |"
            parts.append("\n".join([f"## {title}\n", head, "|---" * 9 + "|", *map(_table_line, found)]) + "\n")
    return "\n".join(parts)


def _table_line(row: Row) -> str:
    share = "" if row.limit_share is None else f"{row.limit_share:.0%}"
    cells = (row.peer, f"{row.ours:,g}", f"{row.theirs:,g}", row.unit, f"{row.ratio:.2f}", share, short(row.commit))
    return "| " + " | ".join([*cells, row.date[:10], row.machine]) + " |"


def write_tables(*, results: str = RESULTS, tables_file: str = TABLES) -> None:
    """Writes the tables of the results.

    Args:
        results: The file of results.
        tables_file: The Markdown file to write.
    """
    with write_beside(tables_file) as path:
        path.write_text(tables(read(results)))


if __name__ == "__main__":
    sys.exit(run_command(write_tables))
