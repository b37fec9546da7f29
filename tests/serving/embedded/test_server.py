import asyncio
import concurrent.futures
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import httpx
import pytest

from pipeline.errors import UserError
from serving.embedded.config import BatcherConfig, ServerConfig
from serving.embedded.server import running, serve

ITERATIONS_WITHOUT_END = 2**31 - 1


def _slow(iterations):
    return {"signature_name": "slow", "inputs": [iterations]}


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("2", r"received '.*2', a version's own folder: give its parent"),
        ("12", r"received '.*12', which holds no <version>/saved_model.pb; make one with `nmt export"),
        ("absent", r"received '.*absent', which holds no <version>/saved_model.pb"),
    ],
)
def test_a_folder_without_versions(small_export, folder, message):
    with pytest.raises(UserError, match=message):
        serve(str(small_export / folder))


def test_a_broken_version(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"\x00broken")
    with pytest.raises(UserError, match=r"expected a SavedModel that loads, received '.*1' \(.*\); export it anew"):
        serve(str(tmp_path), port=0)


@pytest.mark.parametrize("name", ["", "a/b", "a:predict", "a b"])
def test_a_name_that_no_url_can_hold(small_export, name):
    with pytest.raises(UserError, match="--model-name: expected"):
        serve(str(small_export), port=0, model_name=name)


def test_a_port_in_use(small_export):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="--port: expected an address"):
        serve(str(small_export), port=taken.getsockname()[1])


def test_a_port_that_is_none(small_export):
    with pytest.raises(UserError, match=r"received 127\.0\.0\.1 70000"):
        serve(str(small_export), port=70000)


def test_concurrent_clients_get_their_own_answers_from_shared_runs(small_export):
    """They are asked while the server is busy, so that they wait for each other."""
    config = ServerConfig(BatcherConfig(parallel_runs=1))

    async def ask(client, url, x):
        body = {"signature_name": "batch_size", "instances": list(range(x, x + 1 + x % 3))}
        response = await client.post(f"{url}:predict", json=body)
        return body["instances"], response.json()["predictions"]

    async def main(url):
        async with httpx.AsyncClient(timeout=60) as client:
            slow = asyncio.create_task(client.post(f"{url}:predict", json=_slow(100_000)))
            await asyncio.sleep(0.1)
            pairs = await asyncio.gather(*(ask(client, url, x) for x in range(0, 400, 10)))
            assert (await slow).json() == {"outputs": [100_000]}
            return pairs

    with running(str(small_export), config=config) as url:
        pairs = asyncio.run(main(url))
    assert all(sent == [row["x"] for row in got] for sent, got in pairs)
    sizes = {row["size"] for _, got in pairs for row in got}
    assert max(sizes) > 30
    assert max(sizes) <= 64


def test_an_answer_is_sent_at_once(small_export):
    """An answer in two packets costs 40 ms where the second one waits for the first one's acknowledgement."""
    with running(str(small_export)) as url, httpx.Client() as client:
        seconds = [client.post(f"{url}:predict", json={"inputs": ["a"]}).elapsed.total_seconds() for _ in range(40)]
    assert min(seconds[20:]) < 0.03


def test_the_event_loop_answers_while_the_model_runs(small_export):
    with running(str(small_export)) as url, httpx.Client() as client:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            slow = pool.submit(httpx.post, f"{url}:predict", json=_slow(300_000), timeout=60)
            answered = 0
            while not slow.done():
                assert client.get(url).status_code == 200
                answered += 1
        assert slow.result().json() == {"outputs": [300_000]}
        assert answered >= 5


def test_a_run_that_takes_too_long(small_export):
    with running(str(small_export), config=ServerConfig(request_timeout=0.3)) as url, httpx.Client() as client:
        response = client.post(f"{url}:predict", json=_slow(ITERATIONS_WITHOUT_END))
        assert (response.status_code, response.json()) == (504, {"error": "Timed out waiting for notification"})
        assert client.post(f"{url}:predict", json={"inputs": ["a"]}).json() == {"outputs": ["A"]}


def test_a_body_that_does_not_come(small_export):
    with running(str(small_export), config=ServerConfig(request_timeout=0.3)) as url:
        address = re.search(r"//(.*):(\d+)/", url).groups()
        with socket.create_connection(address, timeout=10) as half:
            half.sendall(b"POST /v1/models/nmt:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            assert half.recv(4096).startswith(b"HTTP/1.1 504 ")


def test_a_full_queue(small_export):
    config = ServerConfig(BatcherConfig(max_queued_rows=2, parallel_runs=1), request_timeout=2.0)
    with running(str(small_export), config=config) as url, httpx.Client() as client:
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            slow = pool.submit(httpx.post, f"{url}:predict", json=_slow(ITERATIONS_WITHOUT_END), timeout=60)
            time.sleep(0.5)
            asked = [pool.submit(httpx.post, f"{url}:predict", json={"inputs": ["a"]}, timeout=60) for _ in range(5)]
            refused = next(a.result() for a in concurrent.futures.as_completed(asked))
            assert refused.status_code == 503
            assert refused.json() == {"error": "The batch scheduling queue to which this task was submitted is full"}
            assert sum(a.result().status_code == 503 for a in asked) == 3
            assert slow.result().status_code == 504
        assert client.post(f"{url}:predict", json={"inputs": ["a"]}).status_code == 200


def test_a_body_too_large(small_export):
    import gzip

    with running(str(small_export), config=ServerConfig(max_body_bytes=1000)) as url, httpx.Client() as client:
        fits = b'{"inputs": ["' + b"a" * 900 + b'"]}'
        assert client.post(f"{url}:predict", content=fits).status_code == 200
        large = fits + b" " * 1000
        assert client.post(f"{url}:predict", content=large).status_code == 413
        assert client.post(f"{url}:predict", content=iter([large])).status_code == 413
        headers = {"content-encoding": "gzip"}
        assert client.post(f"{url}:predict", content=gzip.compress(large), headers=headers).status_code == 413
        assert client.post(f"{url}:predict", content=gzip.compress(fits), headers=headers).status_code == 200


def test_a_client_that_leaves_does_no_harm(small_export):
    with running(str(small_export)) as url, httpx.Client() as client:
        address = re.search(r"//(.*):(\d+)/", url).groups()
        with socket.create_connection(address) as half:
            half.sendall(b"POST /v1/models/nmt:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        with pytest.raises(httpx.ReadTimeout):
            client.post(f"{url}:predict", json=_slow(200_000), timeout=0.05)
        assert client.post(f"{url}:predict", json={"inputs": ["a"]}, timeout=30).json() == {"outputs": ["A"]}


def test_nothing_is_left_behind(small_export):
    before = set(threading.enumerate())
    with running(str(small_export)) as url:
        httpx.post(f"{url}:predict", json={"inputs": ["a"]})
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_once_requests_are_answered(small_export, tmp_path, number):
    export = shutil.copytree(small_export / "10", tmp_path / "export" / "1").parent
    code = f"from serving.embedded.server import serve; serve({str(export)!r}, port=0, model_name='toy')"
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        line = process.stdout.readline()
        url = re.fullmatch(r"Serving (http://127\.0\.0\.1:\d+/v1/models/toy)\n", line)[1]
        with concurrent.futures.ThreadPoolExecutor(2) as pool, httpx.Client() as waiting:
            waiting.get(url)
            asked = pool.submit(httpx.post, f"{url}:predict", json=_slow(2_000_000), timeout=60)
            time.sleep(0.5)
            behind = pool.submit(httpx.post, f"{url}:predict", json={"inputs": ["a"]}, timeout=60)
            time.sleep(0.2)
            process.send_signal(number)
            time.sleep(0.5)
            for client in (httpx, waiting):
                with pytest.raises(httpx.TransportError):
                    client.get(url)
            assert not asked.done()
            assert asked.result().json() == {"outputs": [2_000_000]}
            assert behind.result().json() == {"outputs": ["A"]}
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert "deprecated" not in err
    # TensorFlow's own lines are not JSON.
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert [(line["path"], line["status"]) for line in lines] == [
        ("/v1/models/toy", 200),
        ("/v1/models/toy:predict", 200),
        ("/v1/models/toy:predict", 200),
    ]


def test_https(small_export, certificate):
    config = ServerConfig(tls_certificate=certificate[0], tls_key=certificate[1])
    trusting = ssl.create_default_context(cafile=certificate[0])
    with running(str(small_export), config=config) as url:
        assert url.startswith("https://127.0.0.1:")
        answer = httpx.post(f"{url}:predict", json={"inputs": ["a"]}, verify=trusting)
        assert answer.json() == {"outputs": ["A"]}
        with pytest.raises(httpx.ConnectError, match="self-signed"):
            httpx.get(url)
        with pytest.raises(httpx.TransportError):
            httpx.get(url.replace("https", "http"))


@pytest.mark.parametrize("wrong", ["absent", "swapped", "encrypted"])
def test_a_certificate_that_is_none(small_export, certificate, tmp_path, wrong):
    files = {"absent": (certificate[0], str(tmp_path / "key.pem")), "swapped": certificate[::-1]}
    if wrong == "encrypted":
        files[wrong] = certificate[0], str(tmp_path / "encrypted.pem")
        command = ["openssl", "rsa", "-aes256", "-passout", "pass:word", "-in", certificate[1], "-out", files[wrong][1]]
        subprocess.run(command, check=True, capture_output=True)
    config = ServerConfig(tls_certificate=files[wrong][0], tls_key=files[wrong][1])
    with pytest.raises(UserError, match="--tls-certificate, --tls-key: expected a certificate and its key") as raised:
        serve(str(small_export), port=0, config=config)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_a_signal_ends_the_process_while_the_model_loads(small_export):
    code = f"import serving.embedded.server as s; print(1, flush=True); s.serve({str(small_export)!r}, port=0)"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    try:
        assert process.stdout.readline() == b"1\n"
        time.sleep(0.1)
        process.terminate()
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
