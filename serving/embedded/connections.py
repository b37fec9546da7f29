"""Connections whose number and slowness have a bound, so that clients that do nothing take no place for long."""

import asyncio
import logging
import time

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from serving.embedded.rest import format_error
from serving.embedded.status import Code, StatusError

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_WARNINGS = 60
_BODY = format_error(StatusError(Code.UNAVAILABLE, "Too many connections"))
# Sent before a request has been read, which a flood may never send.
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)


def bounded_connections(max_connections: int, patience: float) -> type[asyncio.Protocol]:
    """The HTTP protocol of a server whose connections have bounds.

    Args:
        max_connections: Connections at one time; those beyond are answered 503 and closed.
        patience: Seconds from the first byte of a request, or from the connection before the first one, until the
            request has to be there, and from an answer until it has to be taken; else the connection is cut.

    Returns:
        A class for `uvicorn.Config`'s `http`.
    """
    return type(
        "Connection",
        (_Connection,),
        {"max_connections": max_connections, "patience": patience, "warnings": _Warnings()},
    )


class _Warnings:
    """Tells of refused connections, at most once a minute however many they are."""

    def __init__(self) -> None:
        self._next = 0.0

    def refused(self, max_connections: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _SECONDS_BETWEEN_WARNINGS
            _log.warning("more than %d connections: those beyond are answered 503", max_connections)


class _Connection(H11Protocol):
    max_connections: int
    patience: float
    warnings: _Warnings
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self.warnings.refused(self.max_connections)
            transport.write(_REFUSAL)
            transport.close()
            return
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._awaits_the_client():
            self._unset_deadline()
        elif self._deadline is None:
            self._set_deadline()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.get_write_buffer_size() and self._deadline is None:
            self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset_deadline()
        super().connection_lost(exc)

    def _awaits_the_client(self) -> bool:
        """Whether a request has begun, or must, and is not there as a whole."""
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.patience, self._cut_off)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut_off(self) -> None:
        self._deadline = None
        if self._awaits_the_client() or self.transport.get_write_buffer_size():
            self.transport.abort()
