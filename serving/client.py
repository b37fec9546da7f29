"""A client for a served model, over REST or gRPC: this project's server or TF Serving, which answer alike."""

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from pipeline.errors import UserError
from serving import grpc_extra
from serving.graph.decode_options import filled
from serving.sessions.peer import Peer, TranslationError
from serving.sessions.rest_session import RestSession
from serving.sessions.session import Session
from serving.sessions.windows import by_length, windows

__all__ = ["URL_SCHEMES", "Client", "TranslationError"]

URL_SCHEMES = ("http://", "https://", "grpc://", "grpcs://")

# Requests in a window for each one in flight: enough that the short ones at its end fill the others' time.
ROUNDS = 4

T = TypeVar("T")


class Client:
    """Translates by a served model, with several requests in flight; any thread may call it.

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
        batch_characters: int = 250_000,
        in_flight: int = 4,
        api_key: str | None = None,
        signature_name: str = "serving_default",
    ):
        """Makes a client; nothing is sent yet.

        Args:
            url: The model's URL, such as `http://127.0.0.1:8501/v1/models/nmt`, or `grpc://127.0.0.1:8500/nmt`, which
                needs the extra `grpc`, and `grpcs` for TLS; `/versions/3` or `/labels/stable` may follow.
            timeout: Seconds to wait for each answer, and for a connection if they are fewer than 10.
            retries: How often a request is sent again after a 503 or UNAVAILABLE, a 504 or DEADLINE_EXCEEDED, or a lost
                connection.
            backoff: Seconds before it is sent again for the first time; they double each time, up to 30, and each time
                chance takes away up to half of them, so that clients refused together do not come back together. If
                the server's `Retry-After` asks for more, that is waited for.
            batch_size: Texts in a request, at most.
            batch_characters: Characters in a request, at most; a text with more is sent alone.
            in_flight: Requests under way at once, at most.
            api_key: Sent as a bearer token; by default what the environment has as `NMT_API_KEY`, if anything.
            signature_name: The signature to call: one input of strings, one output of strings.

        Raises:
            UserError: An argument is wrong.
        """
        sizes = {"batch_size": batch_size, "batch_characters": batch_characters, "in_flight": in_flight}
        for name, value in sizes.items():
            if value < 1:
                raise UserError(f"{name}: expected at least 1, received {value}; choose a larger one")
        self.url = url.rstrip("/")
        self._batch_size, self._batch_characters, self._in_flight = batch_size, batch_characters, in_flight
        self._signature_name = signature_name
        self._peer = Peer(self.url, timeout, retries, backoff, api_key)
        self._session = _open(self._peer)
        self._slots = asyncio.Semaphore(in_flight)
        # A loop of its own, since a caller may be in one. A daemon, so that a client left open holds up no exit.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="client", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        if self._loop.is_closed():
            return
        self._wait_for(self._session.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def translate(self, texts: Sequence[str]) -> list[str]:
        """Translates texts.

        Args:
            texts: Any number of them.

        Returns:
            A translation for each text, in their order.

        Raises:
            TranslationError: The server refused, cannot be reached, or answers in no known form.
        """
        return list(self.stream(texts))

    def stream(self, texts: Iterable[str]) -> Iterator[str]:
        """Translates texts as they are read, a window at a time, however many there are.

        A window is sorted by length into requests. It has at most `4 * in_flight * batch_size` texts and, but for its
        last text, less than `4 * in_flight * batch_characters` characters: so much is read ahead, and kept in memory.

        Args:
            texts: Any number of them.

        Yields:
            A translation for each text, in their order.

        Raises:
            TranslationError: See `translate`; the translations of earlier windows have been given.
        """
        return self._stream(texts, None)

    def decode(self, texts: Sequence[str], **options: float) -> list[str]:
        """Translates texts with options of search, or draws translations, by the signature `decode`.

        Args:
            texts: Any number of them.
            **options: Those of `serving.graph.decode_options`, such as `beam_size=3`; what is not given is as exported.

        Returns:
            A translation for each text, in their order.

        Raises:
            UserError: There is no such option.
            TranslationError: See `translate`; also for an option that is out of range.
        """
        return list(self._stream(texts, filled(options)))

    def _stream(self, texts: Iterable[str], options: dict[str, float] | None) -> Iterator[str]:
        if isinstance(texts, str):
            raise UserError("texts: expected a sequence of strings, received one string; give [text]")
        requests = ROUNDS * self._in_flight
        for window in windows(map(_valid, texts), requests * self._batch_size, requests * self._batch_characters):
            yield from self._wait_for(self._translate_window(window, options))

    def served_versions(self) -> list[int]:
        """The versions of the model that the URL stands for and that are ready, in rising order.

        Raises:
            TranslationError: See `translate`.
        """
        return self._wait_for(self._session.versions())

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            # An interrupt must not leave requests behind that nobody waits for.
            future.cancel()
            raise

    async def _translate_window(self, texts: list[str], options: dict[str, float] | None) -> list[str]:
        requests = by_length(texts, self._batch_size, self._batch_characters)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._translate_batch([texts[i] for i in places], options)) for places in requests
                ]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        translations = [""] * len(texts)
        for places, task in zip(requests, tasks, strict=True):
            for place, translation in zip(places, task.result(), strict=True):
                translations[place] = translation
        return translations

    async def _translate_batch(self, texts: list[str], options: dict[str, float] | None) -> list[str]:
        name = self._signature_name
        inputs: dict[str, Sequence[Any]] = {"text": texts}
        if options is not None:
            name = "decode"
            inputs |= {option: [value] * len(texts) for option, value in options.items()}
        async with self._slots:
            outputs = await self._session.predict(name, inputs)
        if options is not None and isinstance(outputs, dict):
            outputs = outputs.get("translation")
        if not isinstance(outputs, list) or not all(isinstance(text, str) for text in outputs):
            raise self._peer.error(f"answered something else than a list of strings; check the signature {name!r}")
        if len(outputs) != len(texts):
            raise self._peer.error(f"answered {len(outputs)} translations for {len(texts)} texts")
        return outputs


def _open(peer: Peer) -> Session:
    """The way to a server; loads TensorFlow for gRPC alone, whose messages need it."""
    if not peer.url.startswith(("grpc://", "grpcs://")):
        return RestSession(peer)
    grpc_extra.require("url", repr(peer.url))
    from serving.sessions.grpc_session import GrpcSession

    return GrpcSession(peer)


def _valid(text: str) -> str:
    # A lone surrogate, as Python makes of undecodable input, has no UTF-8.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
