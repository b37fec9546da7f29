"""How a training step's time and memory, and the time of preprocessing, grow."""

import dataclasses
import json
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.command import run_command
from benchmarks.places import Places
from benchmarks.results import commit, machine, today
from benchmarks.rounds import measure, module, run
from benchmarks.synthetic import Synthetic
from pipeline.files import write_beside
from pipeline.schema import TRAIN, Manifest

SCALE = "benchmarks/scale.json"
PAGE = "docs/scale.md"
# From the sizes of the `attention` recipe on Multi30k, one of them changes at a time.
AXES = {
    "pairs": (16, 32, 64, 128, 256),
    "length": (8, 16, 32, 64, 128),
    "vocab_size": (2000, 4000, 8000, 16000, 32000),
    "layers": (1, 2, 3, 4),
}
# Attention looks at every pair of a source and a target token.
DEGREES = {"length": 2}
CORPORA = (20_000, 40_000, 80_000)

_PREPROCESS_CURVES = {"seconds": "seconds", "core seconds": "core_seconds", "bytes": "bytes"}

_INTRODUCTION = """# How cost grows

`make bench-scale` writes this page. A step of the `attention` recipe's model on random ids: 64 pairs of 16 and 16
pieces, 8,000 ids, one layer of 512 units, one of these changed at a time. Memory is the process's peak above what it
holds before the model is made. A fit is a line of least relative squares, of length a parabola; its error is that of
the point farthest from it.
"""


class Fit(NamedTuple):
    """`y = coefficients[0] + coefficients[1] x + ...`, and the largest relative difference of a point from it."""

    coefficients: tuple[float, ...]
    worst: float


def fit(xs: Sequence[float], ys: Sequence[float], degree: int = 1) -> Fit:
    """The polynomial of least squares of relative differences, so that small points count as much as large ones."""
    highest_first = np.polyfit(xs, ys, degree, w=1 / np.array(ys))
    worst = np.max(np.abs(np.polyval(highest_first, xs) / ys - 1))
    return Fit(tuple(highest_first[::-1].tolist()), float(worst))


def bench_scale(places: Places, /, *, steps: int = 20, scale: str = SCALE, page: str = PAGE) -> None:
    """Measures how the cost of a step grows with each size, and that of preprocessing with the corpus.

    Args:
        steps: Steps of a measurement.
        scale: File for the points.
        page: Markdown file for the curves and their fits.
    """
    points = {axis: [_train(places, axis, value, steps) for value in values] for axis, values in AXES.items()}
    corpora = [_preprocess(places, pairs) for pairs in CORPORA]
    found = {"commit": commit(), "date": today(), "machine": machine(), "train": points, "preprocess": corpora}
    with write_beside(scale) as path:
        path.write_text(json.dumps(found, indent=1) + "\n")
    with write_beside(page) as path:
        path.write_text(describe(found))
    print(describe(found))


def _train(places: Places, axis: str, value: int, steps: int) -> dict[str, float]:
    print(f"{axis} {value}", file=sys.stderr)
    synthetic = dataclasses.replace(Synthetic(steps=steps), **{axis: value})
    measured = measure(module("benchmarks.synthetic_side", *synthetic.options()), places.log("scale"))
    return {"x": value, **{name: measured[name] for name in ("step_seconds", "peak_bytes")}}


def _preprocess(places: Places, pairs: int) -> dict[str, float]:
    """Measures `nmt preprocess` on a corpus of the demo's grammar."""
    from demo.corpus import write_corpus

    print(f"preprocess {pairs}", file=sys.stderr)
    folder = places.below("scratch/scale")
    shutil.rmtree(folder, ignore_errors=True)
    write_corpus(folder / "corpus", pairs=pairs)
    options = [
        f"--{option}{side}={folder}/corpus/{split}.{language}"
        for option, split in (("", "train"), ("valid-", "valid"))
        for side, language in (("source", "en"), ("target", "de"))
    ]
    begin, core_begin = time.perf_counter(), _core_seconds()
    run(module("nmt", "preprocess", *options, "--output", folder / "data"), places.log("scale"))
    seconds, core_seconds = time.perf_counter() - begin, _core_seconds() - core_begin
    train = Manifest.read_from(folder / "data").splits[TRAIN]
    size = sum((folder / "data" / shard.file).stat().st_size for shard in train.shards)
    shutil.rmtree(folder)
    tokens = train.source_tokens + train.target_tokens
    return {"x": tokens, "seconds": seconds, "core_seconds": core_seconds, "bytes": size}


def _core_seconds() -> float:
    """What the processes that this one has waited for took of all cores."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def describe(found: dict) -> str:
    """The page: every curve, with its fit below it.

    Args:
        found: What `bench_scale` has written.
    """
    parts = [f"{_INTRODUCTION}\n{found['machine']}, {found['date'][:10]}, commit `{found['commit'][:10]}`.\n"]
    for axis, points in found["train"].items():
        xs = [point["x"] for point in points]
        curves = {
            "ms a step": [1e3 * point["step_seconds"] for point in points],
            "MB": [point["peak_bytes"] / 1e6 for point in points],
        }
        parts.append(_table(axis, xs, curves, DEGREES.get(axis, 1)))
    points = found["preprocess"]
    curves = {unit: [point[name] for point in points] for unit, name in _PREPROCESS_CURVES.items()}
    parts.append(_table("preprocessed tokens", [point["x"] for point in points], curves))
    return "\n".join(parts)


def _table(axis: str, xs: Sequence[float], curves: dict[str, list[float]], degree: int = 1) -> str:
    head = f"| {axis} | " + " | ".join(f"{x:,}" for x in xs) + " | fit | error |"
    rows = [head, "|---" * (len(xs) + 3) + "|"]
    for unit, ys in curves.items():
        found = fit(xs, ys, degree)
        terms = zip(found.coefficients, ("", " x", " x²"), strict=False)
        formula = " + ".join(f"{coefficient:.4g}{power}" for coefficient, power in terms)
        cells = " | ".join(f"{y:,.4g}" for y in ys)
        rows.append(f"| {unit} | {cells} | {formula} | {found.worst:.0%} |")
    return f"## {axis}\n\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(run_command(bench_scale))
