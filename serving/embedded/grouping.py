"""Which of the requests that wait are run together."""

from collections.abc import Sequence

import numpy as np

# What a run costs beyond its rows, in rows, and what a text costs beyond its length, in bytes: fitted to runs of 1 to
# 32 sentences of 35 to 90 bytes, by a model of the recipe `attention` on two cores.
_ROWS_OF_A_RUN, _BYTES_OF_A_ROW = 4, 16


def choose(lengths: Sequence[int], rows: Sequence[int], max_rows: int) -> list[int]:
    """Chooses the requests of a batch: the oldest, and so many of those nearest in length as make it most efficient.

    All rows of a run go through the steps of its longest, so that a run costs about

        (_ROWS_OF_A_RUN + its rows) * (_BYTES_OF_A_ROW + its longest text)

    and is worth the sum of `_BYTES_OF_A_ROW + text` over its rows. In order of length, the batch is that stretch with
    the oldest in it which is worth the most for its cost. As the oldest is always in, nobody waits for ever.

    Args:
        lengths: For each request the bytes of its longest text; the oldest comes first.
        rows: For each request how many rows it has, at least one.
        max_rows: How many rows the batch may have, unless it is the oldest alone.

    Returns:
        The numbers of the chosen requests, ascending.
    """
    sizes = np.array(lengths) + _BYTES_OF_A_ROW
    order = np.argsort(sizes, kind="stable")
    place = int(np.flatnonzero(order == 0)[0])
    counts = np.array(rows)[order]
    counted, worth = (np.concatenate([[0], np.cumsum(each)]) for each in (counts, counts * sizes[order]))
    # Every stretch from a first request to a last one, (firsts, lasts).
    firsts, lasts = np.arange(place + 1)[:, None], np.arange(place, len(order))[None]
    total = counted[lasts + 1] - counted[firsts]
    efficiency = (worth[lasts + 1] - worth[firsts]) / ((_ROWS_OF_A_RUN + total) * sizes[order][lasts])
    too_many = total > max_rows
    too_many[place, 0] = False
    first, last = np.unravel_index(np.argmax(np.where(too_many, 0, efficiency)), efficiency.shape)
    return sorted(order[first : place + last + 1].tolist())
