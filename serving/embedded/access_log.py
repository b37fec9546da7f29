"""A line of JSON on stderr for each request, by the id that its answer carries too."""

import contextlib
import datetime
import json
import logging
import re
import time
import uuid
from collections.abc import Iterator

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = "X-Request-ID"
# Of those that log; the server's own among them, such as a request that is no HTTP.
_LOGGERS = ("serving", "uvicorn")
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_log = logging.getLogger(__name__)


class AccessLog:
    """Middleware that gives each request an id and logs how it was answered.

    The id is that of the header `X-Request-ID` if it is 1 to 128 letters, digits and `._:-`, else a new one; the
    answer's header has it. What the application leaves in the request's state under `rows` and `text` is logged too.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers by the application that this one wraps, and logs."""
        request_id = sane_id(Headers(scope=scope).get(REQUEST_ID, ""))
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        began, status = time.perf_counter(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - began
            rows, text = state.get("rows"), state.get("text")
            log_answer(request_id, scope["method"], scope["path"], status, rows, seconds, text)


def sane_id(given: str) -> str:
    """The id that a request brings if it is one as `AccessLog` takes, else a new one."""
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


def log_answer(
    request_id: str, method: str, path: str, status: int | str, rows: int | None, seconds: float, text: str | None
) -> None:
    """Logs how a request was answered.

    Args:
        request_id: Its id.
        method: The HTTP method, or `gRPC`.
        path: What it asked for.
        status: HTTP's code, or gRPC's by name.
        rows: How many rows it had, if that was looked at.
        seconds: How long the answer took.
        text: What was asked, if that is to be logged.
    """
    fields = {
        "request_id": request_id,
        "method": method,
        "path": path,
        "status": status,
        "rows": rows,
        "milliseconds": round(1000 * seconds, 3),
    }
    _log.info("answered", extra={"fields": fields if text is None else {**fields, "text": text}})


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON: time, level, logger and message, and its `fields` if it has some."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        time_of_it = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": time_of_it.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


@contextlib.contextmanager
def logging_to_stderr() -> Iterator[None]:
    """Writes what the server logs on stderr, a JSON object a line, while the block runs."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
