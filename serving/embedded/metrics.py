"""What the server counts and measures: TF Serving's metrics under its names, and those of the batches."""

import dataclasses
from collections.abc import Iterable, Mapping

from serving.embedded.prometheus import Counter, Histogram, Metric, render
from serving.embedded.status import Code

# Microseconds: as in TF Serving, 33 steps of a factor of 1.8 from 10, which is about 20 minutes.
_LATENCIES = [10 * 1.8**i for i in range(33)]
_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
_ROWS = [2**i for i in range(13)]


@dataclasses.dataclass(frozen=True)
class ModelNumbers:
    """What a model counts itself.

    Attributes:
        waiting_rows: Rows that wait now.
        failed_loads: Attempts to load a version that failed.
        source_characters: Characters of texts to translate.
        target_characters: Characters of translations.
    """

    waiting_rows: int
    failed_loads: int
    source_characters: int
    target_characters: int


class ServingMetrics:
    """The metrics of all models of a server; belongs to the thread of its event loop."""

    def __init__(self) -> None:
        self._requests = Counter(
            ":tensorflow:serving:request_count", "Requests for predictions.", ["model_name", "status"]
        )
        self._latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Microseconds that requests which succeeded took.",
            ["model_name", "API", "entrypoint"],
            _LATENCIES,
        )
        self._queued = Metric("nmt_queue_rows", "Rows that wait to be run.", ["model_name"])
        self._failed_loads = Counter(
            "nmt_failed_loads_total", "Attempts to load a version that failed.", ["model_name"]
        )
        self._characters = Counter(
            "nmt_characters_total", "Characters of texts to translate, and of translations.", ["model_name", "side"]
        )
        self._batches = Histogram("nmt_batch_rows", "Rows of the batches that were run.", ["model_name"], _ROWS)
        self._stages = Histogram(
            "nmt_stage_seconds",
            "Seconds that requests spent waiting for their batch to be run, and running in it.",
            ["model_name", "stage"],
            _SECONDS,
        )

    def record_request(self, model: str, verb: str, entrypoint: str, code: Code, seconds: float) -> None:
        """Counts a request that has been answered.

        Args:
            model: The model's name.
            verb: What it asked for: `predict`, `classify` or `regress` over REST, `Predict` over gRPC.
            entrypoint: What it came by, `REST` or `GRPC`.
            code: How it ended.
            seconds: How long that took; counts for a success alone, as in TF Serving.
        """
        self._requests.add(model, code.name)
        if code == Code.OK:
            self._latency.observe(round(seconds * 1e6), model, verb, entrypoint)

    def record_batch(self, model: str, rows: int, waited: Iterable[float], ran: float) -> None:
        """Counts a batch that has been run.

        Args:
            model: The model's name.
            rows: How many it had.
            waited: Seconds that each of its requests waited.
            ran: Seconds that it was run.
        """
        self._batches.observe(rows, model)
        for seconds in waited:
            self._stages.observe(seconds, model, "waiting")
            self._stages.observe(ran, model, "running")

    def render(self, models: Mapping[str, ModelNumbers]) -> str:
        """The metrics in Prometheus's text format.

        Args:
            models: What each model counts itself, by its name; of others none of that is told.
        """
        for metric in (self._queued, self._failed_loads, self._characters):
            metric.clear()
        for model, numbers in models.items():
            self._queued.set(numbers.waiting_rows, model)
            self._failed_loads.set(numbers.failed_loads, model)
            self._characters.set(numbers.source_characters, model, "source")
            self._characters.set(numbers.target_characters, model, "target")
        own = [self._queued, self._failed_loads, self._characters, self._batches, self._stages]
        return render([self._requests, self._latency, *own])
