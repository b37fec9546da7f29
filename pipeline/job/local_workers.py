"""Worker processes of this machine: how they are started, and what becomes of the job when one dies or at Ctrl-C."""

import contextlib
import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import psutil
from apache_beam.transforms.environments import SubprocessSDKEnvironment

_WORKER = "pipeline.job.beam_worker"
_INTERRUPTED = 128 + signal.SIGINT


def worker_processes() -> SubprocessSDKEnvironment:
    """Worker processes that import what this process imports, whatever lies in the working folder."""
    path = os.pathsep.join(entry for entry in sys.path if os.path.isabs(entry))
    settings = ["PYTHONSAFEPATH=1", f"PYTHONPATH={path}"]
    # In place of the shell that starts it, so that its parent is this process.
    command = ["exec", "env", *settings, sys.executable, "-m", _WORKER, str(os.getpid())]
    # A terminal sends Ctrl-C to all processes; this one alone decides what becomes of it.
    return SubprocessSDKEnvironment.from_command_string(f"trap '' INT; {shlex.join(command)}")


@contextlib.contextmanager
def end_together() -> Iterator[None]:
    """Ends the program when a worker process dies, and the workers when the program is interrupted.

    Raises:
        KeyboardInterrupt: SIGINT has come, whatever Beam has made of it.
    """
    interrupted = threading.Event()
    with _end_with_a_dead_worker(interrupted), _interruptible(interrupted):
        yield


@contextlib.contextmanager
def _interruptible(interrupted: threading.Event) -> Iterator[None]:
    outer = signal.getsignal(signal.SIGINT)
    if outer is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        if interrupted.is_set():
            os._exit(_INTERRUPTED)
        interrupted.set()
        # Beam tells of each connection that it loses.
        logging.disable(logging.CRITICAL)
        # The runner waits for their ends, and they for that of their work.
        _kill_workers()
        raise KeyboardInterrupt

    disabled = logging.root.manager.disable
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        logging.disable(disabled)
        signal.signal(signal.SIGINT, outer)
        if interrupted.is_set():
            # In place of an error that Beam has made of it.
            raise KeyboardInterrupt


def _kill_workers() -> None:
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if _WORKER in process.cmdline():
                process.kill()


@contextlib.contextmanager
def _end_with_a_dead_worker(interrupted: threading.Event) -> Iterator[None]:
    # The runner would wait for that worker forever; only the thread that watches the worker raises. The other workers
    # end when they find their parent gone.
    outer = threading.excepthook

    def hook(args: Any) -> None:
        if interrupted.is_set():
            return
        outer(args)
        if args.thread is not None and args.thread.name == "run_worker":
            message = f"A Beam worker died ({args.exc_value}); the same command takes up what is finished."
            print(message, file=sys.stderr, flush=True)
            os._exit(1)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = outer
