"""A few rejected pairs for each rule, the same ones in whatever order they come."""

import hashlib
import heapq
from collections.abc import Iterable, Mapping
from typing import Any

_LONGEST = 240


class Examples:
    """Keeps the rejected pairs whose places in the files have the smallest hashes.

    Args:
        each: How many of each rule.
    """

    def __init__(self, each: int = 5):
        self._each = each
        # Heaps of the largest hash first, each with its reject; no two places are equal.
        self._kept: dict[str, list[tuple[int, str, int, dict[str, Any]]]] = {}

    def add(self, reject: Mapping[str, Any]) -> None:
        """Takes a row of a reject file, with `rule`, `file` and `line`; of long texts the beginning is kept."""
        file, line = reject["file"], reject["line"]
        digest = hashlib.blake2b(f"{file}\n{line}".encode(), digest_size=8).digest()
        heap = self._kept.setdefault(reject["rule"], [])
        entry = (-int.from_bytes(digest, "big"), str(file), line, reject)
        if len(heap) < self._each:
            heapq.heappush(heap, (*entry[:3], _shortened(reject)))
        elif entry[:3] > heap[0][:3]:
            heapq.heapreplace(heap, (*entry[:3], _shortened(reject)))

    def add_all(self, examples: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
        """Takes what another's `by_rule` gave."""
        for rejects in examples.values():
            for reject in rejects:
                self.add(reject)

    def by_rule(self) -> dict[str, list[dict[str, Any]]]:
        """The kept rows of each rule, in the order of the files and lines."""
        return {
            rule: [entry[3] for entry in sorted(heap, key=lambda entry: entry[1:3])]
            for rule, heap in sorted(self._kept.items())
        }


def _shortened(reject: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value[: _LONGEST - 1] + "…" if name in ("source", "target") and len(value) > _LONGEST else value
        for name, value in reject.items()
    }
