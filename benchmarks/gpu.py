"""Training speed on a GPU: ours on JAX beside the same model in PyTorch."""

import dataclasses
import json
import sys
from statistics import median
from typing import Any

from benchmarks import opennmt
from benchmarks.command import run_command
from benchmarks.places import Places
from benchmarks.results import Row, record
from benchmarks.rounds import in_turn, measure, module, spread
from benchmarks.synthetic import Synthetic
from pipeline.errors import UserError

OURS, LOOP, CUDNN = "ours", "loop", "cudnn"
UNIT = "tokens a second"
SIZES = ((512, 1), (1024, 4))


def bench_gpu(
    places: Places,
    /,
    *,
    torch_python: str | None = None,
    pairs: int = 128,
    length: int = 32,
    vocab_size: int = 32000,
    rounds: int = 3,
    steps: int = 50,
) -> None:
    """Measures how many source and target tokens a second are trained on in bfloat16, each side in turn.

    Args:
        torch_python: A Python that has PyTorch for the GPU; by default that of the peer's environment.
        pairs: Pairs of a batch.
        length: Pieces of a source and of a target, END included.
        vocab_size: Count of source ids and of target ids.
        rounds: How often each side is measured.
        steps: Steps of a measurement.

    Raises:
        UserError: JAX or PyTorch sees no GPU.
    """
    if torch_python is None:
        opennmt.install(places)
        torch_python = opennmt.python(places)

    def ours(synthetic: Synthetic) -> dict[str, Any]:
        options = ("--backend", "jax", "--dtype", "mixed_bfloat16", *synthetic.options())
        return _on_gpu(measure(module("benchmarks.synthetic_side", *options), places.log("gpu-ours")), "JAX")

    def torch(decoder: str, synthetic: Synthetic) -> dict[str, Any]:
        words = ("-m", "benchmarks.torch_side", decoder, json.dumps(dataclasses.asdict(synthetic)))
        return _on_gpu(measure([torch_python, *words], places.log(f"gpu-{decoder}")), "--torch-python")

    # Before anything large is tried on a processor.
    for side in (ours, lambda tiny: torch(LOOP, tiny)):
        side(Synthetic(units=8, pairs=2, length=2, vocab_size=8, steps=1, warmup_steps=1))
    for units, layers in SIZES:
        synthetic = Synthetic(units, layers, pairs, length, vocab_size, steps)
        sides = {
            OURS: lambda _, synthetic=synthetic: ours(synthetic),
            LOOP: lambda _, synthetic=synthetic: torch(LOOP, synthetic),
            CUDNN: lambda _, synthetic=synthetic: torch(CUDNN, synthetic),
        }
        record([report(synthetic, in_turn(sides, rounds))], places.results)


def _on_gpu(measured: dict[str, Any], argument: str) -> dict[str, Any]:
    if measured["device"] == "cpu":
        raise UserError(f"{argument}: expected to see a GPU, received none; run this where there is one")
    return measured


def report(synthetic: Synthetic, found: dict[str, list[dict[str, Any]]]) -> Row:
    """Prints what the rounds found and makes the row of it.

    Args:
        synthetic: What was trained.
        found: The measurements of each side.
    """
    size = f"{synthetic.layers} x {synthetic.units}"
    speeds = {side: [one["tokens_per_second"] for one in found[side]] for side in found}
    for side, values in speeds.items():
        parameters = found[side][0]["parameters"] / 1e6
        print(f"{size}  {side}: {spread(values)} {UNIT}, {parameters:.1f} million parameters")
    ours, loop, cudnn = (median(speeds[side]) for side in (OURS, LOOP, CUDNN))
    device = found[OURS][0]["device"]
    return Row.compare("gpu-train", f"PyTorch, {size}", ours, loop, UNIT, ours / cudnn, device)


if __name__ == "__main__":
    sys.exit(run_command(bench_gpu))
