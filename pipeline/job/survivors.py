"""Which of the clean pairs stay in the data set."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline import protected
from pipeline.config import PreprocessConfig
from pipeline.job import digests
from pipeline.job.assignment import is_leaked
from pipeline.job.blocks import NearRow, PairRow, RejectRow, TextRow
from pipeline.job.rejects import DUPLICATE, LEAKED, NEAR_DUPLICATE, reject_row


def without_leaked(
    pairs: Iterable[PairRow], excluded: frozenset[bytes], config: PreprocessConfig
) -> tuple[list[PairRow], list[RejectRow], int]:
    """Drops the pairs that have an excluded sentence.

    Args:
        pairs: Rows.
        excluded: Digests of sentences.
        config: The settings.

    Returns:
        The pairs that stay, the rejected ones without their copies, and how many rows were dropped.
    """
    kept: list[PairRow] = []
    leaked: list[PairRow] = []
    for row in pairs:
        (leaked if is_leaked(row[3:5], excluded, config) else kept).append(row)
    # Of several copies, the first is the pair.
    rejected = [reject_row(config, row[1:3], LEAKED, None, None, row[3:5]) for row in leaked if row[5] == 0]
    return kept, rejected, len(leaked)


def most_alike(*rows: NearRow) -> NearRow:
    """Of rows of one near duplicate that of the greatest similarity; of several, that of the other of smallest rank."""
    return min(rows, key=lambda row: (-row[1], row[2]))


def survivors(
    pairs: Iterable[PairRow], near: Mapping[bytes, NearRow], rejected: list[RejectRow], config: PreprocessConfig
) -> Iterator[TextRow]:
    """Drops duplicates and near duplicates.

    Args:
        pairs: Rows in order.
        near: Near duplicates and what they are like, by their places.
        rejected: Is given what is dropped, copies aside.
        config: The settings.

    Yields:
        The first pair of each place, without the place.
    """
    same = kept = b""
    of = None
    for row in pairs:
        place, file, line, source, target, copy = row
        group = place[: digests.SIZE]
        reason: tuple[str, Any, Any] = (DUPLICATE, None, None)
        double = of
        if config.dedup == "none" or (place != same and group != kept):
            # Of the equal pairs that follow, this one is the first, be it like another one.
            same, of = place, (file, line)
            if place not in near:
                sides = protected.mask_pair(source, target) if config.protect else (source, target)
                yield file, line, *sides, copy
                kept = group
                continue
            _, similarity, _, double = near[place]
            reason = (NEAR_DUPLICATE, similarity, config.near_duplicates)
        if copy == 0:
            rejected.append(reject_row(config, (file, line), *reason, (source, target), double))
