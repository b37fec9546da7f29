"""What Beam tells of an error in a step beside the error itself: its place in Beam, once more for every process."""

import contextlib
import logging
from collections.abc import Iterator

_REPEATING = ("apache_beam.runners.common", "apache_beam.runners.worker.sdk_worker")
# It warns of workers that it did not choose itself.
_WARNING = ("apache_beam.runners.portability.fn_api_runner.fn_runner",)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Lets the errors of steps be told by those alone who catch them, while the block runs."""
    levels = dict.fromkeys(_REPEATING, logging.CRITICAL) | dict.fromkeys(_WARNING, logging.ERROR)
    before = {name: logging.getLogger(name).level for name in levels}
    try:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
