"""Where the job runs: on this machine or on a cluster, with mistakes told in words."""

import os
import signal
import socket
import sys
from pathlib import Path

import apache_beam as beam
import pytest

from pipeline.errors import UserError
from pipeline.job.runners import Runner


def write(number: int, folder: str) -> int:
    Path(folder, f"{number}-{os.getpid()}").touch()
    return number


def refuse(number: int) -> int:
    if number == 3:
        raise UserError("--pairs: expected four fields, received three; mend line 7")
    return number


def fail(number: int) -> int:
    raise RuntimeError("of our own making")


def interrupt(number: int) -> int:
    if number == 3:
        signal.raise_signal(signal.SIGINT)
    return number


def steps(function, *args):
    def build(root):
        _ = root | beam.Create(range(40)) | beam.Reshuffle() | beam.Map(function, *args)

    return build


def test_one_worker_is_this_process(tmp_path):
    Runner().run(steps(write, str(tmp_path)))
    assert {path.name for path in tmp_path.iterdir()} == {f"{number}-{os.getpid()}" for number in range(40)}


@pytest.mark.slow
def test_several_workers_are_processes_that_share_the_work(tmp_path):
    Runner(workers=2).run(steps(write, str(tmp_path)))
    numbers, workers = zip(*(path.name.split("-") for path in tmp_path.iterdir()), strict=True)
    assert sorted(map(int, numbers)) == list(range(40))
    assert len(set(workers)) == 2 and str(os.getpid()) not in workers


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_mistake_that_a_worker_meets_is_told_in_its_words_and_once(workers, capfd, caplog):
    with pytest.raises(UserError) as told:
        Runner(workers).run(steps(refuse))
    assert str(told.value) == "--pairs: expected four fields, received three; mend line 7"
    with pytest.raises(RuntimeError, match="of our own making"):
        Runner(workers).run(steps(fail))
    assert capfd.readouterr() == ("", "") and not caplog.records


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_is_one_whatever_beam_makes_of_it():
    with pytest.raises(KeyboardInterrupt):
        Runner().run(steps(interrupt))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("workers", "flags", "message"),
    [
        (1, ["--runner=DirectRunner"], "-- --runner: expected DaskRunner, .* received 'DirectRunner'; leave it out"),
        (1, ["--runner", "some.module.Runner"], "-- --runner: .* received 'some.module.Runner'"),
        (2, ["--runner=dask"], "--workers: expected 1 beside a --runner, received 2"),
        (1, ["--direct_num_workers=2"], "-- --direct_num_workers: expected --workers, received 2; give --workers N"),
        (1, ["--direct_running_mode=multi_threading"], "-- --direct_running_mode: expected --workers"),
        (
            2,
            ["--s3_regionname", "eu"],
            "-- --s3_regionname: expected a flag of Apache Beam's such as --s3_region_name, ",
        ),
        (1, ["--runner=dask", "--wxyz=1"], "-- --wxyz: expected a flag of Apache Beam's, received one"),
        (1, ["c.en"], "-- c.en: expected flags of Apache Beam's alone, received a word; give files before --"),
        (1, ["--runner=dask", "--temp_location", "gs://a", "c.en"], "-- c.en: expected flags of Apache Beam's alone"),
        (1, ["--runner=DataflowRunner", "--wxyz"], "-- --wxyz: expected a flag of Apache Beam's, received one"),
    ],
)
def test_what_does_not_fit_is_refused(workers, flags, message):
    with pytest.raises(UserError, match=message):
        Runner(workers, flags)


@pytest.mark.parametrize("runner", ["Flink", "Spark", "Portable"])
def test_flags_that_a_job_service_may_know_are_left_to_it(runner):
    assert not Runner(1, [f"--runner={runner}Runner", "--fasterCopy=true"]).local


@pytest.mark.parametrize(
    "flags",
    [
        ["--runner=PortableRunner", "--job_endpoint=localhost:1"],
        ["--runner=Portable", "--job_endpoint=localhost:1", "--environment_type=docker"],
        ["--runner=FlinkRunner", "--flink_master=localhost:8081"],
        ["--runner=FlinkRunner", "--environment_type=DOCKER"],
        ["--runner=SparkRunner", "--spark_master_url=spark://localhost:7077"],
        ["--runner=DataflowRunner"],
    ],
)
def test_containers_are_refused_the_files_of_this_machine(flags):
    runner = Runner(beam_args=flags)
    assert not runner.local
    with pytest.raises(UserError, match=r"-- --runner: .* received 'data' on this machine; use a shared file system"):
        runner.require_reachable(["gs://bucket/en.txt", "data"])
    runner.require_reachable(["gs://bucket/en.txt", "hdfs://bucket/data"])


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--runner=FnApiRunner"],
        ["--runner=PortableRunner", "--environment_type=EXTERNAL"],
        ["--runner=FlinkRunner"],
        ["--runner=FlinkRunner", "--flink_master=localhost:8081", "--environment_type=PROCESS"],
        ["--runner=SparkRunner"],
        ["--runner=apache_beam.runners.dask.dask_runner.DaskRunner"],
    ],
)
def test_workers_outside_of_containers_see_the_files_of_this_machine(flags):
    Runner(beam_args=flags).require_reachable(["/corpus/en.txt", "data"])


def test_a_store_that_does_not_answer_is_told_at_once():
    with pytest.raises(UserError, match=r"-- --s3_endpoint_url: expected the address .* received 'http://127.0.0.1:1'"):
        Runner(1, ["--s3_endpoint_url=http://127.0.0.1:1"])


def test_a_cluster_that_does_not_answer_is_told_at_once():
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    for flags in (
        ["--runner=PortableRunner", f"--job_endpoint=localhost:{port}", "--environment_type=EXTERNAL"],
        ["--runner=DaskRunner", f"--dask_client_address=tcp://localhost:{port}"],
    ):
        with pytest.raises(UserError, match=rf"-- {flags[1].partition('=')[0]}: .* received '.*localhost:{port}'"):
            Runner(beam_args=flags).run(steps(refuse))


def test_a_runner_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam.runners.dask.dask_runner", None)
    with pytest.raises(UserError, match=r"-- --runner: .*dask.*; install it with `pip install keras-nmt\[dask\]`"):
        Runner(beam_args=["--runner=Dask", "--dask_npartitions=3"]).run(steps(refuse))
