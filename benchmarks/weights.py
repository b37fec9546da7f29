"""What an export loses and gains by large matrices in fewer bytes: quality, size, time to load, speed."""

import functools
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, get_args

import sacrebleu

from benchmarks import corpus
from benchmarks.command import run_command
from benchmarks.corpus import SOURCE, TARGET, TEST_SPLIT
from benchmarks.places import Places
from benchmarks.results import Row, record
from benchmarks.rounds import in_turn, measure, module, spread
from benchmarks.rounds import run as run_process
from serving.exports.release_config import WeightKind

PLAIN, *OTHERS = get_args(WeightKind)
# Of each figure, what a row calls it, and its unit.
NAMES = {
    "bleu": ("quality", "BLEU"),
    "megabytes": ("size", "megabytes"),
    "load_seconds": ("loading", "seconds"),
    "speed": ("many sentences a request", "sentences a second"),
    "latency": ("one sentence a request", "milliseconds"),
}


class Figures(NamedTuple):
    """What a round found of one kind of weights.

    Attributes:
        bleu: Of test_2016_flickr.
        megabytes: All files of the version.
        load_seconds: Until it can be called, in a fresh process; the mean of two.
        speed: Sentences a second, with all of them in one request.
        latency: Milliseconds of a request of one sentence, the median.
    """

    bleu: float
    megabytes: float
    load_seconds: float
    speed: float
    latency: float


def bench_weights(places: Places, /, *, run: str, rounds: int = 3, single: int = 200) -> None:
    """Exports a run with each kind of weights, and measures them on test_2016_flickr, each in turn.

    Args:
        run: Folder of the run, from English to German.
        rounds: How often each kind is measured.
        single: Sentences that come one by one, the first ones of the file.
    """
    few = places.below("scratch") / f"first.{SOURCE}"
    few.parent.mkdir(parents=True, exist_ok=True)
    few.write_text("".join(f"{line}\n" for line in corpus.lines(places, TEST_SPLIT, SOURCE)[:single]))
    versions = {kind: _export(places, run, kind) for kind in (PLAIN, *OTHERS)}
    sides = {kind: functools.partial(_measure, places, version, few) for kind, version in versions.items()}
    record(report(in_turn(sides, rounds)), places.results)


def _export(places: Places, run: str, kind: str) -> Path:
    output = places.below("weights") / kind
    shutil.rmtree(output, ignore_errors=True)
    command = module("nmt", "export", Path(run).resolve(), "--output", output, "--weights", kind)
    return Path(run_process(command, places.log("weights")).split()[-1])


def _measure(places: Places, version: Path, few: Path, _: int) -> Figures:
    output = places.below("scratch") / f"weights.{TARGET}"

    def translate(source: Path, *options: object) -> dict[str, Any]:
        command = module("benchmarks.decode_side", version.parent, "--source", source, "--output", output, *options)
        return measure(command, places.log("weights"))

    one_by_one = translate(few, "--sentences-at-once", 1)
    together = translate(places.corpus(TEST_SPLIT, SOURCE))
    texts = output.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return Figures(
        bleu=sacrebleu.corpus_bleu(texts, [corpus.lines(places, TEST_SPLIT, TARGET)]).score,
        megabytes=sum(path.stat().st_size for path in version.rglob("*") if path.is_file()) / 1e6,
        load_seconds=(one_by_one["load_seconds"] + together["load_seconds"]) / 2,
        speed=together["sentences"] / together["seconds"],
        latency=1000 * median(one_by_one["batch_seconds"]),
    )


def report(found: Mapping[str, Sequence[Figures]]) -> list[Row]:
    """Prints what the rounds found, and makes the rows of each kind beside float32."""
    rows = []
    for field, (name, unit) in NAMES.items():
        values = {kind: [getattr(figures, field) for figures in each] for kind, each in found.items()}
        for kind, each in values.items():
            print(f"{kind}, {name}: {spread(each)} {unit}")
        plain = median(values[PLAIN])
        rows += [Row.compare("weights", f"{kind}, {name}", median(values[kind]), plain, unit) for kind in OTHERS]
    return rows


if __name__ == "__main__":
    sys.exit(run_command(bench_weights))
