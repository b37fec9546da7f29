"""What settings of a training cost: the recipe with each of them beside the recipe without, by the command itself."""

import dataclasses
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import corpus
from benchmarks.command import run_command
from benchmarks.places import RECIPE, Places
from benchmarks.results import Row, record
from benchmarks.rounds import ROOT, in_turn, measure, module, spread
from pipeline.errors import UserError
from pipeline.files import file_sha256, write_beside
from pipeline.schema import TRAIN, VALID, Manifest, Shard

PAIRS = {TRAIN: 1600, VALID: 64}
PLAIN, BARE = "the recipe", "its steps alone"
# Of each, what is added to the recipe.
SETTINGS: dict[str, dict[str, Any]] = {
    "no moving average of the weights": {"training.average_momentum": 0},
    "accumulation of 4 batches": {"training.accumulation": 4},
    "bfloat16": {"training.precision": "bfloat16"},
    "a checkpoint every 5 batches": {"training.checkpoint_every": 5},
    "buckets 10 pieces wide": {"batching.bucket_width": 10},
}
# On JAX each shape is compiled, for which a small model and one shape are enough.
SMALL: dict[str, Any] = {
    "model.encoder_units": 64,
    "model.decoder_units": 64,
    "model.embedding_size": 64,
    "batching.bucket_width": 50,
}
SMALL |= {"batching.max_source_length": 50, "batching.max_target_length": 50, "decoding.beam_size": 1}
SMALL |= {"model.tie_embeddings": "none"}
ONE_PROCESS, TWO_PROCESSES = "one process on JAX, a small model", "two processes on JAX, a small model"


def bench_costs(places: Places, /, *, rounds: int = 3) -> None:
    """Measures tokens a second of the second epoch, each side in turn, alone on the machine.

    Args:
        rounds: How often each side is measured.
    """
    corpus.prepare(places)
    data = _subset(places)

    def trained(options: dict[str, Any], hosts: int = 1, backend: str = "tensorflow") -> float:
        output = places.below("scratch") / "run"
        shutil.rmtree(output, ignore_errors=True)
        options = {"training.epochs": 2, "training.best_by": "loss"} | options
        words = [f"--{name}={value}" for name, value in options.items()]
        command = module("nmt", "train", RECIPE, "--data", data, "--output", output, *words)
        _run_together(command, hosts, backend, places.log("costs"))
        last = (output / "metrics.jsonl").read_text().splitlines()[-1]
        return json.loads(last)["tokens_per_second"]

    def steps_alone(number: int) -> float:
        options = ("--data", data, "--steps", 25, "--warmup-steps", 25, "--seed", number)
        return measure(module("benchmarks.train_side", "ours", *options), places.log("costs"))["tokens_per_second"]

    sides: dict[str, Callable[[int], float]] = {BARE: steps_alone, PLAIN: lambda _: trained({})}
    for name, options in SETTINGS.items():
        sides[name] = functools.partial(lambda options, _: trained(options), options)
    sides[ONE_PROCESS] = lambda _: trained(SMALL, backend="jax")
    sides[TWO_PROCESSES] = lambda _: trained(SMALL | {"training.distribution": "hosts"}, hosts=2, backend="jax")
    record(report(in_turn(sides, rounds)), places.results)


def report(found: Mapping[str, list[float]]) -> list[Row]:
    """Prints what the rounds found, tokens a second of each side, and makes the rows of it."""
    for name, speeds in found.items():
        print(f"{name}: {spread(speeds)} tokens a second")
    pairs = [(PLAIN, BARE), *((name, PLAIN) for name in SETTINGS), (TWO_PROCESSES, ONE_PROCESS)]
    return [
        Row.compare("costs", f"{name}, beside {other}", median(found[name]), median(found[other]), "tokens a second")
        for name, other in pairs
    ]


def _subset(places: Places) -> Path:
    """A data set of the first pairs, so that an epoch takes seconds."""
    import tensorflow as tf

    from pipeline import records

    folder, manifest = places.below("costs-data"), Manifest.read_from(places.data)
    if folder.exists():
        return folder
    with write_beside(folder) as beside:
        beside.mkdir()
        splits = {}
        for name, split in manifest.splits.items():
            files = [str(places.data / shard.file) for shard in split.shards]
            kept = [*tf.data.TFRecordDataset(files).take(PAIRS[name]).as_numpy_iterator()]
            (beside / name).write_bytes(b"".join(map(records.frame, kept)))
            shard = Shard(name, len(kept), file_sha256(beside / name))
            splits[name] = dataclasses.replace(split, shards=(shard,), records=len(kept))
        for file in {manifest.source.file, manifest.target.file}:
            shutil.copy(places.data / file, beside)
        dataclasses.replace(manifest, splits=splits).write(beside)
    return folder


def _run_together(command: list[str], hosts: int, backend: str, log: Path) -> None:
    """Runs a command in so many processes at once, which find each other over the loopback device."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    told = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if hosts > 1:
        told |= {"KERAS_DISTRIBUTION_JOB_ADDRESSES": address, "KERAS_DISTRIBUTION_NUM_PROCESSES": str(hosts)}
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a") as file:
        processes = [
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | told | {"KERAS_DISTRIBUTION_PROCESS_ID": str(number)},
                stdout=file,
                stderr=file,
            )
            for number in range(hosts)
        ]
        if any([process.wait() for process in processes]):
            raise UserError(f"{command[0]}: expected exit status 0, received another; read {log}")


if __name__ == "__main__":
    sys.exit(run_command(bench_costs))
