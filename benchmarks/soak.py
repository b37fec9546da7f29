"""Half an hour of load on `nmt serve`: no request may fail, and its memory has to stay where it is."""

import asyncio
import gzip
import json
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.command import run_command
from benchmarks.served import served
from demo.corpus import draw_pairs
from pipeline.errors import UserError

_SECONDS_BETWEEN_SAMPLES = 2.0
_MEBIBYTE = 2**20
_TOO_MANY_FAILURES = 20
# One for each fifth of the time.
_FEWEST_SAMPLES = 5
_LINES = 10


class Request(NamedTuple):
    """What a client sends, and what it has to be answered.

    Attributes:
        path: On the server.
        body: None asks by GET.
        status: The answer's status.
        rows: The answer's predictions; None for one that has none.
    """

    path: str
    body: bytes | None = None
    status: int = 200
    rows: int | None = None


class Sample(NamedTuple):
    """How a server stands: seconds since the start, bytes of memory that it holds, requests answered by then."""

    seconds: float
    memory: int
    requests: int


def soak(
    export: str = "demo-output/export",
    /,
    *,
    minutes: float = 30.0,
    clients: int = 8,
    growth: float = 0.03,
    log: str = "benchmarks/.work/soak.log",
) -> None:
    """Serves an export in a process, and asks it for what clients ask for, well and badly, without a pause.

    Fails if a request is answered otherwise than it should be, or if the memory grows: the median of the last fifth of
    the time is compared with that of the second fifth, before which caches fill.

    Args:
        export: Folder of an export.
        minutes: How long.
        clients: How many ask at a time.
        growth: The share by which memory may grow.
        log: File to which the server's log is added.
    """
    if minutes <= 0 or clients < 1:
        raise UserError(f"--minutes, --clients: expected more than 0, received {minutes} and {clients}; give more")
    with served(export, Path(log)) as (process, url):
        samples, answers, failures = asyncio.run(_load(process, url, minutes * 60, clients))
    # Many failures end the load early, perhaps before there is anything to compare.
    grown = 0.0 if failures and len(samples) < _FEWEST_SAMPLES else memory_growth(samples)
    row = {
        "minutes": minutes,
        "clients": clients,
        "requests": dict(sorted(answers.items())),
        "failures": failures,
        "memory_mib": round(samples[-1].memory / _MEBIBYTE),
        "growth": round(grown, 4),
    }
    print(json.dumps(row))
    if failures or grown > growth:
        sys.exit(
            f"soak: expected no failures and at most {growth:.0%} growth, received {len(failures)} and {grown:.1%}"
        )


def memory_growth(samples: Sequence[Sample]) -> float:
    """By what share of the second fifth's median memory that of the last fifth is larger."""
    if len(samples) < _FEWEST_SAMPLES:
        raise UserError(
            f"--minutes: expected time for {_FEWEST_SAMPLES} samples, received {len(samples)} of them; give more"
        )
    fifth = len(samples) // _FEWEST_SAMPLES
    early, late = ([each.memory for each in part] for part in (samples[fifth : 2 * fifth], samples[-fifth:]))
    return statistics.median(late) / statistics.median(early) - 1


async def _load(
    process: subprocess.Popen[str], url: str, seconds: float, clients: int
) -> tuple[list[Sample], Counter[str], list[str]]:
    answers: Counter[str] = Counter()
    failures: list[str] = []
    samples: list[Sample] = []
    texts = [pair.english for pair in draw_pairs(seed=1, pairs=0, valid=0, test=1000)[2]]
    began = time.monotonic()
    shown = 0
    print("minutes  requests  MiB")
    tasks = [asyncio.create_task(_ask_on(url, random.Random(i), texts, answers, failures)) for i in range(clients)]
    try:
        while (passed := time.monotonic() - began) < seconds and len(failures) < _TOO_MANY_FAILURES:
            samples.append(last := Sample(passed, _memory(process.pid), answers.total()))
            if passed >= shown * seconds / _LINES:
                shown += 1
                print(f"{last.seconds / 60:7.1f}  {last.requests:8d}  {last.memory / _MEBIBYTE:.0f}", flush=True)
            await asyncio.sleep(min(_SECONDS_BETWEEN_SAMPLES, seconds / 20))
            for task in tasks:
                if task.done():
                    task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return samples, answers, failures


def _memory(process: int) -> int:
    told = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    if told is None:
        raise RuntimeError("the server has ended")
    return int(told[1]) * 1024


async def _ask_on(
    url: str, draw: random.Random, texts: Sequence[str], answers: Counter[str], failures: list[str]
) -> None:
    """Asks without a pause; every now and then by a new connection, and after one that breaks off."""
    requests = draw_requests(draw, texts, httpx.URL(url).path)
    while True:
        async with httpx.AsyncClient(base_url=httpx.URL(url).join("/"), timeout=60) as client:
            for _ in range(draw.randint(1, 100)):
                request = next(requests)
                fault = await _fault(client, request, packed=draw.random() < 0.2)
                answers[str(request.status)] += 1
                if fault:
                    failures.append(f"{request.path}: {fault}")
        await _break_off(httpx.URL(url))


async def _fault(client: httpx.AsyncClient, request: Request, packed: bool) -> str | None:
    """What is wrong with the answer to a request."""
    try:
        if request.body is None:
            response = await client.get(request.path)
        else:
            content, headers = (
                (gzip.compress(request.body), {"Content-Encoding": "gzip"}) if packed else (request.body, {})
            )
            response = await client.post(request.path, content=content, headers=headers)
    except httpx.TransportError as error:
        return repr(error)
    if response.status_code != request.status:
        return f"expected {request.status}, received {response.status_code} {response.text[:200]}"
    if request.rows is not None and len(response.json()["predictions"]) != request.rows:
        return f"expected {request.rows} rows, received {response.text[:200]}"
    return None


async def _break_off(url: httpx.URL) -> None:
    """Begins a request and leaves."""
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"POST %b:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{" % url.raw_path)
    await writer.drain()
    writer.transport.abort()


def draw_requests(draw: random.Random, texts: Sequence[str], model: str) -> Iterator[Request]:
    """Requests of all kinds, without end.

    Args:
        draw: The source of chance.
        texts: Sentences to translate.
        model: The model's path.
    """
    predict = f"{model}:predict"
    others = [
        Request(model),
        Request(f"{model}/metadata"),
        Request("/healthz"),
        Request("/monitoring/prometheus/metrics"),
        Request("/openapi.json"),
        Request(f"{model}/versions/0", status=404),
        Request(predict, b"{", 400),
        Request(predict, b'{"instances": [1]}', 400),
        Request(predict, b'{"inputs": "a text, and no list"}', 400),
    ]

    def rows(signature: str, count: int, sentences: int) -> Request:
        given = [{"text": " ".join(draw.choices(texts, k=sentences))} for _ in range(count)]
        if signature == "score":
            given = [row | {"target": draw.choice(texts)} for row in given]
        body = {"signature_name": signature, "instances": given}
        return Request(predict, json.dumps(body).encode(), rows=count)

    while True:
        signature = draw.choice(["serving_default", "nbest", "score"])
        yield rows(signature, 1, 1)
        yield rows(signature, draw.randint(2, 40), 1)
        yield rows("serving_default", draw.randint(1, 3), draw.randint(2, 20))
        yield draw.choice(others)


if __name__ == "__main__":
    sys.exit(run_command(soak))
