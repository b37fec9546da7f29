"""What happens to a server in a process of its own, and to its clients, when others misbehave or it is killed."""

import asyncio
import contextlib
import gzip
import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from serving.client import Client
from serving.endpoint import Endpoint
from serving.exports.fingerprint import served_fingerprint
from serving.translate_file import translate_file

pytestmark = pytest.mark.slow

HUGE = 100 * 2**20
MAX_CONNECTIONS = 100
# What is usual, and less than a flood would take.
OPEN_FILES = 1024


class Process:
    """`nmt serve`, ready, with few files that it may open, and what it logs in a file."""

    def __init__(self, export: Path, log: Path, *options: str):
        self._log = log
        argv = [str(Path(sys.executable).with_name("nmt")), "serve", str(export), *options]
        with log.open("ab") as err:
            self._process = subprocess.Popen(
                ["sh", "-c", f'ulimit -n {OPEN_FILES} && exec "$@"', "sh", *argv],
                stdout=subprocess.PIPE,
                stderr=err,
                env={**os.environ, "PYTHONPATH": os.getcwd()},
            )
        assert self._process.stdout is not None
        self.url = re.fullmatch(rb"Serving (http://\S+)\n", self._process.stdout.readline())[1].decode()
        self.address = re.search(r"//([\d.]+):(\d+)/", self.url).groups()

    def log(self) -> list[dict]:
        """The lines that it has logged."""
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    def memory(self) -> int:
        """Bytes of memory that it holds."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def end(self, number: int) -> None:
        """Ends it by a signal."""
        self._process.send_signal(number)
        self._process.wait(timeout=60)
        self._process.stdout.close()


@contextlib.contextmanager
def serving(*args):
    process = Process(*args)
    try:
        yield process
    finally:
        process.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def server(small_export, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "log"
    options = ("--port", "0", "--request-timeout", "5", "--max-connections", str(MAX_CONNECTIONS))
    with serving(small_export, log, *options) as process:
        yield process


def answers(server):
    return httpx.post(f"{server.url}:predict", json={"inputs": ["ab"]}, timeout=30).json() == {"outputs": ["AB"]}


def in_chunks():
    for _ in range(100):
        yield b" " * 2**20


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (lambda: b" " * HUGE, {}),
        (in_chunks, {}),
        (lambda: gzip.compress(b" " * HUGE), {"Content-Encoding": "gzip"}),
    ],
    ids=["length told", "length not told", "compressed"],
)
def test_a_huge_body_is_refused_and_takes_no_memory(server, content, headers):
    assert answers(server)
    before = server.memory()
    response = httpx.post(f"{server.url}:predict", content=content(), headers=headers, timeout=30)
    assert response.status_code == 413
    assert answers(server)
    # It is read up to the limit of 16 MiB, and copied once.
    assert server.memory() - before < HUGE / 2


def test_clients_that_vanish_amid_their_requests_leave_nothing_behind(server):
    whole = b'POST /v1/models/nmt:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\n{"inputs": ["ab"]}'
    for end in range(0, len(whole) + 1, 3):
        with socket.create_connection(server.address) as client:
            client.sendall(whole[:end])
            # Closing then sends RST, as an operating system does for a client that has crashed.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert answers(server)
    assert not [line for line in server.log() if line["level"] == "ERROR"]
    queue = httpx.get(str(httpx.URL(server.url).join("/monitoring/prometheus/metrics"))).text
    assert 'nmt_queue_rows{model_name="nmt"} 0' in queue.splitlines()


async def flood(server, count):
    """Opens connections that stay open on this side; tells what each receives, and how one from before them fares."""
    writers, statuses, opening = [], [], asyncio.Semaphore(100)

    async def first_line():
        async with opening:
            reader, writer = await asyncio.open_connection(*server.address)
        writers.append(writer)
        return await reader.readline()

    async def ask_on():
        async with httpx.AsyncClient() as client:
            while True:
                statuses.append((await client.get(server.url)).status_code)
                await asyncio.sleep(0.1)

    early = asyncio.create_task(ask_on())
    while not statuses:
        await asyncio.sleep(0.01)
    lines = await asyncio.gather(*(first_line() for _ in range(count)))
    early.cancel()
    for writer in writers:
        writer.transport.abort()
    return lines, statuses


def test_ten_thousand_connections_are_refused_cleanly(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(10_000, hard - 500)
    try:
        lines, statuses = asyncio.run(flood(server, count))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # Those that are let in send nothing, and are closed without a word when their time is over.
    assert set(lines) <= {b"HTTP/1.1 503 Service Unavailable\r\n", b""}
    assert lines.count(b"") < count / 10
    assert set(statuses) == {200}
    assert answers(server)
    lines = [line for line in server.log() if line["level"] != "INFO"]
    assert [(line["logger"], line["message"]) for line in lines] == [
        ("serving.embedded.connections", f"more than {MAX_CONNECTIONS} connections: those beyond are answered 503")
    ]


def test_a_server_that_is_killed_and_started_again_costs_its_client_no_line(small_export, tmp_path):
    source, output, partial = (tmp_path / name for name in ("source", "output", "output.partial"))
    source.write_text("".join(f"line {i} {'x' * (i % 300)}\n" for i in range(60_000)))
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(serving(small_export, tmp_path / "first", "--port", "0"))
        client = stack.enter_context(Client(first.url, retries=20))
        model = Endpoint(client.translate, {}, lambda: served_fingerprint(client))
        job = threading.Thread(target=translate_file, args=(model, str(source), str(output)))
        job.start()
        while not (partial.exists() and partial.stat().st_size):
            assert job.is_alive()
        first.end(signal.SIGKILL)
        assert not output.exists()
        stack.enter_context(serving(small_export, tmp_path / "second", "--port", first.address[1]))
        job.join()
    assert output.read_bytes() == source.read_bytes().upper()
