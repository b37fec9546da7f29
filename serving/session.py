"""Requests to a server that may be busy or away: each is sent again where that may help."""

import asyncio
import datetime
import email.utils
import itertools
import os
import random
import uuid
from typing import Any

import httpx

from pipeline.errors import UserError

API_KEY = "NMT_API_KEY"
CONNECT_TIMEOUT = 10.0
# Seconds: back-off grows no longer, and no server is waited for longer, whatever it asks.
LONGEST_BACKOFF, LONGEST_WAIT = 30.0, 3600.0

_BUSY = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
# Nothing came back, so the request may be sent again; translating twice does no harm.
_LOST = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


class TranslationError(UserError):
    """The server could not be reached, or refused to translate; the message is the server's own."""


class Session:
    """Sends requests to one server; its coroutines belong to one event loop."""

    def __init__(self, url: str, timeout: float, retries: int, backoff: float, api_key: str | None):
        """Makes a session; nothing is sent yet.

        Args:
            url: What errors name as the server.
            timeout: Seconds to wait for each answer, and for a connection if they are fewer than 10.
            retries: How often a request is sent again after a 503, a 504 or a lost connection.
            backoff: Seconds before it is sent again for the first time; see `serving.client.Client`.
            api_key: Sent as a bearer token; by default what the environment has as `NMT_API_KEY`, if anything.

        Raises:
            UserError: The key is none that a header can hold.
        """
        self._url, self._retries, self._backoff = url, retries, backoff
        self._api_key = _checked_key(os.environ.get(API_KEY) if api_key is None else api_key)
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT), pool=None),
            headers={"Authorization": f"Bearer {self._api_key}"} if self._api_key else {},
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def ask(self, method: str, url: str, body: bytes | None = None) -> Any:
        """Sends a request, with an id that its repetitions share, and gives the JSON of its answer.

        Args:
            method: The HTTP method.
            url: The whole URL.
            body: JSON to send along.

        Returns:
            What the answer's JSON holds, or None if it is no JSON.

        Raises:
            TranslationError: The server refused or cannot be reached.
        """
        request_id = str(uuid.uuid4())
        response = await self._send(method, url, body, request_id)
        content = _content(response)
        if response.status_code != httpx.codes.OK:
            message = content.get("error") if isinstance(content, dict) else None
            told = message or response.text or response.reason_phrase
            raise self.error(f"answered {response.status_code}: {told} (request {request_id})")
        return content

    async def _send(self, method: str, url: str, body: bytes | None, request_id: str) -> httpx.Response:
        headers = {"X-Request-ID": request_id} | ({"Content-Type": "application/json"} if body else {})
        for attempt in itertools.count():
            last, asked = attempt >= self._retries, 0.0
            try:
                response = await self._http.request(method, url, content=body, headers=headers)
                if response.status_code not in _BUSY or last:
                    break
                asked = _retry_after(response)
            except _LOST as error:
                if last:
                    raise self.error(f"cannot be reached ({error}); check that it runs") from error
            except httpx.TimeoutException as error:
                raise self.error(f"gave no answer in time ({error}); raise the timeout") from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise self.error(f"cannot be asked ({error})") from error
            pause = min(self._backoff * 2.0 ** min(attempt, 20), LONGEST_BACKOFF) * random.uniform(0.5, 1)
            await asyncio.sleep(max(pause, asked))
        return response

    def error(self, what: str) -> TranslationError:
        """An error of one line that begins with the server's URL and never shows the key."""
        told = " ".join(f"{self._url} {what}".split())
        return TranslationError(told.replace(self._api_key, "***") if self._api_key else told)


def _checked_key(key: str | None) -> str | None:
    """Refuses a key that no header can hold, without showing it, as the HTTP library's own error would."""
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise UserError(
            f"api_key, {API_KEY}: expected printable ASCII without spaces, received other characters; check the key"
        )
    return key


def _retry_after(response: httpx.Response) -> float:
    """The seconds that a server asks to be left alone for; none without a `Retry-After` that can be read."""
    told = response.headers.get("Retry-After", "")
    try:
        seconds = float(told) if told.isdecimal() else _seconds_until(email.utils.parsedate_to_datetime(told))
    except (TypeError, ValueError):
        return 0.0
    return min(seconds, LONGEST_WAIT)


def _seconds_until(moment: datetime.datetime) -> float:
    return (moment - datetime.datetime.now(datetime.UTC)).total_seconds()


def _content(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
