"""Rows of sketches and of their bands: what near duplicates are found by, as NumPy arrays in strings of bytes.

A pair's name is a number that stands for its text, its rank the place of its first copy, which decides who stays, and
its origin the input and the line where it was read. Names of different texts may be equal: they only make a sketch
travel in vain.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.job.minhash import SKETCH_BYTES, similarity

# In a band that many pairs share, a pair is compared with so many of smallest rank: work grows with the pairs alone.
COMPARED = 64

BAND = np.dtype([("band", "<u4"), ("name", "<u4")])
SHARED = np.dtype([("band", "<u8"), ("name", "<u4")])
_WORD = 8
# An origin is one number, ordered as inputs and their lines are: lines have this many bits of it, inputs the rest.
_LINE_BITS = np.uint64(40)


def sketch_type(place_bytes: int) -> np.dtype:
    """The row of a pair's first copy."""
    fields = [("name", "<u4"), ("place", *_place(place_bytes)), ("origin", "<u8"), ("bits", "u1", (SKETCH_BYTES,))]
    return np.dtype(fields)


def copy_type(place_bytes: int) -> np.dtype:
    """The row of any copy."""
    return np.dtype([("rank", *_place(place_bytes)), *sketch_type(place_bytes).descr])


def member_type(place_bytes: int) -> np.dtype:
    """The row of a copy that shares a band."""
    return np.dtype([("band", "<u8"), *copy_type(place_bytes).descr])


def _place(place_bytes: int) -> tuple[str, tuple[int]]:
    return "<u8", (place_bytes // _WORD,)


def to_words(places: Iterable[bytes], place_bytes: int) -> np.ndarray:
    """Places as (places, words), uint64: numbers in the order of the bytes."""
    return np.frombuffer(b"".join(places), ">u8").reshape(-1, place_bytes // _WORD)


def to_places(words: np.ndarray) -> list[bytes]:
    """Places of (places, words), uint64."""
    size, joined = _WORD * words.shape[1], words.astype(">u8").tobytes()
    return [joined[start : start + size] for start in range(0, len(joined), size)]


def to_origins(inputs: Sequence[int], lines: Sequence[int]) -> np.ndarray:
    """Origins, (pairs,), uint64, of the numbers of inputs and of their lines, both from 0."""
    return np.array(inputs, np.uint64) << _LINE_BITS | np.array(lines, np.uint64)


def to_inputs_and_lines(origins: np.ndarray) -> list[tuple[int, int]]:
    """The numbers of the input and of the line of each of some origins, (pairs,), uint64."""
    inputs = origins >> _LINE_BITS
    return [*zip(inputs.tolist(), (origins ^ inputs << _LINE_BITS).tolist(), strict=True)]


def from_blocks(blocks: Iterable[bytes], dtype: np.dtype) -> np.ndarray:
    """The rows that some strings of bytes hold."""
    return np.frombuffer(b"".join(blocks), dtype)


def divide(rows: np.ndarray, numbers: np.ndarray, partitions: int) -> Iterator[tuple[int, bytes]]:
    """Divides rows among partitions by numbers that are spread evenly.

    Args:
        rows: (rows,), of any type.
        numbers: (rows,), unsigned: the remainder tells the partition.
        partitions: Their count.

    Yields:
        A partition that has rows, and these.
    """
    partition = numbers % numbers.dtype.type(partitions)
    order = np.argsort(partition, kind="stable")
    rows, partition = rows[order], partition[order]
    starts = np.flatnonzero(_changes(partition))
    for start, end in zip(starts, np.append(starts, len(rows))[1:], strict=True):
        yield int(partition[start]), rows[start:end].tobytes()


def shared(bands: np.ndarray, partition: int) -> np.ndarray:
    """Finds the bands of a partition that several names have.

    Args:
        bands: (rows,), `BAND`.
        partition: Its number, which tells its bands from those of other partitions.

    Returns:
        (rows,), `SHARED`: each name of each such band once.
    """
    keys = np.unique(bands["band"].astype(np.uint64) << np.uint64(32) | bands["name"])
    band = keys >> np.uint64(32)
    starts = _changes(band)
    together = ~(starts & np.append(starts[1:], True)) if len(keys) else starts
    found = np.empty(np.count_nonzero(together), SHARED)
    found["band"] = band[together] | np.uint64(partition) << np.uint64(32)
    found["name"] = keys[together].astype(np.uint32)
    return found


def meet(bands: np.ndarray, sketches: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Gives each name that shares bands its sketches.

    Args:
        bands: (rows,), `SHARED`.
        sketches: (sketches,), `sketch_type`: those of first copies.
        copies: (copies,), `copy_type`: those of other ones.

    Returns:
        (members,), `member_type`: each different copy once for each band, with the smallest origin of equal ones.
    """
    sketches = sketches[np.isin(sketches["name"], bands["name"])]
    copies = copies[np.isin(copies["name"], bands["name"])]
    rows = np.empty(len(sketches) + len(copies), copies.dtype)
    for field in sketches.dtype.names or ():
        rows[field] = np.concatenate([sketches[field], copies[field]])
    rows["rank"] = np.concatenate([sketches["place"], copies["rank"]])
    rows = rows[np.lexsort([rows["origin"], *rows["place"].T, rows["name"]])]
    rows = rows[_changes(rows["name"]) | _changes(rows["place"])]
    first = np.searchsorted(rows["name"], bands["name"], "left")
    counts = np.searchsorted(rows["name"], bands["name"], "right") - first
    # Of each band's name the rows first, first + 1, ...
    row = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts - first, counts)
    members = np.empty(len(row), [("band", "<u8"), *copies.dtype.descr])
    for field in copies.dtype.names or ():
        members[field] = rows[field][row]
    members["band"] = np.repeat(bands["band"], counts)
    return members


def likeness(members: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compares the members of each band with the `COMPARED` of smallest rank.

    Args:
        members: (members,), `member_type`, in any order.

    Returns:
        The members sorted; (members,), float64: the greatest similarity to one of smaller rank, -1 if none is; and
        (members,), int64: the number of that one, of equally similar ones that of smallest rank, of its copies that of
        smallest origin.
    """
    members = members[np.lexsort([members["origin"], *members["rank"].T[::-1], members["band"]])]
    band_starts = _changes(members["band"])
    head_starts = band_starts | _changes(members["rank"])
    heads = np.flatnonzero(head_starts)
    # Of each band the number of its first head; of each member the count of heads before its own.
    first = np.flatnonzero(band_starts[heads])[band_starts.cumsum() - 1]
    smaller = head_starts.cumsum() - 1 - first
    best, like = np.full(len(members), -1.0), np.zeros(len(members), np.int64)
    for number in range(min(COMPARED, int(smaller.max(initial=0)))):
        later = np.flatnonzero(smaller > number)
        others = heads[first[later] + number]
        found = similarity(members["bits"][later], members["bits"][others])
        more = found > best[later]
        best[later[more]], like[later[more]] = found[more], others[more]
    return members, best, like


def _changes(values: np.ndarray) -> np.ndarray:
    """(rows,), bool: whether a row differs from the one before it, as the first does."""
    differs = values[1:] != values[:-1]
    return np.append(np.full(min(len(values), 1), True), differs.any(axis=1) if differs.ndim > 1 else differs)
