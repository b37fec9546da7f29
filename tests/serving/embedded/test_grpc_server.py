import concurrent.futures
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import httpx
import pytest

from pipeline.errors import UserError
from serving.embedded.config import ServerConfig
from serving.embedded.models_config import ModelSource
from serving.embedded.server import default_grpc_port, running_models, serve
from tests.serving.stubs import Stubs, address, refusal, serving


def test_a_port_in_use(small_export):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(UserError, match="--host, --grpc-port: expected an address to listen on"),
    ):
        serve(str(small_export), port=0, grpc_port=taken.getsockname()[1])


def test_two_servers_do_not_share_a_port(small_export):
    source = ModelSource("nmt", str(small_export))
    with running_models([source], grpc_port=0) as (_, url):
        port = int(address(url).rpartition(":")[2])
        with pytest.raises(UserError, match="--grpc-port"), running_models([source], grpc_port=port):
            pass


def test_an_address_of_ip_version_6(small_export):
    with running_models([ModelSource("nmt", str(small_export))], host="::1", grpc_port=0) as (_, url):
        assert re.fullmatch(r"grpc://\[::1\]:\d+/nmt", url)
        with grpc.insecure_channel(address(url)) as channel:
            assert Stubs(channel).upper("a") == "A"


def test_a_message_too_large(small_export):
    with serving(small_export, ServerConfig(max_body_bytes=1000)) as (_, stubs):
        assert stubs.upper("a" * 900) == "A" * 900
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            code, message = refusal(lambda: stubs.upper("a" * 100_000, compression=compression))  # noqa: B023
            assert (code, "larger than max" in message) == ("RESOURCE_EXHAUSTED", True)


def test_an_answer_larger_than_a_request_may_be(small_export):
    with (
        running_models(
            [ModelSource("nmt", str(small_export))],
            ServerConfig(max_body_bytes=7_000_000, max_characters=7_000_000),
            grpc_port=0,
        ) as (
            _,
            url,
        ),
        grpc.insecure_channel(address(url), [("grpc.max_receive_message_length", -1)]) as channel,
    ):
        outputs = Stubs(channel).predict("nbest", {"text": ["a" * 5_000_000]}).outputs
        assert [len(text) for text in outputs["translations"].string_val] == [5_000_000] * 2


def test_tls(small_export, certificate):
    config = ServerConfig(tls_certificate=certificate[0], tls_key=certificate[1])
    with running_models([ModelSource("nmt", str(small_export))], config, grpc_port=0) as (rest, url):
        assert (rest.split(":")[0], url.split(":")[0]) == ("https", "grpcs")
        with open(certificate[0], "rb") as file:
            trusting = grpc.ssl_channel_credentials(file.read())
        with grpc.secure_channel(address(url), trusting) as channel:
            assert Stubs(channel).upper("a") == "A"
        for channel in (
            grpc.secure_channel(address(url), grpc.ssl_channel_credentials()),
            grpc.insecure_channel(address(url)),
        ):
            with channel:
                assert refusal(lambda: Stubs(channel).upper("a", timeout=20))[0] == "UNAVAILABLE"  # noqa: B023


def test_nothing_is_left_behind(small_export):
    before = set(threading.enumerate())
    with serving(small_export) as (_, stubs):
        assert stubs.upper("a") == "A"
    after = {thread.name for thread in set(threading.enumerate()) - before}
    # gRPC keeps one of its own for the process.
    assert not {name for name in after if not name.startswith(("Thread", "Dummy"))}, after


def test_without_the_extra(small_export, monkeypatch, capsys):
    assert (default_grpc_port(8501), default_grpc_port(0)) == (8500, 0)
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    assert default_grpc_port(8501) is None
    assert '"message": "gRPC is not served: install keras-nmt[grpc]"' in capsys.readouterr().err
    told = r"^--grpc-port: expected the extra `grpc` to be installed, received 8500; install keras-nmt\[grpc\]$"
    with pytest.raises(UserError, match=told):
        serve(str(small_export), port=0, grpc_port=8500)
    with running_models([ModelSource("nmt", str(small_export))]) as (url,):
        assert httpx.post(f"{url}:predict", json={"inputs": ["a"]}).json() == {"outputs": ["A"]}


@pytest.mark.slow
def test_at_sigterm_what_is_under_way_is_answered_and_what_comes_is_refused(small_export, tmp_path):
    export = shutil.copytree(small_export / "10", tmp_path / "export" / "1").parent
    command = [
        sys.executable,
        "nmt.py",
        "serve",
        export,
        "--port",
        "0",
        "--request-timeout",
        "120",
        "--batching.parallel_runs",
        "1",
    ]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert re.fullmatch(r"Serving http://127\.0\.0\.1:\d+/v1/models/nmt\n", process.stdout.readline())
            url = re.fullmatch(r"Serving (grpc://127\.0\.0\.1:\d+/nmt)\n", process.stdout.readline())[1]
            with concurrent.futures.ThreadPoolExecutor(20) as pool, grpc.insecure_channel(address(url)) as channel:
                stubs = Stubs(channel)
                assert stubs.upper("a") == "A"
                slow = pool.submit(stubs.predict, "slow", {"n": [1_000_000]}, timeout=120)
                time.sleep(0.3)
                behind = [pool.submit(stubs.upper, f"a{i}", timeout=120) for i in range(12)]
                time.sleep(0.3)
                process.send_signal(signal.SIGTERM)
                time.sleep(0.5)
                with grpc.insecure_channel(address(url)) as late:
                    assert refusal(lambda: Stubs(late).upper("a"))[0] == "UNAVAILABLE"
                assert not slow.done()
                assert slow.result().outputs["count"].int_val[:] == [1_000_000]
                assert [each.result() for each in behind] == [f"A{i}" for i in range(12)]
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert errors.count('"status": "OK"') == 14
