"""Worker processes of this machine: how they are started, and what becomes of the job when one dies."""

import contextlib
import os
import shlex
import sys
import threading
from collections.abc import Iterator
from typing import Any

from apache_beam.transforms.environments import SubprocessSDKEnvironment


def worker_processes() -> SubprocessSDKEnvironment:
    """Worker processes that import what this process imports, whatever lies in the working folder."""
    path = os.pathsep.join(entry for entry in sys.path if os.path.isabs(entry))
    settings = ["PYTHONSAFEPATH=1", f"PYTHONPATH={path}"]
    # In place of the shell that starts it, so that its parent is this process.
    command = ["exec", "env", *settings, sys.executable, "-m", "pipeline.job.beam_worker", str(os.getpid())]
    return SubprocessSDKEnvironment.from_command_string(shlex.join(command))


@contextlib.contextmanager
def end_with_a_dead_worker() -> Iterator[None]:
    """Ends the program when a worker process dies.

    The runner would wait for that worker forever, and for the others when it is interrupted; only the thread that
    watches the worker raises. The other workers end when they find their parent gone.
    """
    outer = threading.excepthook

    def hook(args: Any) -> None:
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
