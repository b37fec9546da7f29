"""Training speed: ours beside OpenNMT-py and beside Keras's own layers."""

import sys
from statistics import median
from typing import Any

from benchmarks import corpus, opennmt
from benchmarks.command import run_command
from benchmarks.limit import Lengths, Rates, tokens_per_second
from benchmarks.places import Places
from benchmarks.results import Row, record
from benchmarks.rounds import in_turn, measure, module, spread
from models.config import ModelConfig
from pipeline.schema import Manifest

OURS, KERAS, MACHINE = "ours", "Keras", "machine"
UNIT = "tokens a second"


def bench_train(places: Places, /, *, rounds: int = 3, steps: int = 200, warmup_steps: int = 40) -> None:
    """Measures how many source and target tokens a second are trained on, each side in turn, alone on the machine.

    Args:
        rounds: How often each side is measured.
        steps: Steps of a measurement.
        warmup_steps: Steps before it.
    """
    corpus.prepare(places)
    opennmt.install(places)

    def keras_side(side: str, seed: int) -> dict[str, Any]:
        options = ("--data", places.data, "--steps", steps, "--warmup-steps", warmup_steps, "--seed", seed)
        return measure(module("benchmarks.train_side", side, *options), places.log(f"train-{side}"))

    def peer(seed: int) -> dict[str, Any]:
        total = warmup_steps + steps
        command = opennmt.training(places, places.below("scratch"), total, warmup_steps, seed, save_every=total)
        return measure(command, places.log("train-opennmt"))

    found = in_turn(
        {
            OURS: lambda number: keras_side("ours", number),
            opennmt.NAME: peer,
            KERAS: lambda number: keras_side("keras", number),
            MACHINE: lambda _: measure(module("benchmarks.limit"), places.log("limit")),
        },
        rounds,
    )
    record(report(found, Manifest.read_from(places.data).target.vocab_size), places.results)


def report(found: dict[str, list[dict[str, Any]]], vocab_size: int) -> list[Row]:
    """Prints what the rounds found.

    Args:
        found: The measurements of each side.
        vocab_size: Count of our target ids.

    Returns:
        A row for each peer.
    """
    rates = Rates(**{name: median(one[name] for one in found[MACHINE]) for name in Rates._fields})
    lengths = Lengths(*map(median, zip(*(one["means"] for one in found[OURS]), strict=True)))
    limit = tokens_per_second(ModelConfig(), vocab_size, found[OURS][0]["parameters"], lengths, rates)
    print(f"machine: {rates.flops / 1e9:.0f} GFLOP/s in one product, {rates.bytes / 1e9:.1f} GB/s")
    print(f"batch: {lengths.pairs:.1f} pairs of {lengths.source:.1f} and {lengths.target:.1f} tokens")
    print(f"limit: {limit:,.0f} {UNIT}")
    speeds = {side: [one["tokens_per_second"] for one in found[side]] for side in (OURS, opennmt.NAME, KERAS)}
    for side, values in speeds.items():
        parameters = found[side][0]["parameters"] / 1e6
        share = median(values) / limit
        print(f"{side}: {spread(values)} {UNIT}, {share:.1%} of the limit, {parameters:.1f} million parameters")
    middle = {side: median(values) for side, values in speeds.items()}
    share = middle[OURS] / limit
    return [Row.compare("train", peer, middle[OURS], middle[peer], UNIT, share) for peer in (opennmt.NAME, KERAS)]


if __name__ == "__main__":
    sys.exit(run_command(bench_train))
