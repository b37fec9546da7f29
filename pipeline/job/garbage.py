"""Python's collector of cycles, held back while rows come and go."""

import contextlib
import gc
from collections.abc import Iterator

# Rows are tuples of strings and numbers, millions at a time, that no cycle goes through; looking at them again and
# again takes a tenth of the job.
_ALLOCATIONS = 200_000


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Has the collector look for cycles only after many allocations, as long as the block lasts."""
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
