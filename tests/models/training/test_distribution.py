import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
import yaml

import nmt
from models.config import BatchingConfig, ModelConfig, Recipe, TrainingConfig
from models.training.distribution import OneDevice, join, require_what_devices_do
from pipeline.errors import UserError

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[3]
# One shape, one graph. The step size does not go by the length of the run.
RECIPE = {
    "batching": {"size": 9, "shuffle_buffer": 1000, "bucket_width": 32},
    "model": {
        "cell": "gru",
        "encoder": "unidirectional",
        "encoder_units": 6,
        "decoder_units": 6,
        "embedding_size": 5,
        "attention_units": 4,
        "dropout": 0.0,
    },
    "training": {
        "learning_rate": 0.01,
        "schedule": "constant",
        "clip_norm": 0.5,
        "average_momentum": 0.5,
        "label_smoothing": 0.1,
    },
    "decoding": {"beam_size": 1, "max_length_factor": 1.0, "max_length_offset": 5},
}
FIGURES = ("loss", "val_loss", "val_bleu", "gradient_norm", "compilations")
# Rows for each of eight devices: what a mask is drawn for must not grow with them.
DROPS = ("--model.dropout=0.3", "--batching.size=16", "--training.accumulation=2")
# XLA compiles in half the time what runs for seconds.
HASTY = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
slow = pytest.mark.slow


def command(folder, data, name, *options):
    """The arguments of `nmt` for a training."""
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    return ["train", str(recipe), "--data", data, "--output", str(folder / name), *options]


def started(folder, data, name, *options, program=("-m", "nmt"), **environment):
    """A training in a process of its own."""
    return begun(*program, *command(folder, data, name, *options), **environment)


def begun(*arguments, **environment):
    """Python in a process of its own."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def hosts(folder, data, name, *options):
    """Two processes that find each other over the loopback device."""
    common = {"KERAS_DISTRIBUTION_JOB_ADDRESSES": free_address(), "KERAS_DISTRIBUTION_NUM_PROCESSES": "2"}
    numbers = ({"KERAS_DISTRIBUTION_PROCESS_ID": str(number)} for number in range(2))
    options = ("--training.distribution=hosts", *options)
    return [started(folder, data, name, *options, KERAS_BACKEND="jax", **common, **number) for number in numbers]


def ended(*processes):
    for process in processes:
        _, told = process.communicate(timeout=600)
        assert process.returncode == 0, told


def figures(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return np.array([[row[name] for name in FIGURES] for row in rows])


def agree(run, other):
    np.testing.assert_allclose(figures(run), figures(other), rtol=2e-5)


@slow
def test_two_replicas_do_what_one_does():
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [sys.executable, HERE / "replicas_agree.py"], env=environment, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@slow
def test_devices_of_tensorflow_train_as_one_does(data, tmp_path):
    """From the command to the last epoch, resumed on one device."""
    there = {"program": (HERE / "train_there.py",), "KERAS_BACKEND": "tensorflow", "CPUS": "2"}
    ended(started(tmp_path, data, "two", "--training.distribution=devices", "--training.epochs=2", **there))
    assert len(figures(tmp_path / "two")) == 2
    for name, options in (("one", ()), ("two", ("--resume",))):
        nmt.run(command(tmp_path, data, name, *options, "--training.epochs=3"))
    agree(tmp_path / "one", tmp_path / "two")


@slow
@pytest.mark.timeout(1200)
def test_devices_of_jax_train_as_one_does(data, tmp_path):
    """With dropout: a mask is of the whole batch, of which each device has its part."""
    one, eight = (
        command(tmp_path, data, name, f"--training.distribution={distribution}", *DROPS, "--training.epochs=3")
        for name, distribution in (("one", "none"), ("eight", "devices"))
    )
    virtual = f"{HASTY} --xla_force_host_platform_device_count=8"
    ended(begun(HERE / "train_there.py", *one, "--", *eight, KERAS_BACKEND="jax", XLA_FLAGS=virtual))
    agree(tmp_path / "one", tmp_path / "eight")
    # Of one shape there is one graph, however long it runs.
    assert set(figures(tmp_path / "one")[:, FIGURES.index("compilations")]) == {1}


@pytest.mark.long
@slow
@pytest.mark.timeout(1200)
def test_a_host_that_is_killed_ends_the_run_which_goes_on_to_the_same(data, tmp_path):
    options, run = (*DROPS, "--training.checkpoint_every=1"), tmp_path / "run"
    ended(started(tmp_path, data, "one", *DROPS, "--training.epochs=12", KERAS_BACKEND="jax"))
    first, second = hosts(tmp_path, data, "run", *options, "--training.epochs=500")
    try:
        while not (run / "metrics.jsonl").exists():
            assert first.poll() is None, first.stderr.read()
            time.sleep(0.05)
        second.send_signal(signal.SIGKILL)
        lines = []
        while not (lines and "nmt: error: " in lines[-1]):
            lines.append(first.stderr.readline())
            assert lines[-1], "".join(lines)
    finally:
        second.kill()
    assert "training.distribution: expected 2 hosts to the end, received " in lines[-1]
    assert "--resume goes on from the last checkpoint" in lines[-1]
    done = json.loads(str(np.load(run / "checkpoint.npz")["progress"]))["epoch"]
    assert 1 <= done < 12
    ended(*hosts(tmp_path, data, "run", *options, "--training.epochs=12", "--resume"))
    agree(tmp_path / "one", run)
    # It waits to the end for the host that has gone.
    assert first.wait(timeout=300) != 0


def test_several_hosts_need_jax():
    with pytest.raises(UserError, match=r"^training\.distribution: expected none or devices on TensorFlow, .* 20585"):
        join("hosts")


@slow
def test_why_several_hosts_need_jax():
    """Once this works, there is nothing left to refuse."""
    addresses = ",".join(free_address() for _ in range(2))
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    workers = [
        subprocess.Popen(
            [sys.executable, HERE / "several_workers.py", addresses, str(number)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for number in range(2)
    ]
    for worker in workers:
        told, _ = worker.communicate(timeout=120)
        assert worker.returncode == 3
        assert "Attempt to convert a value" in told and "PerReplica" in told


@slow
def test_hosts_that_nothing_tells_of(data, tmp_path):
    process = started(tmp_path, data, "run", "--training.distribution=hosts", KERAS_BACKEND="jax")
    _, told = process.communicate(timeout=300)
    assert process.returncode == 2
    [line] = [line for line in told.splitlines() if "nmt: error" in line]
    assert "expected a cluster that JAX finds by itself" in line and "KERAS_DISTRIBUTION_JOB_ADDRESSES" in line
    assert not (tmp_path / "run").exists()


def test_a_device_by_itself():
    for distribution in ("none", "devices"):
        devices = join(distribution)
        assert isinstance(devices, OneDevice) and (devices.count, devices.hosts, devices.host) == (1, 1, 0)
    assert devices.share("batches") == "batches" and devices.agree(2.5) == 2.5
    for context in (devices.building, devices.training, devices.alone):
        assert isinstance(context(), contextlib.nullcontext)


@pytest.mark.parametrize(
    ("section", "settings", "named"),
    [
        ("training", {"accumulation": 2}, "accumulation"),
        ("training", {"precision": "float16"}, "precision"),
        ("model", {"cell": "batch-norm-lstm"}, "cell"),
    ],
)
def test_what_replicas_cannot_do_is_refused(section, settings, named):
    recipe = Recipe(BatchingConfig(), ModelConfig(), TrainingConfig())
    recipe = dataclasses.replace(recipe, **{section: dataclasses.replace(getattr(recipe, section), **settings)})
    require_what_devices_do(recipe, OneDevice())
    with pytest.raises(UserError, match=rf"^{section}\.{named}: expected another beside training\.distribution"):
        require_what_devices_do(recipe, types.SimpleNamespace(count=2))
