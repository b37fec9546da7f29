"""The settings of the server: frozen dataclasses, checked when they are made."""

import dataclasses
from typing import Any

from pipeline.errors import UserError


@dataclasses.dataclass(frozen=True)
class BatcherConfig:
    """How requests are gathered.

    Attributes:
        max_batch_size: Rows of a batch, at most; a single request with more is a batch alone.
        batch_timeout: Seconds that the first request of a batch waits for others while the thread is idle.
        max_queued_rows: Rows that may wait; a request beyond them is refused, unless nothing waits.
    """

    max_batch_size: int = 64
    batch_timeout: float = 0.002
    max_queued_rows: int = 1024

    def __post_init__(self) -> None:
        _check_range(self, "max_batch_size", 1, 65_536)
        _check_range(self, "batch_timeout", 0, 60)
        _check_range(self, "max_queued_rows", 1, 10**6)


@dataclasses.dataclass(frozen=True)
class ServerConfig:
    """How requests are treated.

    Attributes:
        batching: How requests are gathered.
        request_timeout: Seconds after which a request is given up.
        max_body_bytes: Size of a request's body, at most, before and after decompression.
        poll_interval: Seconds between two looks at the export's folder for other versions; 0 looks only at the start.
    """

    batching: BatcherConfig = dataclasses.field(default_factory=BatcherConfig)
    request_timeout: float = 30.0
    max_body_bytes: int = 16 * 2**20
    poll_interval: float = 1.0

    def __post_init__(self) -> None:
        _check_range(self, "request_timeout", 0.001, 3600)
        _check_range(self, "max_body_bytes", 1, 2**30)
        _check_range(self, "poll_interval", 0, 86_400)


def _check_range(settings: Any, name: str, least: float, most: float) -> None:
    value = getattr(settings, name)
    if not least <= value <= most:
        raise UserError(f"{name}: expected {least} to {most}, received {value}; choose one within")
