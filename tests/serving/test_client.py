import asyncio
import contextlib
import datetime
import email.utils
import http.server
import itertools
import json
import random
import socket
import subprocess
import sys
import threading
import time
import uuid

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from pipeline.errors import UserError
from serving.client import Client, TranslationError
from serving.embedded.app import ServerConfig
from serving.embedded.batcher import BatcherConfig
from serving.embedded.models_config import ModelSource
from serving.embedded.server import running, running_models


@pytest.fixture(scope="module")
def url(small_export):
    with running(str(small_export)) as url:
        yield url


@contextlib.contextmanager
def _serving(answer):
    """A web server with this answer to requests to translate; yields the URL."""
    app = Starlette(routes=[Route("/v1/models/nmt:predict", answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="error", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as sock:
        thread = threading.Thread(target=server.run, args=([sock],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}/v1/models/nmt"
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def _scripted(*answers):
    """A web server that gives these answers in turn, the last one for ever; yields the URL and the requests."""
    requests = []

    async def answer(request):
        requests.append(await request.json() | {"headers": request.headers})
        return answers[min(len(requests), len(answers)) - 1]

    with _serving(answer) as url:
        yield url, requests


FULL, LATE = JSONResponse({"error": "full"}, 503), JSONResponse({"error": "late"}, 504)
DONE = JSONResponse({"outputs": ["x"]})


@contextlib.contextmanager
def _faulty(seed, delay=0.0):
    """A web server that upper-cases, but now and then refuses, hangs up before or within its answer, or dawdles.

    Yields its URL and what it saw: a pair of request id and fault for each request.
    """
    draw, lock, seen = random.Random(seed), threading.Lock(), []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]
            with lock:
                fault = draw.choice(["none", "none", "none", "503", "504", "hang up", "cut", "slow"])
                seen.append((self.headers["X-Request-ID"], fault))
            if fault == "hang up":
                self.close_connection = True
                return
            time.sleep(delay if fault == "slow" else 0)
            status = int(fault) if fault in ("503", "504") else 200
            answer = {"error": "later"} if status != 200 else {"outputs": [text.upper() for text in texts]}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
            self.close_connection = fault == "cut"

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/models/nmt", seen
        finally:
            server.shutdown()
            thread.join()


def test_order_and_number_are_kept_over_batches(url):
    texts = [f"text {i}" for i in range(150)]
    with Client(url, batch_size=64) as client:
        assert client.translate(texts) == [text.upper() for text in texts]
        assert client.translate([]) == []
        assert client.translate(("one",)) == ["ONE"]


def test_batches_are_as_large_as_asked():
    with _scripted(JSONResponse({"outputs": ["x", "y"]}), JSONResponse({"outputs": ["z"]})) as (url, requests):
        assert Client(url, batch_size=2, in_flight=1).translate(["a", "b", "c"]) == ["x", "y", "z"]
    assert [request["inputs"] for request in requests] == [["a", "b"], ["c"]]


def test_hostile_texts_come_through(url):
    texts = ["", "\0", "a\nb\r\u2028\u0085", "\U0001f600", "\ufeffb", '"\\{}', "x" * 100_000]
    with Client(url) as client:
        assert client.translate(texts) == [text.upper() for text in texts]
        assert client.translate(["a\udc80b\ud83d"]) == ["A\ufffdB\ufffd"]


def test_a_version_of_the_model(url):
    with Client(f"{url}/versions/10/") as client:
        assert client.translate(["a"]) == ["A"]
    with Client(f"{url}/versions/3") as client, pytest.raises(TranslationError, match=r"404: .*Specific\(nmt, 3\)"):
        client.translate(["a"])


def test_the_servers_message_is_shown_on_one_line(url):
    with Client(url, signature_name="picky") as client:
        assert client.translate(["good"]) == ["good"]
        with pytest.raises(TranslationError, match=r"answered 400: assertion failed: \[refused\]") as caught:
            client.translate(["bad"])
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UserError)


def test_a_signature_of_another_form(url):
    with Client(url, signature_name="nbest") as client, pytest.raises(TranslationError, match="signature 'nbest'"):
        client.translate(["a"])


def test_503_and_504_are_tried_again_after_growing_delays():
    with _scripted(FULL, LATE, DONE) as (url, requests), Client(url, backoff=0.2) as client:
        start = time.monotonic()
        assert client.translate(["a"]) == ["x"]
        assert (0.2 + 0.4) / 2 <= time.monotonic() - start < 3
    assert [request["inputs"] for request in requests] == [["a"]] * 3


def test_503_is_tried_as_often_as_asked():
    with _scripted(FULL) as (url, requests), Client(url, backoff=0.001, retries=2) as client:
        with pytest.raises(TranslationError, match="answered 503: full"):
            client.translate(["a"])
        assert len(requests) == 3


@pytest.mark.parametrize("code", [400, 404, 413, 500])
def test_other_errors_are_not_tried_again(code):
    with _scripted(JSONResponse({"error": "no"}, code)) as (url, requests), Client(url) as client:
        with pytest.raises(TranslationError, match=f"answered {code}: no"):
            client.translate(["a"])
        assert len(requests) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (PlainTextResponse("a proxy's page", 502), "answered 502: a proxy's page"),
        (PlainTextResponse("hello"), "answered something else than a list of strings"),
        (JSONResponse({"outputs": [1]}), "answered something else than a list of strings"),
        (JSONResponse({"outputs": ["x", "y"]}), "answered 2 translations for 1 texts"),
        (JSONResponse(["x"]), "answered something else than a list of strings"),
    ],
)
def test_answers_that_are_none(answer, message):
    with _scripted(answer) as (url, _), Client(url) as client, pytest.raises(TranslationError, match=message):
        client.translate(["a"])


def test_a_lost_connection_is_tried_again(url):
    """A relay that hangs up on the first two connections and passes the third one on."""
    target = url.split("/")[2].split(":")
    connections = []

    def relay(sock):
        for _ in range(2):
            connection, _ = sock.accept()
            connections.append(connection.recv(10))
            connection.close()
        connection, _ = sock.accept()
        with connection, socket.create_connection(target) as onward:
            request = b""
            while not request.endswith(b"}"):
                request += connection.recv(65536)
            onward.sendall(request)
            answer = b""
            while not answer.endswith(b"}"):
                answer += onward.recv(65536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as sock:
        thread = threading.Thread(target=relay, args=(sock,))
        thread.start()
        with Client(f"http://127.0.0.1:{sock.getsockname()[1]}/v1/models/nmt", backoff=0.01) as client:
            assert client.translate(["a"]) == ["A"]
        thread.join()
    assert connections == [b"POST /v1/m"] * 2


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with (
        Client(f"http://127.0.0.1:{port}/v1/models/nmt", retries=1, backoff=0.01) as client,
        pytest.raises(TranslationError, match=r"cannot be reached .* check that it runs"),
    ):
        client.translate(["a"])


def test_no_answer_in_time():
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Client(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/models/nmt", timeout=0.1) as client,
        pytest.raises(TranslationError, match="gave no answer in time"),
    ):
        client.translate(["a"])


@pytest.mark.parametrize(("protocol", "max_queued_rows", "retries"), [("http", 1, 10), ("grpc", 6, 20)])
def test_a_busy_server_serves_everybody_in_the_end(small_export, protocol, max_queued_rows, retries):
    config = ServerConfig(BatcherConfig(max_queued_rows=max_queued_rows, parallel_runs=1))
    results = {}
    with running_models([ModelSource("nmt", str(small_export))], config, grpc_port=0) as urls:
        (url,) = (url for url in urls if url.startswith(protocol))

        def work(i):
            with Client(url, batch_size=3, retries=retries, backoff=0.02) as client:
                results[i] = client.translate([f"a{i}", "b", "c", "d", "e"])

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {i: [f"A{i}", "B", "C", "D", "E"] for i in range(8)}


@pytest.mark.parametrize("url", ["", "127.0.0.1:8501/v1/models/nmt", "http://127.0.0.1:8501", "runs/attention"])
def test_a_url_of_no_model(url):
    with pytest.raises(UserError, match="url: expected http://HOST:PORT/v1/models/NAME"):
        Client(url)


@pytest.mark.parametrize("name", ["batch_size", "batch_characters", "in_flight"])
def test_wrong_sizes(url, name):
    with pytest.raises(UserError, match=f"{name}: expected at least 1, received 0"):
        Client(url, **{name: 0})


def test_one_string_is_no_sequence(url):
    with pytest.raises(UserError, match="received one string"), Client(url) as client:
        client.translate("text")


def test_a_million_lines_are_read_no_further_than_a_window_ahead(url):
    read = itertools.count()
    with Client(url, batch_size=256, in_flight=2) as client:
        window = 4 * 2 * 256
        translations = client.stream(f"line {next(read)}" for _ in range(1_000_000))
        for place, translation in enumerate(itertools.islice(translations, 3 * window + 1)):
            assert translation == f"LINE {place}"
            # A window that has begun is read whole, and nothing of the next.
            assert int(repr(read)[6:-1]) == (place // window + 1) * window


def test_long_lines_end_a_window_early(url):
    read = []
    with Client(url, batch_characters=100, in_flight=1) as client:
        translations = client.stream(read.append(i) or "x" * 150 for i in range(100))
        assert next(translations) == "X" * 150
    # 400 characters are reached by the third line.
    assert read == [0, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_through_faults_no_line_is_lost_or_doubled_or_out_of_order(seed):
    lines = [f"{'word ' * (i % 17)}{i}" for i in range(1_500)]
    with _faulty(seed, delay=0.05) as (url, seen), Client(url, batch_size=16, retries=40, backoff=0.001) as client:
        assert list(client.stream(iter(lines))) == [line.upper() for line in lines]
    assert {fault for _, fault in seen} == {"none", "503", "504", "hang up", "cut", "slow"}
    ids = [request_id for request_id, _ in seen]
    done = [request_id for request_id, fault in seen if fault in ("none", "slow")]
    # 1,500 lines are a window of 256 after the other, and the last of 220: 5 * 16 requests and 14.
    assert len(done) == len(set(done)) == len(set(ids)) == 94


def test_requests_are_in_flight_together_but_no_more_than_asked():
    under_way, most = 0, 0

    async def answer(request):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return JSONResponse({"outputs": (await request.json())["inputs"]})

    with _serving(answer) as url, Client(url, batch_size=1, in_flight=3) as client:
        assert client.translate(list("abcdefghijkl")) == list("abcdefghijkl")
    assert most == 3


def test_a_refusal_ends_the_stream_after_the_windows_before(url):
    texts = ["good"] * 8 + ["bad"] + ["good"] * 50
    with Client(url, signature_name="picky", batch_size=1, in_flight=2) as client:
        translations = client.stream(texts)
        assert list(itertools.islice(translations, 8)) == ["good"] * 8
        with pytest.raises(TranslationError, match="refused"):
            next(translations)
        assert client.translate(["good"]) == ["good"]


def test_in_a_running_event_loop(url):
    async def call():
        with Client(url) as client:
            return client.translate(["a"])

    assert asyncio.run(call()) == ["A"]


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_heeded(as_date):
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    # A date has no fractions: it lies between one and two seconds ahead.
    told = email.utils.format_datetime(moment, usegmt=True) if as_date else "1"
    refusal = JSONResponse({"error": "full"}, 503, {"Retry-After": told})
    with _scripted(refusal, DONE) as (url, requests), Client(url, backoff=0.001) as client:
        start = time.monotonic()
        assert client.translate(["a"]) == ["x"]
        assert 0.8 <= time.monotonic() - start < 5
    assert len(requests) == 2


@pytest.mark.parametrize(
    "told", ["soon", "", "-5", "Thu, 01 Jan 1970 00:00:00 GMT", "1e3", "Thu, 01 Jan 1970 00:00:00 -0000"]
)
def test_a_retry_after_that_asks_for_nothing(told):
    refusal = JSONResponse({"error": "full"}, 503, {"Retry-After": told})
    with _scripted(refusal, DONE) as (url, _), Client(url, backoff=0.001, timeout=5) as client:
        start = time.monotonic()
        assert client.translate(["a"]) == ["x"]
        assert time.monotonic() - start < 1


def test_a_request_has_an_id_that_its_repetitions_share():
    with _scripted(FULL, FULL, DONE) as (url, requests), Client(url, backoff=0.001) as client:
        client.translate(["a"])
        client.translate(["b"])
    ids = [request["headers"]["X-Request-ID"] for request in requests]
    assert [uuid.UUID(each).version for each in ids] == [4] * 4
    assert ids[0] == ids[1] == ids[2] != ids[3]
    refusal = JSONResponse({"error": "no"}, 400)
    with _scripted(refusal) as (url, requests), Client(url) as client, pytest.raises(TranslationError) as caught:
        client.translate(["a"])
    assert str(caught.value).endswith(f"no (request {requests[0]['headers']['X-Request-ID']})")


def test_the_key_is_a_bearer_token(monkeypatch):
    monkeypatch.setenv("NMT_API_KEY", "from-environment")
    with _scripted(DONE) as (url, requests):
        for key in (None, "from-argument", ""):
            with Client(url, api_key=key) as client:
                client.translate(["a"])
        monkeypatch.delenv("NMT_API_KEY")
        with Client(url) as client:
            client.translate(["a"])
    found = [request["headers"].get("Authorization") for request in requests]
    assert found == ["Bearer from-environment", "Bearer from-argument", None, None]


@pytest.mark.parametrize("key", ["se cret", "secret\n", "secret\u00e9"])
def test_a_key_that_no_header_holds_is_not_shown(url, key):
    with pytest.raises(UserError, match=r"^api_key, NMT_API_KEY: expected printable ASCII") as caught:
        Client(url, api_key=key)
    assert key not in str(caught.value) and "cret" not in str(caught.value)


def test_a_key_that_the_server_repeats_is_not_shown():
    refusal = JSONResponse({"error": "wrong key s3cret"}, 401)
    with (
        _scripted(refusal) as (url, _),
        Client(url, api_key="s3cret") as client,
        pytest.raises(TranslationError, match=r"answered 401: wrong key \*\*\*"),
    ):
        client.translate(["a"])


def test_a_text_that_no_request_can_hold_is_refused_before_it_is_sent():
    with _scripted(DONE) as (url, requests), Client(url) as client:
        # A control character is six bytes of JSON.
        with pytest.raises(UserError, match=r"^text: expected at most 16777216 bytes of JSON, received 18"):
            client.translate(["\0" * 3_000_000])
        assert requests == []


def test_the_versions_that_are_served(url):
    with Client(url) as client:
        assert client.served_versions() == [10]
    with Client(url.replace("/nmt", "/other")) as client, pytest.raises(TranslationError, match="answered 404"):
        client.served_versions()


def test_the_client_is_light():
    code = (
        "import sys, serving.client;"
        "print(sorted({'tensorflow', 'keras', 'apache_beam', 'numpy', 'uvicorn', 'starlette'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
