"""Decoding speed: our exported model beside OpenNMT-py, on the models that `benchmarks.models` has trained."""

import sys
from statistics import median
from typing import Any

import sacrebleu

from benchmarks import corpus, opennmt
from benchmarks.command import run_command
from benchmarks.corpus import SOURCE, TARGET, TEST_SPLIT
from benchmarks.models import OURS, THEIRS, Curve, our_export, their_checkpoint
from benchmarks.places import Places
from benchmarks.results import Row, record
from benchmarks.rounds import in_turn, measure, module, spread

SPEED, LATENCY = "sentences a second", "milliseconds"
BATCH_SIZES = (64, 1)


def bench_decode(places: Places, /, *, rounds: int = 3) -> None:
    """Measures how many sentences of test_2016_flickr a second are translated with a beam of 5, each side in turn.

    At batch 64 both get the whole file, which each sorts by length and divides itself, and sentences a second are
    compared; at batch 1 one sentence comes after the other, and the median of their times is. Ours go from text to
    text; OpenNMT-py's are pieces already, so that its tokenizing is not counted.

    Args:
        rounds: How often each side is measured.
    """
    corpus.prepare(places)
    opennmt.install(places)
    for side in (OURS, THEIRS):
        Curve.read_from(places, side)
    for size in BATCH_SIZES:
        sides = {side: lambda _, side=side, size=size: _translate(places, side, size) for side in (OURS, THEIRS)}
        record([report(size, in_turn(sides, rounds))], places.results)


def _translate(places: Places, side: str, size: int) -> dict[str, Any]:
    """Measures one side once, and adds the BLEU of what it wrote."""
    output = places.below(f"scratch/{side}.{TEST_SPLIT}.txt")
    output.parent.mkdir(exist_ok=True)
    if side == OURS:
        source = places.corpus(TEST_SPLIT, SOURCE)
        options = ("--source", source, "--output", output, *(("--sentences-at-once", 1) if size == 1 else ()))
        command = module("benchmarks.decode_side", our_export(places), *options)
    else:
        command = opennmt.translation(places, their_checkpoint(places), places.pieces / TEST_SPLIT, output, size)
    measured = measure(command, places.log(f"decode-{side}"))
    texts = output.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    texts = texts if side == OURS else corpus.detokenize(places, texts)
    bleu = sacrebleu.corpus_bleu(texts, [corpus.lines(places, TEST_SPLIT, TARGET)])
    return {**measured, "bleu": bleu.score}


def report(size: int, found: dict[str, list[dict[str, Any]]]) -> Row:
    """Prints what the rounds found and makes the row of it.

    Args:
        size: Sentences of a batch.
        found: The measurements of each side.
    """
    benchmark = f"decode-batch-{size}"
    speeds = {side: [one["sentences"] / one["seconds"] for one in found[side]] for side in found}
    latencies = {side: [1000 * median(one["batch_seconds"]) for one in found[side]] for side in found}
    for side in found:
        loading = median(one["load_seconds"] for one in found[side])
        print(
            f"{benchmark}  {side}: {spread(speeds[side])} {SPEED}, each batch {spread(latencies[side])} {LATENCY},"
            f" BLEU {found[side][0]['bleu']:.2f}, loading {loading:.1f} s"
        )
    compared, unit = (latencies, LATENCY) if size == 1 else (speeds, SPEED)
    return Row.compare(benchmark, THEIRS, median(compared[OURS]), median(compared[THEIRS]), unit)


if __name__ == "__main__":
    sys.exit(run_command(bench_decode))
