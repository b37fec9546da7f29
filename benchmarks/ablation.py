"""What each part of the attention recipe is worth: the recipe with one setting changed, a row each."""

import dataclasses
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks import corpus
from benchmarks.command import run_command
from benchmarks.corpus import SOURCE, TARGET, TEST_SPLIT, VALID_SPLIT
from benchmarks.places import RECIPE, Places
from benchmarks.results import ABLATION, ABLATION_PAGE, commit, machine, short, today
from benchmarks.rounds import module, run
from pipeline.errors import UserError
from pipeline.files import write_beside


class Change(NamedTuple):
    """What a row changes: options of `nmt train`, and of `nmt evaluate`, where search alone changes."""

    train: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ()


CHANGES = {
    "the recipe": Change(),
    "no attention": Change(("--model.attention=none",)),
    "general attention": Change(("--model.attention=general",)),
    "attention above, input feeding": Change(
        ("--model.attention_place=above", "--model.attention_query=state", "--model.input_feeding=true")
    ),
    "GRU": Change(("--model.cell=gru",)),
    "vanilla cell": Change(("--model.cell=simple",)),
    "two layers": Change(("--model.encoder_layers=2", "--model.decoder_layers=2")),
    "no label smoothing": Change(("--training.label_smoothing=0",)),
    "dropout 0.2": Change(("--model.dropout=0.2",)),
    "variational dropout": Change(("--model.variational_dropout=true",)),
    "no average of weights": Change(("--training.average_momentum=0",)),
    "beam 1": Change((), ("--beam-size=1",)),
    "beam 10": Change((), ("--beam-size=10",)),
}


@dataclasses.dataclass(frozen=True)
class Ablated:
    """A row.

    Attributes:
        change: A key of `CHANGES`.
        epochs: Of the training.
        seed: Of the training.
        val_bleu: BLEU on the validation sentences, cased, detokenized.
        test_bleu: The same on test_2016_flickr.
        commit: The commit that was measured.
        date: When, in ISO 8601.
        machine: The processor and its count of cores.
    """

    change: str
    epochs: int
    seed: int
    val_bleu: float
    test_bleu: float
    commit: str
    date: str
    machine: str


def bench_ablation(
    places: Places, /, *, change: str | None = None, epochs: int = 8, seed: int = 1, rows: str = ABLATION
) -> None:
    """Trains the attention recipe with one setting changed, evaluates it, and adds a row; then writes docs/ablation.md.

    Args:
        change: One of those of docs/ablation.md; by default each, one after the other, but those that are there.
        epochs: Of each training.
        seed: Of each training.
        rows: The file of rows.
    """
    if change is not None and change not in CHANGES:
        raise UserError(f"--change: expected one of {', '.join(CHANGES)}, received {change!r}; choose one of them")
    corpus.prepare(places)
    done = {(row.change, row.epochs, row.seed) for row in read(rows)}
    for name in CHANGES if change is None else (change,):
        if change is not None or (name, epochs, seed) not in done:
            _append(_measure(places, name, epochs, seed), rows)
    with write_beside(ABLATION_PAGE) as path:
        path.write_text(page(read(rows)))


def _measure(places: Places, name: str, epochs: int, seed: int) -> Ablated:
    change, log = CHANGES[name], places.log("ablation")
    options = (*change.train, f"--training.epochs={epochs}", f"--training.seed={seed}")
    # Where search alone changes, the model is that of another row of the commit.
    name_of_run = "-".join((commit(), *(option.rpartition(".")[2] for option in options)))
    folder = places.below("ablation") / name_of_run
    if not folder.exists():
        with write_beside(folder) as beside:
            run(module("nmt", "train", RECIPE, "--data", places.data, "--output", beside, *options), log)

    def bleu(split: str) -> float:
        files = ("--source", places.corpus(split, SOURCE), "--target", places.corpus(split, TARGET))
        return json.loads(run(module("nmt", "evaluate", folder, *files, "--json", *change.evaluate), log))["bleu"]

    return Ablated(
        change=name,
        epochs=epochs,
        seed=seed,
        val_bleu=round(bleu(VALID_SPLIT), 2),
        test_bleu=round(bleu(TEST_SPLIT), 2),
        commit=commit(),
        date=today(),
        machine=machine(),
    )


def read(rows: str | Path) -> list[Ablated]:
    """Reads the rows of a file; none if there is no file."""
    path = Path(rows)
    return [Ablated(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def _append(row: Ablated, rows: str | Path) -> None:
    lines = [json.dumps(dataclasses.asdict(each)) for each in (*read(rows), row)]
    with write_beside(Path(rows)) as path:
        path.write_text("".join(f"{line}\n" for line in lines))
    print(f"{row.change}: BLEU {row.val_bleu} on validation, {row.test_bleu} on test_2016_flickr")


def page(rows: Iterable[Ablated]) -> str:
    """Writes the newest row of each change, count of epochs and seed as Markdown."""
    newest = {(row.epochs, row.change, row.seed): row for row in rows}
    parts = [_INTRODUCTION]
    for epochs in sorted({epochs for epochs, *_ in newest}):
        head = "| change | seed | BLEU, validation | BLEU, test_2016_flickr | commit | date | machine |"
        found = [newest[key] for key in newest if key[0] == epochs]
        found.sort(key=lambda row: (list(CHANGES).index(row.change), row.seed))
        parts.append("\n".join([f"## After {epochs} epochs\n", head, "|---" * 7 + "|", *map(_line, found)]) + "\n")
    return "\n".join(parts) + "\n## Changes\n\n" + "".join(map(_option_line, CHANGES.items()))


def _line(row: Ablated) -> str:
    cells = f"{row.val_bleu:.2f}", f"{row.test_bleu:.2f}", short(row.commit)
    return f"| {' | '.join([row.change, str(row.seed), *cells, row.date[:10], row.machine])} |"


def _option_line(change: tuple[str, Change]) -> str:
    name, options = change
    told = " ".join((*options.train, *options.evaluate))
    return f"- {name}: `make bench-ablation ARGS=\"--change '{name}'\"`{f' (`{told}`)' if told else ''}\n"


_INTRODUCTION = """# What each part is worth

The recipe `attention` on Multi30k, English to German, with one setting changed: cased, detokenized BLEU of a beam of 5,
of the epoch that was best on validation. Each row is one command; a difference below about half a point is one that
another seed may turn round. Time is not told here, as other work may run beside a row.
"""


if __name__ == "__main__":
    sys.exit(run_command(bench_ablation))
