"""What large corpora would take: hours, machines and money by stage, from the measured rates."""

import dataclasses
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import results
from benchmarks.command import run_command
from benchmarks.results import RESULTS, Row
from benchmarks.scale import SCALE, fit
from pipeline.errors import UserError
from pipeline.files import write_beside

PAGE = "docs/plan.md"


class Corpus(NamedTuple):
    """A corpus; `tokens` are those of source and target of a pair, in pieces."""

    name: str
    pairs: float
    tokens: float
    epochs: float


@dataclasses.dataclass(frozen=True)
class Assumptions:
    """What no measurement here can tell.

    Attributes:
        core_price: Of a processor's core, US dollars an hour.
        gpu_price: Of a GPU, US dollars an hour.
        days: Longest time that a stage may take; it decides the count of machines.
        cores: Cores of one machine for preprocessing.
        scaling: Share of its own speed that a device keeps beside others.
    """

    core_price: float = 0.05
    gpu_price: float = 4.0
    days: float = 3.0
    cores: int = 32
    scaling: float = 0.9


CORPORA = (Corpus("WMT14 English-French", 36e6, 65, 5), Corpus("1 billion pairs", 1e9, 55, 1))


class Rates(NamedTuple):
    """What was measured.

    Attributes:
        preprocess: Seconds of one core a token.
        record: Bytes of a data set a token.
        train: Tokens a second of one device.
        device: That device.
        gpu: Whether it is a GPU.
    """

    preprocess: float
    record: float
    train: float
    device: str
    gpu: bool


class Stage(NamedTuple):
    """A stage of a plan; hours are those of the clock."""

    name: str
    hours: float
    machines: int
    dollars: float


def read_rates(rows: list[Row], scale: dict) -> Rates:
    """Takes the rates from the newest rows and from the points of `benchmarks.scale`.

    Raises:
        UserError: There is no training row yet.
    """
    trained = [row for row in rows if row.benchmark == "gpu-train"] or [row for row in rows if row.benchmark == "train"]
    if not trained:
        raise UserError(
            "--results-file: expected a row of `train` or of `gpu-train`, received none; run `make bench-train`"
        )
    newest, points = trained[-1], scale["preprocess"]
    tokens = [point["x"] for point in points]
    lines = (fit(tokens, [point[name] for point in points]) for name in ("core_seconds", "bytes"))
    seconds, size = (line.coefficients[1] for line in lines)
    return Rates(seconds, size, newest.ours, newest.machine, newest.benchmark == "gpu-train")


def _cores(machine: str) -> int:
    return int(machine.rpartition(", ")[2].split()[0])


def plan(corpus: Corpus, rates: Rates, assumed: Assumptions) -> Iterator[Stage]:
    """The stages of a corpus, each on as many machines as its time asks for."""
    tokens, longest = corpus.pairs * corpus.tokens, 24 * assumed.days
    core_hours = tokens * rates.preprocess / 3600
    machines = max(1, math.ceil(core_hours / assumed.cores / longest))
    yield Stage("preprocess", core_hours / assumed.cores / machines, machines, core_hours * assumed.core_price)
    hours, devices = corpus.epochs * tokens / rates.train / 3600, 1
    if hours > longest:
        hours /= assumed.scaling
        devices = math.ceil(hours / longest)
    price = assumed.gpu_price if rates.gpu else assumed.core_price * _cores(rates.device)
    yield Stage("train", hours / devices, devices, hours * price)


def bench_plan(assumed: Assumptions, /, *, results_file: str = RESULTS, scale: str = SCALE, page: str = PAGE) -> None:
    """Writes the plan for each corpus.

    Args:
        results_file: The rows of the benchmarks.
        scale: The points of `make bench-scale`.
        page: Markdown file to write.

    Raises:
        UserError: What it needs has not been measured.
    """
    if not Path(scale).exists():
        raise UserError(f"--scale: expected the file {scale}, which is not there; run `make bench-scale`")
    rates = read_rates(results.read(results_file), json.loads(Path(scale).read_text()))
    text = describe(rates, assumed)
    with write_beside(page) as path:
        path.write_text(text)
    print(text)


def describe(rates: Rates, assumed: Assumptions) -> str:
    """The page."""
    parts = [
        "# Plans for large corpora\n\n`make bench-plan` writes this page from the measured rates. Measured:"
        f" {rates.preprocess * 1e6:.1f} core seconds to preprocess a million tokens, {rates.record:.2f} bytes of"
        f" records a token, on the machine of [scale.md](scale.md); {rates.train:,.0f} tokens a second of training on"
        f" one device ({rates.device}).\n",
        f"Assumed: {assumed.core_price:g} dollars a core hour, {assumed.gpu_price:g} a GPU hour, at most"
        f" {assumed.days:g} days a stage, machines of {assumed.cores} cores for preprocessing, and that a device keeps"
        f" {assumed.scaling:.0%} of its speed beside others. Change them by options.\n",
    ]
    for corpus in CORPORA:
        parts.append(
            f"## {corpus.name}\n\n{corpus.pairs / 1e6:,.0f} million pairs of {corpus.tokens:g} pieces,"
            f" {corpus.epochs:g} epochs; {corpus.pairs * corpus.tokens * rates.record / 1e9:,.0f} GB of records.\n\n"
            "| stage | hours | machines | dollars |\n|---|---|---|---|\n"
            + "".join(
                f"| {stage.name} | {stage.hours:,.1f} | {stage.machines:,} | {stage.dollars:,.2f} |\n"
                for stage in plan(corpus, rates, assumed)
            )
        )
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(run_command(bench_plan))
