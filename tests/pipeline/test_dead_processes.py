"""A process that dies: the job ends at once, no other process outlives it, and nothing half-made is taken for whole."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest

import pipeline
from pipeline.config import PreprocessConfig
from pipeline.preprocess import preprocess

pytestmark = pytest.mark.slow
PROJECT = Path(pipeline.__file__).parents[1]

NAPPING = """
import os, sys, time
from pathlib import Path
import apache_beam as beam
from pipeline.job.runners import Runner

def nap(number, folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(300)

def build(root):
    _ = root | beam.Create(range(40)) | beam.Reshuffle() | beam.Map(nap, sys.argv[1])

Runner(workers=2).run(build)
"""


JOB = """
import json, sys
from pipeline.config import PreprocessConfig
from pipeline.preprocess import preprocess

preprocess(PreprocessConfig(**json.loads(sys.argv[1])))
"""


def start(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-P", "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(holds, seconds):
    deadline = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found
    return found


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("victim", ["worker", "job"])
def test_no_process_outlives_a_killed_one(tmp_path, victim):
    job = start(NAPPING, str(tmp_path))
    workers = wait_until(
        lambda: len(found := list(tmp_path.iterdir())) == 2 and [int(path.name) for path in found], 120
    )
    os.kill(job.pid if victim == "job" else workers[0], signal.SIGKILL)
    # The time that is promised.
    assert job.wait(timeout=30) == (1 if victim == "worker" else -signal.SIGKILL)
    wait_until(lambda: not any(map(runs, workers)), 5)
    if victim == "worker":
        assert "A Beam worker died" in job.communicate()[1]


def workers_of(job):
    children = "".join(path.read_text() for path in Path(f"/proc/{job.pid}/task").glob("*/children"))
    return [pid for pid in map(int, children.split()) if b"pipeline.job.beam_worker" in cmdline(pid)]


def cmdline(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@pytest.fixture
def settings_of(write_lines, tmp_path):
    """The settings of a job over all sentences of so many of eight words."""

    def make(length, workers):
        lines = [
            " ".join(words) for words in product(("ba", "du", "fe", "gim", "kol", "mar", "nu", "pes"), repeat=length)
        ]
        return {
            "source": [write_lines("a.en", lines)],
            "target": [write_lines("a.de", [line.replace(" ", "o ") for line in lines])],
            "output": str(tmp_path / "data"),
            "vocab_size": 300,
            "valid_share": 0.1,
            "workers": workers,
        }

    return make


def test_a_job_whose_worker_was_killed_is_taken_up(settings_of, tmp_path):
    settings = settings_of(3, 2)
    job = start(JOB, json.dumps(settings))
    wait_until((tmp_path / "data.work" / "text.finished").exists, 200)
    workers = wait_until(lambda: len(found := workers_of(job)) == 2 and found, 200)
    os.kill(workers[1], signal.SIGKILL)
    assert job.wait(timeout=30) == 1
    assert not (tmp_path / "data").exists() and not list(tmp_path.rglob("manifest.json"))
    wait_until(lambda: not any(map(runs, workers)), 5)
    preprocess(PreprocessConfig(**settings))
    preprocess(PreprocessConfig(**settings | {"output": str(tmp_path / "never killed"), "workers": 1}))
    assert contents(tmp_path / "data") == contents(tmp_path / "never killed")


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_job_ends_quietly_and_is_taken_up(settings_of, tmp_path, workers):
    settings = settings_of(5, workers)
    words = [
        word
        for name, value in settings.items()
        for word in (f"--{name.replace('_', '-')}", *(value if isinstance(value, list) else [str(value)]))
    ]
    job = subprocess.Popen(
        [sys.executable, "-P", "-m", "nmt", "preprocess", *words],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: list(tmp_path.glob("data.work/progress/*.json")), 200)
    others = workers_of(job)
    assert len(others) == (2 if workers == 2 else 0)
    # As a terminal does.
    os.killpg(job.pid, signal.SIGINT)
    told = job.communicate(timeout=60)[1].replace("\r", "\n").splitlines()
    assert job.returncode == 130
    assert not [line for line in told if line and not line.startswith(("count lines: ", "clean and shuffle: "))]
    wait_until(lambda: not any(map(runs, others)), 5)
    assert not (tmp_path / "data").exists() and not list(tmp_path.rglob("manifest.json"))
    preprocess(PreprocessConfig(**settings))
    preprocess(PreprocessConfig(**settings | {"output": str(tmp_path / "never interrupted"), "workers": 1}))
    assert contents(tmp_path / "data") == contents(tmp_path / "never interrupted")
