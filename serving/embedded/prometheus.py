"""Counters, gauges and histograms, and the text format in which Prometheus reads them (version 0.0.4)."""

import bisect
import collections
from collections.abc import Iterable, Iterator, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric:
    """A name with a value for each combination of its labels' values."""

    kind = "gauge"

    def __init__(self, name: str, text: str, labels: Sequence[str]):
        """Makes a metric without values.

        Args:
            name: Its name.
            text: One line that tells what it is.
            labels: The names of its labels.
        """
        self.name = name
        self.text = text
        self.labels = labels
        self._values: dict[tuple[str, ...], float] = collections.defaultdict(float)

    def set(self, value: float, *labels: str) -> None:
        """Gives the value for these labels' values."""
        self._values[labels] = value

    def clear(self) -> None:
        """Forgets all values."""
        self._values.clear()

    def samples(self) -> Iterator[str]:
        """The lines of its values."""
        for labels, value in sorted(self._values.items()):
            yield _sample(self.name, zip(self.labels, labels, strict=True), value)


class Counter(Metric):
    """A metric that only grows."""

    kind = "counter"

    def add(self, *labels: str) -> None:
        """Counts one more."""
        self._values[labels] += 1


class Histogram(Metric):
    """A metric that counts values by their size."""

    kind = "histogram"

    def __init__(self, name: str, text: str, labels: Sequence[str], limits: Sequence[float]):
        """Makes a histogram without values; `limits`, ascending, are the largest values of its buckets."""
        super().__init__(name, text, labels)
        self.limits = limits
        self._counts: dict[tuple[str, ...], list[int]] = collections.defaultdict(lambda: [0] * (len(limits) + 1))

    def observe(self, value: float, *labels: str) -> None:
        """Counts a value."""
        self._counts[labels][bisect.bisect_left(self.limits, value)] += 1
        self._values[labels] += value

    def samples(self) -> Iterator[str]:
        """The lines of its buckets, which each count the smaller ones too, its sum and its count."""
        for values, counts in sorted(self._counts.items()):
            labels, total = list(zip(self.labels, values, strict=True)), 0
            for limit, count in zip([*(f"{limit:g}" for limit in self.limits), "+Inf"], counts, strict=True):
                total += count
                yield _sample(f"{self.name}_bucket", [*labels, ("le", limit)], total)
            yield _sample(f"{self.name}_sum", labels, self._values[values])
            yield _sample(f"{self.name}_count", labels, total)


def render(metrics: Iterable[Metric]) -> str:
    """The text that Prometheus reads."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} {metric.kind}", *metric.samples()]
    return "".join(f"{line}\n" for line in lines)


def _sample(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    written = ",".join(f'{label}="{_escape(text)}"' for label, text in labels)
    return f"{name}{{{written}}} {value!r}"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
