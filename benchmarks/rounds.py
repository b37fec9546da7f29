"""Measurements of several sides in turn, each in a process of its own."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import UserError

Found = TypeVar("Found")
ROOT = Path(__file__).resolve().parents[1]


def run(command: Sequence[str], log: Path) -> str:
    """Runs a process in the repository's root.

    Args:
        command: The program and its arguments.
        log: File to which its stderr is added.

    Returns:
        What it wrote to stdout.

    Raises:
        UserError: The process failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a") as stderr:
        done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=stderr, text=True)
    if done.returncode:
        raise UserError(f"{command[0]}: expected exit status 0, received {done.returncode}; read {log}")
    return done.stdout


def environment() -> dict[str, str]:
    """The variables of a side's process."""
    return {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}


def measure(command: Sequence[str], log: Path) -> dict[str, Any]:
    """Runs a process that prints its measurement as the last line of stdout, one JSON object; see `run`."""
    return json.loads(run(command, log).splitlines()[-1])


def module(name: str, *arguments: object) -> list[str]:
    """The command that runs a module of this project in this environment."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def in_turn(sides: Mapping[str, Callable[[int], Found]], rounds: int) -> dict[str, list[Found]]:
    """Measures every side once a round, one after the other.

    Args:
        sides: What measures a side, given the number of the round from 1 on.
        rounds: How many rounds.

    Returns:
        The measurements of each side, a round each.
    """
    found: dict[str, list[Found]] = {name: [] for name in sides}
    for number in range(1, rounds + 1):
        for name, side in sides.items():
            print(f"round {number} of {rounds}: {name}", file=sys.stderr, flush=True)
            found[name].append(side(number))
    return found


def spread(values: Sequence[float]) -> str:
    """The median of the rounds, with the lowest and the highest."""
    return f"{statistics.median(values):,.4g} ({min(values):,.4g} to {max(values):,.4g})"
