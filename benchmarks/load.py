"""Clients that each send one sentence after the other to a served model, and wait for its translation."""

import asyncio
import json
import re
import time
import urllib.parse
from collections.abc import Sequence
from typing import NamedTuple

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Measurement(NamedTuple):
    """How sentences were translated.

    Attributes:
        rate: Sentences a second, while all clients are busy.
        seconds: Of each request, or of each batch.
        translations: Of each sentence.
    """

    rate: float
    seconds: list[float]
    translations: list[str]


def apply_load(url: str, sentences: Sequence[str], clients: int) -> Measurement:
    """Has clients, each with a connection of its own, translate sentences together.

    Args:
        url: A served model's URL.
        sentences: At least two for each client.
        clients: How many send at once.
    """
    return asyncio.run(_apply_load(url, sentences, clients))


async def _apply_load(url: str, sentences: Sequence[str], clients: int) -> Measurement:
    left = iter(enumerate(sentences))
    translations, times = [""] * len(sentences), []

    async def send(connection: _Connection) -> None:
        for number, sentence in left:
            began = time.perf_counter()
            translations[number] = await connection.translate(sentence)
            times.append((began, time.perf_counter()))

    connections = await asyncio.gather(*(_Connection.open(url) for _ in range(clients)))
    try:
        await asyncio.gather(*map(send, connections))
    finally:
        for connection in connections:
            connection.close()
    return Measurement(rate(times), [ended - began for began, ended in times], translations)


def rate(times: Sequence[tuple[float, float]]) -> float:
    """Requests a second, until there is none left to send and clients fall idle.

    Args:
        times: When each request was sent and answered, in seconds.
    """
    first, last = min(sent for sent, _ in times), max(sent for sent, _ in times)
    return sum(answered <= last for _, answered in times) / (last - first)


class _Connection:
    """As little of HTTP as the server needs, so that the clients leave it the processor."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str):
        self._reader, self._writer, self._head = reader, writer, head

    @classmethod
    async def open(cls, url: str) -> "_Connection":
        to = urllib.parse.urlsplit(url)
        head = f"POST {to.path}:predict HTTP/1.1\r\nHost: {to.netloc}\r\nContent-Type: application/json\r\n"
        return cls(*await asyncio.open_connection(to.hostname, to.port), head)

    async def translate(self, sentence: str) -> str:
        body = json.dumps({"inputs": [sentence]})
        self._writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        answer = await self._reader.readexactly(int(length[1]) if length else 0)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"the server answered {head.splitlines()[0].decode()}: {answer.decode()}")
        return json.loads(answer)["outputs"][0]

    def close(self) -> None:
        self._writer.close()
