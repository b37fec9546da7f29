"""A client for a served model, over REST: this project's server or TF Serving, which answer alike."""

import itertools
import random
import time
from collections.abc import Sequence
from typing import Any

import httpx

from pipeline.errors import UserError

CONNECT_TIMEOUT = 10.0

# Nothing came back, so the request may be sent again; translating twice does no harm.
_LOST = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


class TranslationError(UserError):
    """The server could not be reached, or refused to translate; the message is the server's own."""


class Client:
    """Translates by a served model.

    Closes its connections at the end of a `with` block, or by `close`.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 30.0,
        retries: int = 5,
        backoff: float = 0.1,
        batch_size: int = 64,
        signature_name: str = "serving_default",
    ):
        """Makes a client; nothing is sent yet.

        Args:
            url: The model's URL, such as `http://127.0.0.1:8501/v1/models/nmt`; `/versions/3` may follow.
            timeout: Seconds to wait for each answer, and for a connection if they are fewer than 10.
            retries: How often a request is sent again after a 503 or a lost connection.
            backoff: Seconds before it is sent again for the first time; they double each time, and each time chance
                takes away up to half of them, so that clients refused together do not come back together.
            batch_size: Texts in a request, at most.
            signature_name: The signature to call: one input of strings, one output of strings.

        Raises:
            UserError: An argument is wrong.
        """
        if not url.startswith(("http://", "https://")) or "/v1/models/" not in url:
            raise UserError(
                f"url: expected http://HOST:PORT/v1/models/NAME, received {url!r}; give the URL that `nmt serve` prints"
            )
        if batch_size < 1:
            raise UserError(f"batch_size: expected at least 1, received {batch_size}; choose a larger one")
        self.url = url.rstrip("/")
        self._retries = retries
        self._backoff = backoff
        self._batch_size = batch_size
        self._signature_name = signature_name
        self._http = httpx.Client(timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def translate(self, texts: Sequence[str]) -> list[str]:
        """Translates texts.

        Args:
            texts: Any number of them.

        Returns:
            A translation for each text, in their order.

        Raises:
            TranslationError: The server refused, cannot be reached, or answers in no known form.
        """
        if isinstance(texts, str):
            raise UserError("texts: expected a sequence of strings, received one string; give [text]")
        translations: list[str] = []
        for start in range(0, len(texts), self._batch_size):
            translations += self._translate_batch([_valid(text) for text in texts[start : start + self._batch_size]])
        return translations

    def _translate_batch(self, texts: list[str]) -> list[str]:
        response = self._post({"signature_name": self._signature_name, "inputs": texts})
        content = _content(response)
        if response.status_code != httpx.codes.OK:
            message = content.get("error") if isinstance(content, dict) else None
            raise self._error(f"answered {response.status_code}: {message or response.text or response.reason_phrase}")
        outputs = content.get("outputs") if isinstance(content, dict) else None
        if not isinstance(outputs, list) or not all(isinstance(text, str) for text in outputs):
            raise self._error(
                f"answered something else than a list of strings; check the signature {self._signature_name!r}"
            )
        if len(outputs) != len(texts):
            raise self._error(f"answered {len(outputs)} translations for {len(texts)} texts")
        return outputs

    def _post(self, request: dict[str, Any]) -> httpx.Response:
        for attempt in itertools.count():
            last = attempt >= self._retries
            try:
                response = self._http.post(f"{self.url}:predict", json=request)
                if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or last:
                    break
            except _LOST as error:
                if last:
                    raise self._error(f"cannot be reached ({error}); check that it runs") from error
            except httpx.TimeoutException as error:
                raise self._error(f"gave no answer in time ({error}); raise the timeout") from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise self._error(f"cannot be asked ({error})") from error
            time.sleep(self._backoff * 2**attempt * random.uniform(0.5, 1))
        return response

    def _error(self, what: str) -> TranslationError:
        return TranslationError(" ".join(f"{self.url} {what}".split()))


def _content(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _valid(text: str) -> str:
    # A lone surrogate, as Python makes of undecodable input, has no UTF-8.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
