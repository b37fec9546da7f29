"""A few rejected pairs for each rule, the same ones in whatever order they come."""

import hashlib
import heapq
import json
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
        # Heaps of the largest hash first, each with its reject as JSON: a file of two corpora has each place twice.
        self._kept: dict[str, list[tuple[int, str, int, str]]] = {}

    def add(self, reject: Mapping[str, Any]) -> None:
        """Takes a row of a reject file, with `rule`, `file` and `line`; of long texts the beginning is kept."""
        file, line = reject["file"], reject["line"]
        digest = hashlib.blake2b(f"{file}\n{line}".encode(), digest_size=8).digest()
        heap = self._kept.setdefault(reject["rule"], [])
        place = (-int.from_bytes(digest, "big"), str(file), line)
        if len(heap) < self._each:
            heapq.heappush(heap, (*place, _shortened(reject)))
        elif place >= heap[0][:3]:
            heapq.heappushpop(heap, (*place, _shortened(reject)))

    def add_all(self, examples: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
        """Takes what another's `by_rule` gave."""
        for rejects in examples.values():
            for reject in rejects:
                self.add(reject)

    def by_rule(self) -> dict[str, list[dict[str, Any]]]:
        """The kept rows of each rule, in the order of the files and lines."""
        return {
            rule: [json.loads(entry[3]) for entry in sorted(heap, key=lambda entry: entry[1:])]
            for rule, heap in sorted(self._kept.items())
        }


def _shortened(reject: Mapping[str, Any]) -> str:
    fields = {
        name: value[: _LONGEST - 1] + "…" if name in ("source", "target") and len(value) > _LONGEST else value
        for name, value in reject.items()
    }
    return json.dumps(fields)
