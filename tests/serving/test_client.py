import contextlib
import socket
import subprocess
import sys
import threading
import time

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from pipeline.errors import UserError
from serving.app import ServerConfig
from serving.batcher import BatcherConfig
from serving.client import Client, TranslationError
from serving.server import running


@pytest.fixture(scope="module")
def url(small_export):
    with running(str(small_export)) as url:
        yield url


@contextlib.contextmanager
def _scripted(*answers):
    """A web server that gives these answers in turn, the last one for ever; yields the URL and the requests."""
    requests = []

    async def answer(request):
        requests.append(await request.json())
        return answers[min(len(requests), len(answers)) - 1]

    app = Starlette(routes=[Route("/v1/models/nmt:predict", answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="error", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as sock:
        thread = threading.Thread(target=server.run, args=([sock],))
        thread.start()
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/v1/models/nmt", requests
        server.should_exit = True
        thread.join()


FULL = JSONResponse({"error": "full"}, 503)


def test_order_and_number_are_kept_over_batches(url):
    texts = [f"text {i}" for i in range(150)]
    with Client(url, batch_size=64) as client:
        assert client.translate(texts) == [text.upper() for text in texts]
        assert client.translate([]) == []
        assert client.translate(("one",)) == ["ONE"]


def test_batches_are_as_large_as_asked():
    with _scripted(JSONResponse({"outputs": ["x", "y"]}), JSONResponse({"outputs": ["z"]})) as (url, requests):
        assert Client(url, batch_size=2).translate(["a", "b", "c"]) == ["x", "y", "z"]
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


def test_503_is_tried_again_after_growing_delays():
    with _scripted(FULL, FULL, JSONResponse({"outputs": ["x"]})) as (url, requests), Client(url, backoff=0.2) as client:
        start = time.monotonic()
        assert client.translate(["a"]) == ["x"]
        assert (0.2 + 0.4) / 2 <= time.monotonic() - start < 3
    assert [request["inputs"] for request in requests] == [["a"]] * 3


def test_503_is_tried_as_often_as_asked():
    with _scripted(FULL) as (url, requests), Client(url, backoff=0.001, retries=2) as client:
        with pytest.raises(TranslationError, match="answered 503: full"):
            client.translate(["a"])
        assert len(requests) == 3


@pytest.mark.parametrize("code", [400, 404, 500, 504])
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


def test_a_busy_server_serves_everybody_in_the_end(small_export):
    config = ServerConfig(BatcherConfig(max_queued_rows=6, batch_timeout=0.02))
    results = {}
    with running(str(small_export), config=config) as url:

        def work(i):
            with Client(url, batch_size=3, retries=10, backoff=0.02) as client:
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


def test_wrong_arguments(url):
    with pytest.raises(UserError, match="batch_size: expected at least 1, received 0"):
        Client(url, batch_size=0)
    with pytest.raises(UserError, match="received one string"), Client(url) as client:
        client.translate("text")


def test_the_client_is_light():
    code = (
        "import sys, serving.client;"
        "print(sorted({'tensorflow', 'keras', 'apache_beam', 'numpy', 'uvicorn', 'starlette'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
