"""What a step of the job counts while it runs: for the command on this machine, and for a cluster's own pages."""

from collections.abc import Mapping
from pathlib import Path

from apache_beam.metrics import Metrics

from pipeline.progress import Tally

_NAMESPACE = "nmt"


class Counters:
    """Counts as Beam's metrics, which a cluster's page shows, and in a folder, where the command looks.

    Args:
        folder: See `Tally`.
    """

    def __init__(self, folder: str | Path):
        self._tally = Tally(folder)

    def add(self, counts: Mapping[str, int]) -> None:
        """Adds counts; to be called in a step."""
        for name, count in counts.items():
            Metrics.counter(_NAMESPACE, name).inc(count)
        self._tally.add(counts)

    def leave(self) -> None:
        """Lets all counts be seen now."""
        self._tally.leave()
