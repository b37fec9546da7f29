import contextlib
import http.client
import json
import select
import socket
import threading
import time

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from serving.embedded.connections import bounded_connections


async def answer_at_length(request):
    return Response(b"x" * len(await request.body()) * 1000)


@contextlib.contextmanager
def served(max_connections=100, patience=0.2):
    """The port of a server whose answers are a thousand times as long as its requests."""
    app = Starlette(routes=[Route("/", answer_at_length, methods=["POST"])])
    config = uvicorn.Config(
        app, http=bounded_connections(max_connections, patience), log_config=None, lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        thread = threading.Thread(target=server.run, args=([sock],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield sock.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def connected(port):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.connect()
        # Another one would hide that this one was cut.
        connection.auto_open = 0
        yield connection


def ask(connection, body=b"ab"):
    connection.request("POST", "/", body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def head(length):
    return f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


def drip(sock, data):
    """Sends a byte at a time until the connection is cut; what was received by then."""
    received = b""
    with contextlib.suppress(ConnectionError):
        for byte in data:
            sock.sendall(bytes([byte]))
            time.sleep(0.01)
            if select.select([sock], [], [], 0)[0]:
                part = sock.recv(4096)
                received += part
                if not part:
                    return received
        pytest.fail(f"all bytes were taken; {received!r} was received")
    return received


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nHost: ", head(100) + b"half of the bo"])
def test_who_falls_silent_is_cut_off(sent):
    with served() as port, socket.create_connection(("127.0.0.1", port), timeout=10) as half:
        half.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            assert half.recv(1) == b""


@pytest.mark.parametrize("at_once", [b"POST /", head(100_000)], ids=["head", "body"])
def test_who_sends_a_byte_at_a_time_is_cut_off_and_holds_nobody_up(at_once):
    with served() as port, socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
        slow.sendall(at_once)
        with connected(port) as quick:
            assert ask(quick) == (200, b"x" * 2000)
        assert drip(slow, b"a" * 1000) == b""


def test_who_takes_no_answer_is_cut_off():
    with served() as port, socket.create_connection(("127.0.0.1", port), timeout=10) as deaf:
        deaf.sendall(head(60_000) + b"a" * 60_000)
        time.sleep(1)
        received = 0
        with contextlib.suppress(ConnectionError):
            while part := deaf.recv(2**20):
                received += len(part)
    assert received < 60_000_000


def test_a_connection_in_use_outlives_the_patience():
    with served(patience=0.1) as port, connected(port) as steady:
        for _ in range(5):
            assert ask(steady) == (200, b"x" * 2000)
            time.sleep(0.05)


def test_connections_beyond_the_limit_are_refused_until_there_is_room(caplog):
    refusal = (503, b'{"error":"Too many connections"}')
    with served(max_connections=2, patience=10) as port, connected(port) as first, connected(port) as second:
        assert ask(first) == ask(second) == (200, b"x" * 2000)
        for _ in range(20):
            with connected(port) as third:
                answer = third.sock.recv(4096)
                assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
                assert json.loads(answer.partition(b"\r\n\r\n")[2]) == json.loads(refusal[1])
                assert third.sock.recv(1) == b""
        assert ask(first) == (200, b"x" * 2000)
        second.close()
        while True:
            with connected(port) as third:
                try:
                    status = ask(third)[0]
                except (ConnectionError, http.client.HTTPException):
                    continue
                if status == 200:
                    break
    warnings = [record.getMessage() for record in caplog.records if record.name == "serving.embedded.connections"]
    assert warnings == ["more than 2 connections: those beyond are answered 503"]
