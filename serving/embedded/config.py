"""The settings of the server: frozen dataclasses, checked when they are made."""

import dataclasses
import re
from typing import Any

from pipeline.errors import UserError


@dataclasses.dataclass(frozen=True)
class BatcherConfig:
    """How requests are gathered.

    Attributes:
        max_batch_size: Rows of a batch, at most; a single request with more is a batch alone. 1 joins nothing.
        parallel_runs: Batches that are run at once; a search keeps little more than one core busy.
        max_queued_rows: Rows that may wait; a request beyond them is refused, unless nothing waits.
    """

    max_batch_size: int = 64
    parallel_runs: int = 2
    max_queued_rows: int = 1024

    def __post_init__(self) -> None:
        _check_range(self, "max_batch_size", 1, 65_536)
        _check_range(self, "parallel_runs", 1, 256)
        _check_range(self, "max_queued_rows", 1, 10**6)


@dataclasses.dataclass(frozen=True)
class ServerConfig:
    """How requests are treated.

    Attributes:
        batching: How requests are gathered.
        request_timeout: Seconds after which a request is given up.
        max_body_bytes: Size of a request's body, at most, before and after decompression.
        max_rows: Rows of a request, at most.
        max_characters: Characters of all texts of a request, at most.
        max_connections: Connections at one time, at most; those beyond are answered 503.
        poll_interval: Seconds between two looks at the export's folder for other versions; 0 looks only at the start.
        log_text: Write the bodies of requests for predictions, which hold what is to be translated, in the log too.
        api_key_file: File of keys, one a line; requests must then have `Authorization: Bearer KEY` with one of them.
        tls_certificate: File of a certificate in PEM format, its chain included; with it, all is served over TLS.
        tls_key: File of the certificate's private key in PEM format, not encrypted.
        cors_origin: Origins, such as https://example.org, whose pages may ask from a browser; `*` allows all.
    """

    batching: BatcherConfig = dataclasses.field(default_factory=BatcherConfig)
    request_timeout: float = 30.0
    max_body_bytes: int = 16 * 2**20
    max_rows: int = 4096
    max_characters: int = 1_000_000
    max_connections: int = 512
    poll_interval: float = 1.0
    log_text: bool = False
    api_key_file: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    cors_origin: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_range(self, "request_timeout", 0.001, 3600)
        _check_range(self, "max_body_bytes", 1, 2**30)
        _check_range(self, "max_rows", 1, 10**6)
        _check_range(self, "max_characters", 1, 2**30)
        _check_range(self, "max_connections", 1, 10**6)
        _check_range(self, "poll_interval", 0, 86_400)
        if (self.tls_certificate is None) != (self.tls_key is None):
            given, missing = ("certificate", "key") if self.tls_key is None else ("key", "certificate")
            raise UserError(
                f"--tls-certificate, --tls-key: expected both or none, received the {given} alone;"
                f" give the {missing} too"
            )
        for origin in self.cors_origin:
            if not re.fullmatch(r"\*|[a-z][a-z0-9+.-]*://[^/?#\s]+", origin):
                raise UserError(
                    f"--cors-origin: expected an origin such as https://example.org, or *, received {origin!r};"
                    " name the scheme, and nothing after the host"
                )


def _check_range(settings: Any, name: str, least: float, most: float) -> None:
    value = getattr(settings, name)
    if not least <= value <= most:
        raise UserError(f"{name}: expected {least} to {most}, received {value}; choose one within")
