"""Requests over REST to a server that may be busy or away: each is sent again where that may help."""

import datetime
import email.utils
import itertools
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from pipeline.errors import UserError
from serving.sessions.peer import Peer

# Seconds: no server is waited for longer, whatever it asks.
LONGEST_WAIT = 3600.0

_BUSY = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
# Nothing came back, so the request may be sent again; translating twice does no harm.
_LOST = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


class RestSession:
    """A `serving.sessions.session.Session` over REST."""

    def __init__(self, peer: Peer):
        """Makes a session; nothing is sent yet.

        Args:
            peer: The server; its URL is the model's.

        Raises:
            UserError: The URL is of no model.
        """
        if not peer.url.startswith(("http://", "https://")) or "/v1/models/" not in peer.url:
            raise UserError(
                "url: expected http://HOST:PORT/v1/models/NAME or grpc://HOST:PORT/NAME, received"
                f" {peer.url!r}; give the URL that `nmt serve` prints"
            )
        self._peer = peer
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(peer.timeout, connect=peer.connect_timeout, pool=None), headers=peer.authorization
        )

    async def predict(self, signature_name: str, inputs: Mapping[str, Sequence[Any]]) -> Any:
        """See `serving.sessions.session.Session`."""
        values = inputs if len(inputs) > 1 else next(iter(inputs.values()))
        body = json.dumps({"signature_name": signature_name, "inputs": values}, ensure_ascii=False).encode()
        self._peer.check_size(len(body), "JSON")
        content = await self._ask("POST", f"{self._peer.url}:predict", body)
        return content.get("outputs") if isinstance(content, dict) else None

    async def versions(self) -> list[int]:
        """See `serving.sessions.session.Session`."""
        content = await self._ask("GET", self._peer.url)
        try:
            told = [status for status in content["model_version_status"] if status["state"] == "AVAILABLE"]
            return sorted(int(status["version"]) for status in told)
        except (KeyError, TypeError, ValueError):
            raise self._peer.error("answered something else than the status of a model; check the URL") from None

    async def close(self) -> None:
        """See `serving.sessions.session.Session`."""
        await self._http.aclose()

    async def _ask(self, method: str, url: str, body: bytes | None = None) -> Any:
        """What the answer's JSON holds, or None if it is no JSON."""
        request_id = str(uuid.uuid4())
        response = await self._send(method, url, body, request_id)
        content = _content(response)
        if response.status_code != httpx.codes.OK:
            message = content.get("error") if isinstance(content, dict) else None
            told = message or response.text or response.reason_phrase
            raise self._peer.error(f"answered {response.status_code}: {told} (request {request_id})")
        return content

    async def _send(self, method: str, url: str, body: bytes | None, request_id: str) -> httpx.Response:
        """Sends a request, with an id that its repetitions share."""
        headers = {"X-Request-ID": request_id} | ({"Content-Type": "application/json"} if body else {})
        for attempt in itertools.count():
            last, asked = attempt >= self._peer.retries, 0.0
            try:
                response = await self._http.request(method, url, content=body, headers=headers)
                if response.status_code not in _BUSY or last:
                    break
                asked = _retry_after(response)
            except _LOST as error:
                if last:
                    raise self._peer.error(f"cannot be reached ({error}); check that it runs") from error
            except httpx.TimeoutException as error:
                raise self._peer.error(f"gave no answer in time ({error}); raise the timeout") from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise self._peer.error(f"cannot be asked ({error})") from error
            await self._peer.pause(attempt, asked)
        return response


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
