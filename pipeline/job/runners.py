"""Where the job's Beam pipelines run: in this process, in worker processes of this machine, or on a cluster."""

import argparse
import contextlib
import difflib
import importlib
import re
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import (
    DirectOptions,
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
    StandardOptions,
)
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult

from pipeline.errors import UserError
from pipeline.files import is_stored
from pipeline.job import beam_log
from pipeline.job.garbage import seldom_collected
from pipeline.job.local_workers import end_together, worker_processes

_LOCAL = "fnapirunner"
_CLUSTERS = _DASK, _DATAFLOW, _FLINK, _SPARK, _PORTABLE = (
    "daskrunner",
    "dataflowrunner",
    "flinkrunner",
    "sparkrunner",
    "portablerunner",
)
_DASK_MODULE = "apache_beam.runners.dask.dask_runner"
_NAMES = "DaskRunner, DataflowRunner, FlinkRunner, SparkRunner or PortableRunner"
# Dask makes partitions of 128 elements, so that a block of units or shards would be worked on by one process alone.
_DASK_PARTITIONS = 64
# Beam's job client gives up on a job that takes longer than this, in seconds; its default is five minutes.
_LONGEST_JOB = 30 * 24 * 60 * 60
_SECONDS_TO_ANSWER = 10
_PORTS = {"http": 80, "https": 443}
_USER_ERROR = re.compile(r"pipeline\.errors\.UserError: (?P<message>[^\n]*)")
# As Python words a failure of the system: a full disk, no right to write.
_SYSTEM_ERROR = re.compile(r"Error: (?P<message>\[Errno [0-9]+\] [^\n]*)")
_STEP = re.compile(r" \[while running .*\]$")


class Runner:
    """Runs Beam pipelines, in the way that the number of workers and Beam's own flags choose.

    Args:
        workers: Processes on this machine: one is this process itself, several are worker processes beside it.
        beam_args: Apache Beam's own flags; a `--runner` among them takes the job to a cluster.

    Attributes:
        local: Whether all is done on this machine, by this process and its workers.

    Raises:
        UserError: The runner is not one that the job is known to run on, or a flag does not fit it.
    """

    def __init__(self, workers: int = 1, beam_args: Sequence[str] = ()):
        self._workers, self._flags = workers, list(beam_args)
        options = PipelineOptions(self._flags)
        _require_answer("--s3_endpoint_url", _value(self._flags, "--s3_endpoint_url"))
        # Files are looked for before there is a pipeline, which would tell them.
        FileSystems.set_options(options)
        self._name = _runner_name(options)
        self.local = self._name == _LOCAL
        if _flags_are_known(self._name):
            _refuse_unknown(options, self._flags)
        if self.local:
            _refuse_direct_options(self._flags)
        elif workers > 1:
            raise UserError(
                f"--workers: expected 1 beside a --runner, received {workers}, which is for this machine alone;"
                " leave it out and size the cluster by its own flags, see docs/clusters.md"
            )

    def require_reachable(self, paths: Sequence[str]) -> None:
        """Refuses files that the workers cannot see, before anything is read.

        Args:
            paths: The files that the job reads, and the folder that it makes.

        Raises:
            UserError: Workers run in containers, and a path is on this machine.
        """
        local = [path for path in paths if not is_stored(path)]
        if local and self._in_containers():
            raise UserError(
                f"-- --runner: expected files that a worker's container can read, received {local[0]!r} on this"
                " machine; use a shared file system such as gs://, s3:// or hdfs://, or workers outside of"
                " containers (--environment_type=EXTERNAL or PROCESS), see docs/clusters.md"
            )

    def _in_containers(self) -> bool:
        options = PipelineOptions(self._flags)
        if self._name == _DATAFLOW:
            return True
        if self._name not in (_FLINK, _SPARK, _PORTABLE):
            return False
        kind = options.view_as(PortableOptions).environment_type
        if kind or self._name == _PORTABLE:
            return (kind or "DOCKER").upper() == "DOCKER"
        # Beam's own choice without a cluster's address: workers in this process.
        if self._name == _FLINK:
            return options.view_as(FlinkRunnerOptions).flink_master not in ("[auto]", "[local]")
        return not options.view_as(SparkRunnerOptions).spark_master_url.startswith("local")

    def run(self, build: Callable[[beam.Pipeline], None]) -> None:
        """Builds a pipeline and runs it to its end.

        Args:
            build: Applies the steps. On Dask they must end in one: only what the last one needs is done.

        Raises:
            UserError: A worker met a mistake in what the user gave, or what the runner needs is not installed.
            OSError: A worker could not write.
            KeyboardInterrupt: The job was interrupted.
        """
        try:
            with contextlib.ExitStack() as stack:
                if self.local:
                    stack.enter_context(beam_log.quiet())
                    stack.enter_context(end_together())
                stack.enter_context(seldom_collected())
                _finish(self._start(build))
        except UserError as error:
            raise UserError(_STEP.sub("", str(error))) from error
        except ImportError as error:
            extra = {_DASK: "dask", _DATAFLOW: "gcp"}.get(self._name)
            if extra is None:
                raise
            message = f"-- --runner: {error}; install it with `pip install keras-nmt[{extra}]`"
            raise UserError(message) from error
        except Exception as error:
            # Other processes and other machines tell of an error in words.
            if told := _USER_ERROR.search(str(error)):
                raise UserError(_STEP.sub("", told["message"])) from error
            if told := _SYSTEM_ERROR.search(str(error)):
                raise OSError(_STEP.sub("", told["message"])) from error
            raise

    def _start(self, build: Callable[[beam.Pipeline], None]) -> PipelineResult:
        runner, flags = None, list(self._flags)
        if self.local:
            runner = FnApiRunner(worker_processes() if self._workers > 1 else None)
            flags.append(f"--direct_num_workers={self._workers}")
        elif self._name == _DASK:
            flags = _with_default(flags, "--dask_npartitions", _DASK_PARTITIONS, "--dask_partition_size")
        else:
            flags = _with_default(flags, "--job_server_timeout", _LONGEST_JOB)
        for flag in ("--dask_client_address", "--job_endpoint"):
            _require_answer(flag, _value(flags, flag))
        options = PipelineOptions(flags)
        if self._name == _DASK:
            # Beam knows it by its full name alone.
            options.view_as(StandardOptions).runner = f"{_DASK_MODULE}.DaskRunner"
        pipeline = beam.Pipeline(runner=runner, options=options)
        build(pipeline)
        return pipeline.run()


def _runner_name(options: PipelineOptions) -> str:
    given = options.view_as(StandardOptions).runner
    if not given:
        return _LOCAL
    name = given.rpartition(".")[2].lower().removesuffix("runner") + "runner"
    if name not in (_LOCAL, *_CLUSTERS):
        raise UserError(
            f"-- --runner: expected {_NAMES}, received {given!r}; leave it out to run on this machine with --workers"
        )
    return name


def _flags_are_known(name: str) -> bool:
    """Whether no one reads a flag that Beam does not know here, as job services may."""
    if name == _DASK:
        # Its own are known once it is imported; if it cannot be, the job will say so.
        try:
            importlib.import_module(_DASK_MODULE)
        except ImportError:
            return False
    return name in (_LOCAL, _DASK, _DATAFLOW)


def _refuse_unknown(options: PipelineOptions, flags: Sequence[str]) -> None:
    known = PipelineOptions([]).get_all_options()
    for name in options.get_all_options(retain_unknown_options=True):
        if name not in known:
            near = "".join(f" such as --{other}" for other in difflib.get_close_matches(name, known, 1))
            raise UserError(
                f"-- --{name}: expected a flag of Apache Beam's{near}, received one that it does not know; mend it, or"
                " leave it out"
            )
    parsers: list[argparse.ArgumentParser] = []
    options.get_all_options(add_extra_args_fn=parsers.append)
    for word in parsers[0].parse_known_args(flags)[1]:
        raise UserError(
            f"-- {word}: expected flags of Apache Beam's alone, received a word; give files before --, or leave it out"
        )


def _refuse_direct_options(flags: Sequence[str]) -> None:
    direct = PipelineOptions(list(flags)).view_as(DirectOptions).get_all_options(drop_default=True, current_only=True)
    for option in ("direct_num_workers", "direct_running_mode"):
        if option in direct:
            raise UserError(f"-- --{option}: expected --workers, received {direct[option]!r}; give --workers N instead")


def _with_default(flags: list[str], flag: str, value: int, *rivals: str) -> list[str]:
    if any(_value(flags, other) is not None for other in (flag, *rivals)):
        return flags
    return [*flags, f"{flag}={value}"]


def _value(flags: Sequence[str], flag: str) -> str | None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(flag, dest="value")
    return parser.parse_known_args(flags)[0].value


def _require_answer(flag: str, address: str | None) -> None:
    """Refuses a cluster or a store that does not answer, for which Beam would wait as long as for the job itself."""
    if address is None:
        return
    url = urlsplit(address if "://" in address else f"//{address}")
    try:
        port = url.port or _PORTS.get(url.scheme, 0)
        socket.create_connection((url.hostname or "", port), _SECONDS_TO_ANSWER).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"-- {flag}: expected the address of what is running, received {address!r} ({error}); start it, or mend the"
            " address"
        ) from error


def _finish(result: PipelineResult) -> None:
    client = getattr(result, "client", None)
    try:
        result.wait_until_finish()
    except KeyboardInterrupt:
        # The job of a cluster would go on without us.
        with contextlib.suppress(Exception):
            result.cancel()
        raise
    finally:
        if client is not None:
            client.close()
