"""What a process and its children take: seconds, and memory at its most."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.rounds import ROOT, environment
from pipeline.errors import UserError

_SECONDS_BETWEEN_SAMPLES = 0.2


class Taken(NamedTuple):
    """What a process and all that it started took.

    Attributes:
        seconds: From its start to its end.
        peak_megabytes: The largest sum of the proportional set sizes (PSS) that was seen: memory that several of the
            processes share counts once.
    """

    seconds: float
    peak_megabytes: float


def watch(command: Sequence[str], log: Path) -> Taken:
    """Runs a process in the repository's root and watches it.

    Args:
        command: The program and its arguments.
        log: File to which its stdout and stderr are added.

    Raises:
        UserError: The process failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    peak, begin = 0, time.perf_counter()
    with (
        open(log, "a") as told,
        subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=told, stderr=told) as process,
    ):
        while process.poll() is None:
            peak = max(peak, memory(process.pid))
            time.sleep(_SECONDS_BETWEEN_SAMPLES)
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise UserError(f"{command[0]}: expected exit status 0, received {process.returncode}; read {log}")
    return Taken(seconds, peak / 1e6)


def memory(process: int) -> int:
    """The bytes of a process and of all below it, by their proportional set sizes; 0 of those that have ended."""
    return sum(_proportional(each) for each in (process, *_descendants(process)))


def _descendants(process: int) -> Iterator[int]:
    try:
        tasks = os.listdir(f"/proc/{process}/task")
        children = [
            int(child) for task in tasks for child in Path(f"/proc/{process}/task/{task}/children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in children:
        yield child
        yield from _descendants(child)


def _proportional(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 1024 * next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
