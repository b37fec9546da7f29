"""Serving under load: `nmt serve` with batching and without, beside the same model called in-process."""

import functools
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import corpus
from benchmarks.command import run_command
from benchmarks.corpus import SOURCE, TEST_SPLIT
from benchmarks.load import Measurement, apply_load
from benchmarks.models import our_export
from benchmarks.places import Places
from benchmarks.results import Row, record
from benchmarks.rounds import in_turn, spread
from benchmarks.served import served
from pipeline.errors import UserError
from serving.exports.export_folder import newest_version
from serving.servable import Servable

SPEED, LATENCY = "sentences a second", "milliseconds"
CLIENTS = (1, 8, 32, 128)
IN_PROCESS, BATCHING, NO_BATCHING = "in-process", "batching", "no batching"
PERCENTILES = (50, 95, 99)
# Translates sentences for so many clients, or in batches of so many.
Side = Callable[[Sequence[str], int], Measurement]


def bench_serve(
    places: Places,
    /,
    *,
    export: str | None = None,
    clients: tuple[int, ...] = CLIENTS,
    rounds: int = 4,
    sentences: int = 256,
    seed: int = 1,
) -> None:
    """Measures how fast clients that each send a sentence a request are served, each side in turn.

    The servers are processes of their own; this one sends the requests, and calls the model in-process in batches of as
    many sentences as there are clients, while the servers are idle.

    Args:
        export: Folder of an export; by default that of `make bench-models`.
        clients: How many send at once, in one measurement after the other: some of 1, 8, 32 and 128.
        rounds: How often each side is measured.
        sentences: How many of test_2016_flickr each measurement takes; at least eight for each client.
        seed: Of their order.
    """
    for count in clients:
        if count not in CLIENTS:
            raise UserError(
                f"--clients: expected some of {', '.join(map(str, CLIENTS))}, received {count}; leave it out"
            )
    texts = corpus.lines(places, TEST_SPLIT, SOURCE)
    random.Random(seed).shuffle(texts)
    folder, log = Path(export or our_export(places)).resolve(), places.log("serve")
    servable = Servable(newest_version(folder), timeout=3600)
    with (
        served(folder, log) as (_, batching),
        served(folder, log, "--batching.max_batch_size", 1) as (_, no_batching),
    ):
        sides: dict[str, Side] = {
            IN_PROCESS: functools.partial(call_in_process, servable),
            BATCHING: functools.partial(apply_load, batching),
            NO_BATCHING: functools.partial(apply_load, no_batching),
        }
        for count in clients:
            record(report(count, _measure(sides, texts, count, rounds, sentences)), places.results)


def _measure(
    sides: Mapping[str, Side], texts: Sequence[str], clients: int, rounds: int, sentences: int
) -> dict[str, list[Measurement]]:
    """Each side in turn, which in one round all get the same sentences."""
    size = math.ceil(max(sentences, 8 * clients) / clients) * clients

    def measured(side: Side, number: int) -> Measurement:
        return side([texts[i % len(texts)] for i in range(number * size, (number + 1) * size)], clients)

    for side in sides.values():
        side(texts[: 2 * clients], clients)
    return in_turn({name: functools.partial(measured, side) for name, side in sides.items()}, rounds)


def call_in_process(servable: Servable, sentences: Sequence[str], size: int) -> Measurement:
    """Translates sentences in batches of a size, one after the other."""
    seconds, translations = [], []
    for first in range(0, len(sentences), size):
        batch = np.array([sentence.encode() for sentence in sentences[first : first + size]], object)
        began = time.perf_counter()
        found = servable.run("serving_default", {"text": batch})["translation"]
        seconds.append(time.perf_counter() - began)
        translations += [line.decode() for line in found]
    return Measurement(len(sentences) / sum(seconds), seconds, translations)


def report(clients: int, found: Mapping[str, Sequence[Measurement]]) -> list[Row]:
    """Prints what the rounds found and makes the rows of it: speed beside both others, and percentiles of the wait.

    A client alone is compared with the call in-process by the median wait.

    Args:
        clients: How many there were.
        found: The measurements of each side.
    """
    benchmark = f"serve-{clients}"
    rates = {side: [one.rate for one in found[side]] for side in found}
    waits = {side: percentiles([1000 * each for one in found[side] for each in one.seconds]) for side in found}
    for side in found:
        told = ", ".join(f"p{percent} {wait:.4g}" for percent, wait in waits[side].items())
        print(f"{benchmark}  {side}: {spread(rates[side])} {SPEED}; {told} {LATENCY}")
    speeds = {side: median(rates[side]) for side in found}
    compared, unit = ({side: waits[side][50] for side in found}, LATENCY) if clients == 1 else (speeds, SPEED)
    return [
        Row.compare(benchmark, IN_PROCESS, compared[BATCHING], compared[IN_PROCESS], unit),
        Row.compare(benchmark, NO_BATCHING, speeds[BATCHING], speeds[NO_BATCHING], SPEED),
        *(
            Row.compare(
                benchmark, f"{NO_BATCHING}, p{percent}", waits[BATCHING][percent], waits[NO_BATCHING][percent], LATENCY
            )
            for percent in PERCENTILES
        ),
    ]


def percentiles(values: Sequence[float]) -> dict[int, float]:
    """The percentiles of `PERCENTILES` of two values or more, linear between neighbours."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {percent: cuts[percent - 1] for percent in PERCENTILES}


if __name__ == "__main__":
    sys.exit(run_command(bench_serve))
