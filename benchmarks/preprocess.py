"""Time and memory of `nmt preprocess` beside the same steps as one plain loop, and how they grow with the corpus."""

import functools
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import corpus
from benchmarks.command import run_command
from benchmarks.corpus import SOURCE, TARGET, VALID_SPLIT
from benchmarks.places import Places
from benchmarks.repeated import write_repeated
from benchmarks.results import Row, record
from benchmarks.rounds import in_turn, measure, module, spread
from benchmarks.watched import Taken, watch
from pipeline.schema import Manifest

LOOP = "loop"
# Of each side of ours, its options.
JOBS: dict[str, tuple[object, ...]] = {"in-memory": ("--workers", 1), "2-workers": ("--workers", 2)}


def bench_preprocess(places: Places, /, *, pairs: int = 1_000_000, large: int = 10_000_000, rounds: int = 3) -> None:
    """Measures the loop, the job in one process and the job with two workers, each side in turn, alone on the machine.

    Args:
        pairs: Pairs of the corpus: Multi30k's, over and over, each with a number of its own.
        large: Pairs of a larger one, once, for memory and growth; 0 for none.
        rounds: How often each side is measured.
    """
    corpus.prepare(places)
    found = in_turn(_sides(places, pairs), rounds)
    record(compare(found), places.results)
    if not large:
        return
    reading = _reading(places)
    # Each is written down at once, as each takes long, and the second takes most of the memory.
    for name, side in _sides(places, large).items():
        if name != LOOP:
            record(growth(found, in_turn({name: side}, 1), large / pairs), places.results)
    record([read_growth(reading, _reading(places))], places.results)


def _sides(places: Places, pairs: int) -> dict[str, Callable[[int], Taken]]:
    """What measures the loop, and each job, on a corpus of so many pairs."""
    sides: dict[str, Callable[[int], Taken]] = {LOOP: lambda _: _loop(places, pairs)}
    return sides | {name: functools.partial(lambda name, _: _job(places, pairs, name), name) for name in JOBS}


def compare(found: Mapping[str, Sequence[Taken]]) -> list[Row]:
    """Prints what the rounds found of each side, and makes the rows of the job beside the loop."""
    for name, each in found.items():
        seconds, megabytes = zip(*each, strict=True)
        print(f"{name}: {spread(seconds)} seconds, {spread(megabytes)} megabytes at the most")
    rows = []
    for name in JOBS:
        for field, peer, unit in (("seconds", LOOP, "seconds"), ("peak_megabytes", f"{LOOP}, memory", "megabytes")):
            ours, theirs = (_median(found[side], field) for side in (name, LOOP))
            rows.append(Row.compare(f"preprocess-{name}", peer, ours, theirs, unit))
    return rows


def growth(found: Mapping[str, Sequence[Taken]], grown: Mapping[str, Sequence[Taken]], times: float) -> list[Row]:
    """Makes the rows of what the job takes of a larger corpus, beside so many times what it takes of the smaller.

    Args:
        found: Of the smaller corpus, the rounds of each side.
        grown: The same of the larger one.
        times: How many times the larger is as large.
    """
    return [
        Row.compare(
            "preprocess-growth",
            f"{name}, {unit}",
            _median(grown[name], field),
            times * _median(found[name], field),
            unit,
        )
        for name in grown
        for field, unit in (("seconds", "seconds"), ("peak_megabytes", "megabytes"))
    ]


def read_growth(small: Mapping[str, Any], grown: Mapping[str, Any]) -> Row:
    """Makes the row of the memory that the larger data set's reading takes, beside that of the smaller's."""
    ours, theirs = grown["peak_bytes"] / 1e6, small["peak_bytes"] / 1e6
    return Row.compare("preprocess-growth", "reading side, megabytes, beside as much", ours, theirs, "megabytes")


def _median(rounds: Sequence[Taken], field: str) -> float:
    return median(getattr(each, field) for each in rounds)


def _files(places: Places, pairs: int) -> list[object]:
    """The options that name the corpus, of ours and of the loop alike."""
    folder = write_repeated(places, pairs)
    options: list[object] = []
    for side, language in (("source", SOURCE), ("target", TARGET)):
        options += [f"--{side}", folder / f"train.{language}"]
        options += [f"--valid-{side}", places.corpus(VALID_SPLIT, language)]
        options += [f"--{side}-language", language]
    subwords = places.data / Manifest.read_from(places.data).source.file
    return [*options, "--subwords", subwords, "--output", _output(places)]


def _output(places: Places) -> Path:
    return places.below("scratch") / "preprocess"


def _loop(places: Places, pairs: int) -> Taken:
    shutil.rmtree(_output(places), ignore_errors=True)
    return watch(module("benchmarks.preprocess_loop", *_files(places, pairs)), places.log("preprocess"))


def _job(places: Places, pairs: int, name: str) -> Taken:
    shutil.rmtree(_output(places), ignore_errors=True)
    return watch(module("nmt", "preprocess", *_files(places, pairs), *JOBS[name]), places.log("preprocess"))


def _reading(places: Places) -> dict[str, Any]:
    """Reads the data set that the last job has made."""
    return measure(module("benchmarks.reading_side", _output(places)), places.log("preprocess"))


if __name__ == "__main__":
    sys.exit(run_command(bench_preprocess))
