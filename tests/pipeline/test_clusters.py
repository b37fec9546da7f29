"""One data set, byte for byte, wherever the job runs: real services and worker processes on this machine."""

import contextlib
import dataclasses
import gzip
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import islice, product
from pathlib import Path

import apache_beam as beam
import pytest

import pipeline
from pipeline.config import PreprocessConfig
from pipeline.errors import UserError
from pipeline.job.runners import Runner
from pipeline.preprocess import preprocess

pytestmark = pytest.mark.slow
PROJECT = Path(pipeline.__file__).parents[1]
WORDS = ("ba", "du", "fe", "gim", "kol", "mar", "nu", "pes", "rit", "sov", "tal", "wen")


@contextlib.contextmanager
def module(name, *arguments):
    """Runs a module of Beam in a process of its own, which finds this Python and this project."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", name, *arguments],
        cwd="/",
        env={**os.environ, "PATH": path, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # With the workers that it started.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port():
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def portable(tmp_path_factory):
    """The flags of a job service and a worker pool."""
    folder = tmp_path_factory.mktemp("portable")
    port, pool = folder / "port", free_port()
    runners = "apache_beam.runners"
    with (
        module(f"{runners}.portability.local_job_service_main", f"--port_file={port}", f"--staging_dir={folder}"),
        module(f"{runners}.worker.worker_pool_main", f"--service_port={pool}"),
    ):
        deadline = time.monotonic() + 120
        while not port.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        yield [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{port.read_text()}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{pool}",
        ]


def dask_cluster():
    """A Dask cluster of two processes."""
    distributed = pytest.importorskip("distributed")
    return distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    )


def dask_flags(cluster):
    return ["--runner=DaskRunner", f"--dask_client_address={cluster.scheduler_address}"]


@pytest.fixture(scope="module")
def dask():
    """The flags of a Dask cluster."""
    with dask_cluster() as cluster:
        yield dask_flags(cluster)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Settings that let every step of the job have something to do, of files in the working folder."""
    folder = tmp_path_factory.mktemp("corpus")
    pairs = [(" ".join(words), " ".join(word * 2 for word in words)) for words in islice(product(WORDS, repeat=4), 900)]
    files = {"plain": pairs[:500], "packed": [*pairs[450:], ("", "nothing"), ("du", "du du du du du du du du du")]}
    for name, own in files.items():
        for side, language in enumerate(("en", "de")):
            text = "".join(pair[side] + "\n" for pair in own).encode()
            (folder / f"{name}.{language}").write_bytes(gzip.compress(text) if name == "packed" else text)
    (folder / "test.en").write_text(f"{pairs[7][0]}\n{pairs[8][0]}\n")
    with contextlib.chdir(folder):
        yield PreprocessConfig(
            source=tuple(f"{name}.en" for name in files),
            target=tuple(f"{name}.de" for name in files),
            exclude=("test.en",),
            output="data",
            vocab_size=400,
            shards=3,
            valid_share=0.1,
            protect=True,
            near_duplicates=0.75,
        )


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@pytest.fixture(scope="module")
def expected(corpus, tmp_path_factory):
    """The data set that one process makes."""
    output = tmp_path_factory.mktemp("expected") / "data"
    manifest = preprocess(dataclasses.replace(corpus, output=str(output)))
    assert all(manifest.rejected[rule] for rule in ("empty", "leaked", "duplicate", "near_duplicate"))
    assert manifest.splits["valid"].records
    return contents(output)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Settings of a job that takes seconds, and the data set that one process makes."""
    folder = tmp_path_factory.mktemp("many")
    lines = [" ".join(words) for words in product(WORDS, repeat=4)]
    for name, own in (("a.en", lines), ("a.de", [line.replace(" ", "o ") for line in lines])):
        (folder / name).write_text("".join(f"{line}\n" for line in own))
    source, target = (str(folder / f"a.{language}") for language in ("en", "de"))
    settings = {"vocab_size": 400, "shards": 2, "valid_share": 0.1}
    config = PreprocessConfig(source=(source,), target=(target,), output=str(folder / "data"), **settings)
    preprocess(config)
    return config, contents(config.output)


def test_two_worker_processes(corpus, expected, tmp_path):
    preprocess(dataclasses.replace(corpus, output=str(tmp_path / "data"), workers=2))
    assert contents(tmp_path / "data") == expected


@pytest.mark.parametrize("cluster", ["portable", "dask"])
def test_worker_processes_of_a_service(corpus, expected, tmp_path, request, cluster):
    flags = request.getfixturevalue(cluster)
    preprocess(dataclasses.replace(corpus, output=str(tmp_path / "data")), flags)
    assert contents(tmp_path / "data") == expected


def opened(pid):
    """The files that a process holds open."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        # It may be closed by now.
        with contextlib.suppress(OSError):
            found.add(os.readlink(descriptor))
    return found


@contextlib.contextmanager
def killing(cluster, folder, pattern, writer):
    """Kills a worker of a Dask cluster when there is such a file: the one that writes it, or any; gives its number."""
    pids = [worker.pid for worker in cluster.workers.values()]
    killed, over = [], threading.Event()

    def watch():
        while not killed and not over.is_set():
            files = {*map(str, folder.glob(pattern))}
            killed.extend([pid for pid in pids if files and (not writer or files & opened(pid))][:1])
            time.sleep(0.001)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("pattern", "writer"), [("progress/*", False), ("text/*.text", False), ("data/.train-*.tfrecord*/*", True)]
)
def test_a_killed_worker_of_dask_is_made_up_for(many, tmp_path, pattern, writer):
    config, whole = many
    with dask_cluster() as cluster, killing(cluster, tmp_path / "data.work", pattern, writer) as killed:
        preprocess(dataclasses.replace(config, output=str(tmp_path / "data")), dask_flags(cluster))
    assert killed and contents(tmp_path / "data") == whole


def die(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_task_that_kills_its_workers_ends_the_job():
    dask_config = pytest.importorskip("dask.config")
    with (
        dask_config.set({"distributed.scheduler.allowed-failures": 0}),
        dask_cluster() as cluster,
        pytest.raises(Exception, match="on 1 different workers, but all those workers died"),
    ):
        Runner(beam_args=dask_flags(cluster)).run(lambda root: root | beam.Create(range(8)) | beam.Map(die))


@pytest.mark.parametrize("cluster", ["portable", "dask"])
def test_worker_processes_of_a_service_and_a_store(corpus, expected, bucket, request, cluster):
    flags = [*request.getfixturevalue(cluster), *bucket.flags]
    preprocess(dataclasses.replace(corpus, output=f"{bucket.url}/data"), flags)
    assert bucket.contents("data") == expected


def refuse(number):
    raise UserError(f"--pairs: expected four fields, received {number}; mend them")


@pytest.mark.parametrize("cluster", ["portable", "dask"])
def test_a_mistake_that_a_far_worker_meets_is_told_in_its_words(request, cluster):
    runner = Runner(beam_args=request.getfixturevalue(cluster))
    with pytest.raises(UserError) as told:
        runner.run(lambda root: root | beam.Create([3]) | beam.Map(refuse))
    assert str(told.value) == "--pairs: expected four fields, received 3; mend them"
