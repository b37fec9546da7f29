"""Requests that are answered only with a key."""

import hmac
from collections.abc import Collection
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.errors import UserError
from serving.embedded import rest
from serving.embedded.status import HTTP_STATUS, Code, StatusError

REFUSAL = "Expected a known key in the header 'Authorization: Bearer KEY'"


def read_keys(path: str) -> tuple[bytes, ...]:
    """Reads a file of keys, one a line.

    Args:
        path: The file; space around a key and empty lines do not count.

    Returns:
        The keys.

    Raises:
        UserError: The file cannot be read, or holds no key or one that no header can carry.
    """
    try:
        keys = tuple(line.strip() for line in Path(path).read_bytes().split(b"\n") if line.strip())
    except OSError as error:
        raise UserError(
            f"--api-key-file: expected a file of keys, received {path!r} ({error.strerror}); write one key a line"
        ) from None
    if not keys or any(not all(0x21 <= byte <= 0x7E for byte in key) for key in keys):
        fault = "a key of other characters" if keys else "no key"
        raise UserError(
            f"--api-key-file: expected a key of visible ASCII characters a line, received {path!r},"
            f" which holds {fault}; correct it"
        )
    return keys


def admits(keys: Collection[bytes], authorization: str) -> bool:
    """Whether `authorization` is `Bearer KEY` with one of some keys."""
    scheme, _, key = authorization.partition(" ")
    given = key.strip().encode()
    # All are compared, so that the time does not tell which one is close.
    return scheme.lower() == "bearer" and any([hmac.compare_digest(given, each) for each in keys])


class ApiKeys:
    """Middleware that answers 401 unless a request has the header `Authorization: Bearer KEY` with one of some keys."""

    def __init__(self, app: ASGIApp, keys: Collection[bytes], open_paths: Collection[str]):
        """Wraps an application.

        Args:
            app: The application.
            keys: The keys.
            open_paths: The paths that are answered without one.
        """
        self._app = app
        self._keys = keys
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers by the application, or refuses."""
        if scope["path"] in self._open_paths or admits(self._keys, Headers(scope=scope).get("Authorization", "")):
            await self._app(scope, receive, send)
            return
        error = StatusError(Code.UNAUTHENTICATED, REFUSAL)
        refusal = Response(
            rest.format_error(error),
            HTTP_STATUS[error.code],
            headers={"WWW-Authenticate": "Bearer"},
            media_type="application/json",
        )
        await refusal(scope, receive, send)
