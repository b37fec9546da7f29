"""Tables for a terminal: what became of the pairs, and what a data set holds."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report.findings import Findings
from pipeline.report.idle import idle
from pipeline.report.statistics import PairStatistics
from pipeline.report.wording import MEANINGS, flat, in_order, number, share
from pipeline.schema import Manifest

# It loads TensorFlow, which the job need not wait for.
if TYPE_CHECKING:
    from pipeline.report.samples import PairSample

Part: TypeAlias = Table | Text

_UNBOUNDED = 10_000
_IDLE = {"off": "off", "in_vain": "rejected nothing"}


def show(parts: Iterable[Part]) -> None:
    """Prints tables on stdout, as wide as the terminal, or, where there is none, as wide as they are."""
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _UNBOUNDED, highlight=False)
    with console.capture() as printed:
        for part in parts:
            console.print(part)
    # The cells of a last column are filled up with spaces.
    text = "\n".join(line.rstrip(" ") for line in printed.get().split("\n"))
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), end="")


def summary(manifest: Manifest) -> list[Part]:
    """What became of the pairs that a job read, and what is in each split."""
    kept = {name: split.records for name, split in manifest.splits.items()}
    rules = idle(manifest.rejected, manifest.settings)._asdict()
    named = [Text(f"{_IDLE[kind]}: {', '.join(names)}", "dim") for kind, names in rules.items() if names]
    return [
        outcome(manifest.read, kept, manifest.rejected),
        *named,
        *notes(manifest.copies, manifest.masked),
        Text(),
        splits(manifest),
    ]


def notes(copies: int, masked: int = 0) -> list[Part]:
    """What some of the records are: copies, as weights ask, and such with placeholders."""
    found = {"copies, by weight": copies, "with placeholders": masked}
    return [Text(f"of the records, {count:,} {what}") for what, count in found.items() if count]


def outcome(read: int, kept: Mapping[str, int], rejected: Mapping[str, int]) -> Table:
    """What became of the pairs.

    Args:
        read: Count of pairs read.
        kept: Count of records by split.
        rejected: Count of rejected pairs by rule.
    """
    ordered = in_order(rejected, MEANINGS)
    table = _table("pairs", "count", "of those read")
    table.add_row("read", f"{read:,}", "")
    for split, count in kept.items():
        table.add_row(f"kept for {split}", f"{count:,}", share(count, read))
    total = sum(ordered.values())
    table.add_row("rejected", f"{total:,}", share(total, read), end_section=True)
    for rule, count in ordered.items():
        if count:
            table.add_row(f"  {rule}", f"{count:,}", share(count, read))
    return table


def splits(manifest: Manifest) -> Table:
    """What is in each split."""
    table = _table("split", "records", "shards", "source tokens", "target tokens", "a sentence, mean")
    for name, split in manifest.splits.items():
        means = [f"{tokens / max(split.records, 1):.1f}" for tokens in (split.source_tokens, split.target_tokens)]
        counts = (split.records, len(split.shards), split.source_tokens, split.target_tokens)
        table.add_row(name, *(f"{count:,}" for count in counts), " / ".join(means))
    return table


def subwords(manifest: Manifest, train: PairStatistics) -> Table:
    """How the training pairs look in pieces."""
    table = _table(
        *("subwords", "pieces", "that occur", "10 times", "pieces a word", "unknown", "bytes", "95 of 100 sentences"),
        "longest",
    )
    rows = [(f"source ({manifest.source.file})", manifest.source, train.source)]
    rows += [(f"target ({manifest.target.file})", manifest.target, train.target)]
    if manifest.source == manifest.target:
        rows.append(("both", manifest.source, train.source + train.target))
    for name, model, side in rows:
        table.add_row(
            name,
            f"{model.vocab_size:,}",
            *(share(side.coverage(least), 1) for least in (1, 10)),
            f"{side.pieces_per_word:.3f}",
            *(share(count, side.tokens) for count in (side.unknown, side.byte_pieces)),
            *(f"{side.length_at(part):,}" for part in (0.95, 1)),
        )
    return table


def inputs(findings: Findings) -> Table:
    """What became of each input's pairs."""
    table = _table("input", "pairs", "kept", "rejected")
    for corpus, files in findings.inputs.items():
        for name, counts in files.items():
            read, kept = sum(counts.values()), counts.get("kept", 0)
            told = Text(printable(f"{corpus}: {name}"))
            table.add_row(told, f"{read:,}", f"{kept:,}", share(read - kept, read))
    return table


def settings(manifest: Manifest) -> Table:
    """What the job was asked to do, and the versions of what did it."""
    table = Table("setting", "value", box=None, pad_edge=False, header_style="bold")
    for name, value in flat(manifest.settings).items():
        table.add_row(name, Text(printable(str(value))))
    for name, version in manifest.versions.items():
        table.add_row(f"version of {name}", version)
    table.add_row("fingerprint", manifest.fingerprint)
    return table


def pair(sample: "PairSample") -> list[Part]:
    """A pair, each side with its pieces."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, side in (("source", sample.source), ("target", sample.target)):
        table.add_row(name, Text(printable(side.text)))
        table.add_row("", Text(printable(" ".join(side.pieces)), "cyan"))
    return [Text(f"{sample.file}, record {sample.record:,}", "bold"), table]


def examples(rejected: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Part]:
    """Some rejected pairs of each rule, in the order of the rules.

    Args:
        rejected: Rows of the files of rejected pairs, by rule.
    """
    parts: list[Part] = []
    for rule in [
        *(rule for rule in MEANINGS if rule in rejected),
        *(rule for rule in rejected if rule not in MEANINGS),
    ]:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        for row in rejected[rule]:
            measured = [_place(row)]
            measured += [] if row["value"] is None else [number(row["value"])]
            measured += [] if row["threshold"] is None else [f"limit {number(row['threshold'])}"]
            measured += [f"of {_place(row['of'])}"] if "of" in row else []
            table.add_row("", Text(printable("; ".join(measured)), "dim"))
            for side in ("source", "target"):
                if side in row:
                    table.add_row(f"  {side}", Text(printable(row[side])))
        parts += [Text(), Text.assemble((rule, "bold"), f": {MEANINGS.get(rule, '')}"), table]
    return parts


def printable(text: str) -> str:
    """A text in which what a terminal would obey, such as an escape, is spelt out."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['corpus']}: {row['file']}, line {row['line']:,}"
