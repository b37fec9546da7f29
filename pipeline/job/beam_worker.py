"""A worker process of the job on this machine: Beam's own, that ends with the process that started it."""

import contextlib
import logging
import os
import sys
import threading
import time

from pipeline.job import beam_log
from pipeline.job.garbage import seldom_collected

_SECONDS = 0.5


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    # Beam's own threads would wait a minute for the lost connection.
    os._exit(1)


def main() -> None:
    """Works for the process whose id is the argument, until that has no more to do, or is gone."""
    # What is done and what is found is told by the job; Beam tells of each of its channels.
    logging.disable(logging.WARNING)
    threading.Thread(target=_end_with, args=[int(sys.argv[1])], daemon=True).start()
    from apache_beam.runners.worker import sdk_worker_main

    # It prints the errors that it hands to the job, beside telling them in its log.
    with seldom_collected(), beam_log.quiet(), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        sdk_worker_main.main(sys.argv)


if __name__ == "__main__":
    main()
