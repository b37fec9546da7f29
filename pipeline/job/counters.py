"""What a step of the job counts while it runs: for the command on this machine, and for a cluster's own pages."""

from collections.abc import Mapping
from pathlib import Path

import apache_beam as beam
from apache_beam.metrics import Metrics

from pipeline.corpora.filesystems import file_system_options, set_file_system_options
from pipeline.job.progress import Tally

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


class CountingDoFn(beam.DoFn):
    """A step that counts with `self._counters` while it runs.

    Args:
        progress: The folder of what is counted meanwhile.
    """

    def __init__(self, progress: str):
        self._progress = progress
        self._options = file_system_options()

    def setup(self) -> None:
        """Begins to count, and finds files as the command does."""
        # Workers of this machine, of an external pool and of Dask are told no flags by their runners.
        set_file_system_options(self._options)
        self._counters = Counters(self._progress)

    def finish_bundle(self) -> None:
        """Lets all counts be seen."""
        self._counters.leave()
