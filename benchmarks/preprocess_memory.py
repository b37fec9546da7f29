"""What memory `nmt preprocess` takes for each byte of text, and for each pair that is compared for near duplicates."""

import itertools
import math
import random
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import corpus
from benchmarks.command import run_command
from benchmarks.corpus import SOURCE, TARGET
from benchmarks.places import Places
from benchmarks.preprocess import JOBS
from benchmarks.rounds import module
from benchmarks.watched import watch
from pipeline.config import READERS
from pipeline.errors import UserError
from pipeline.files import write_beside
from pipeline.job.memory import estimate
from pipeline.schema import Manifest


def bench_preprocess_memory(
    places: Places, /, *, pairs: int = 200_000, large: int = 400_000, near_duplicates: float = 0.8
) -> None:
    """Measures jobs with and without a search for near duplicates, beside what they are estimated to take.

    Args:
        pairs: Pairs of the smaller corpus: of Multi30k's words in other orders, so that none is much like another.
        large: Those of the larger one.
        near_duplicates: The threshold of the search.
    """
    if not 0 < pairs < large:
        raise UserError(f"--large: expected more than --pairs {pairs}, received {large}; change one of them")
    corpus.prepare(places)
    for name in JOBS:
        peaks = {
            (count, near): _peak(places, count, name, near)
            for count in (pairs, large)
            for near in (None, near_duplicates)
        }
        print("\n".join(told(name, peaks, {count: _text_bytes(places, count) for count in (pairs, large)})), flush=True)


def told(name: str, peaks: dict[tuple[int, float | None], float], sizes: dict[int, int]) -> list[str]:
    """Lines of a job's peaks beside the estimates, and of how they grow.

    Args:
        name: The job's, of `JOBS`.
        peaks: Bytes by the count of pairs and the threshold, None where nothing is compared.
        sizes: Bytes of text by the count of pairs, the smaller first.
    """
    workers = int(str(JOBS[name][-1]))
    lines = []
    for (count, near), peak in peaks.items():
        rows = math.ceil(count / READERS)
        needed = estimate(sizes[count], workers, count if near else 0, rows)
        what = f"near duplicates at {near}" if near else "no near duplicates"
        lines.append(f"{name}, {count:,} pairs, {what}: {peak / 1e6:,.0f} MB, estimated {needed / 1e6:,.0f}")
    small, large = sizes
    grown = (peaks[large, None] - peaks[small, None]) / (sizes[large] - sizes[small])
    lines.append(f"{name}: {grown:.1f} bytes more for a byte more of text")
    [near] = {near for _, near in peaks if near}
    for count in sizes:
        more = (peaks[count, near] - peaks[count, None]) / count
        lines.append(f"{name}: {more:,.0f} bytes more for each of {count:,} pairs that are compared")
    return lines


def _peak(places: Places, pairs: int, name: str, near: float | None) -> float:
    output = places.below("scratch") / "preprocess-memory"
    shutil.rmtree(output, ignore_errors=True)
    folder = _written(places, pairs)
    subwords = places.data / Manifest.read_from(places.data).source.file
    options = ["--source", folder / SOURCE, "--target", folder / TARGET, "--subwords", subwords, "--output", output]
    options += ["--near-duplicates", near] if near else []
    taken = watch(module("nmt", "preprocess", *options, *JOBS[name]), places.log("preprocess-memory"))
    return taken.peak_megabytes * 1e6


def _written(places: Places, pairs: int) -> Path:
    """The folder of a corpus, written if the work folder does not hold it yet."""
    folder = places.below("drawn") / str(pairs)
    if not folder.exists():
        with write_beside(folder) as beside:
            beside.mkdir()
            for language in (SOURCE, TARGET):
                lines = drawn(corpus.lines(places, "train", language), language)
                with open(beside / language, "w", encoding="utf-8", newline="") as file:
                    file.writelines(f"{line}\n" for line in itertools.islice(lines, pairs))
    return folder


def drawn(lines: Sequence[str], seed: str) -> Iterator[str]:
    """Yields sentences of the lengths of the lines, over and over without end, their words drawn from all lines."""
    draw, words = random.Random(seed), [word for line in lines for word in line.split()]
    for line in itertools.cycle(lines):
        yield " ".join(draw.choices(words, k=len(line.split())))


def _text_bytes(places: Places, pairs: int) -> int:
    return sum((_written(places, pairs) / language).stat().st_size for language in (SOURCE, TARGET))


if __name__ == "__main__":
    sys.exit(run_command(bench_preprocess_memory))
