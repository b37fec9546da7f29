"""The client over gRPC: against the server, and against one that is told how to fail."""

import asyncio
import concurrent.futures
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from pipeline.errors import UserError
from serving.client import Client, TranslationError
from serving.embedded.config import ServerConfig
from serving.embedded.models_config import ModelSource
from serving.embedded.server import running_models
from serving.exports.fingerprint import served_fingerprint
from serving.sessions.grpc_session import GrpcSession
from serving.sessions.peer import Peer


@pytest.fixture(scope="module")
def url(small_export):
    with running_models([ModelSource("nmt", str(small_export), {"old": 2})], grpc_port=0) as (_, url):
        yield url


class Scripted(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers requests to translate in turn: a code refuses, a number of seconds is waited for, None upper-cases."""

    def __init__(self, script):
        self.script, self.metadata = list(script), []

    def GetModelMetadata(self, request, context):
        found = get_model_metadata_pb2.SignatureDefMap()
        found.signature_def["serving_default"].inputs["text"].dtype = tf.string.as_datatype_enum
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(found)
        return response

    def Predict(self, request, context):
        self.metadata.append(dict(context.invocation_metadata()))
        step = self.script.pop(0) if self.script else None
        if isinstance(step, grpc.StatusCode):
            context.abort(step, f"told to, {self.metadata[-1].get('authorization')}")
        time.sleep(step or 0)
        response = predict_pb2.PredictResponse()
        texts = [text.upper() for text in request.inputs["text"].string_val]
        response.outputs["translation"].CopyFrom(tf.make_tensor_proto(texts))
        return response


@contextlib.contextmanager
def scripted(*script):
    """A server that answers so; yields its URL and the metadata of the requests that it got."""
    service = Scripted(script)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(model_service_pb2_grpc.ModelServiceServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}/nmt", service.metadata
    finally:
        server.stop(None).wait()


BUSY, LATE = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED


def test_order_and_number_are_kept_over_batches(url):
    texts = [f"text {i}" for i in range(150)]
    with Client(url, batch_size=16) as client:
        assert client.translate(texts) == [text.upper() for text in texts]
        assert client.translate([]) == []
        assert list(client.stream(iter(texts))) == [text.upper() for text in texts]


def test_hostile_texts_come_through(url):
    texts = ["", "\0", "a\nb\r\u2028\u0085", "\U0001f600", "\ufeffb", '"\\{}', "x" * 100_000]
    with Client(url) as client:
        assert client.translate(texts) == [text.upper() for text in texts]
        assert client.translate(["a\udc80b\ud83d"]) == ["A\ufffdB\ufffd"]


def test_versions_and_labels(url):
    with Client(url) as newest, Client(f"{url}/versions/2") as second, Client(f"{url}/labels/old/") as old:
        assert newest.translate(["a"]) == second.translate(["a"]) == old.translate(["a"]) == ["A"]
        assert [client.served_versions() for client in (newest, second, old)] == [[2, 10], [2], [2]]
        assert served_fingerprint(newest) == f"{url} version 10"
        assert served_fingerprint(old) == f"{url}/labels/old version 2"


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        ("x", r"answered NOT_FOUND: Servable not found for request: Latest\(nmtx\) \(request [0-9a-f-]{36}\)$"),
        ("/versions/3", r"answered NOT_FOUND: Servable not found for request: Specific\(nmt, 3\)"),
        ("/labels/new", r"answered INVALID_ARGUMENT: Unrecognized servable version label: new"),
    ],
)
def test_a_model_that_is_not_there(url, suffix, message):
    with Client(url + suffix) as client, pytest.raises(TranslationError, match=message):
        client.translate(["a"])


def test_the_servers_message_is_shown_on_one_line(url):
    with Client(url, signature_name="picky") as client:
        assert client.translate(["good"]) == ["good"]
        with pytest.raises(
            TranslationError, match=r"answered INVALID_ARGUMENT: assertion failed: \[refused\]"
        ) as caught:
            client.translate(["bad"])
    assert "\n" not in str(caught.value)


def test_a_signature_that_is_another_or_none(url):
    with Client(url, signature_name="nbest") as client, pytest.raises(TranslationError, match="signature 'nbest'"):
        client.translate(["a"])
    with (
        Client(url, signature_name="sing") as client,
        pytest.raises(TranslationError, match=r"has no signature 'sing'; choose one of add, batch_size, binary, "),
    ):
        client.translate(["a"])


def test_inputs_of_every_kind_take_the_signatures_dtypes(url):
    async def ask():
        session = GrpcSession(Peer(url, 30, 0, 0.1, None))
        try:
            with pytest.raises(TranslationError, match="takes other values for n"):
                await session.predict("slow", {"n": ["three"]})
            return [
                await session.predict("add", {"a": [1, 2.5], "b": [1, 1]}),
                await session.predict("slow", {"n": [3]}),
                await session.predict("rows", {"x": [[1, 2]], "negative": [True]}),
                await session.predict("nbest", {"text": ["aB"]}),
            ]
        finally:
            await session.close()

    added, counted, rows, best = asyncio.run(ask())
    assert (added, counted) == ([2.0, 3.5], [3])
    assert rows == {"total": [-3], "odd": [[True, False]]}
    assert best == {"translations": [["AB", "ab"]], "scores": [[pytest.approx(0.2), -2.0]]}


def test_busy_and_late_are_tried_again_after_growing_delays_by_one_id():
    with scripted(BUSY, LATE) as (url, metadata), Client(url, backoff=0.2) as client:
        start = time.monotonic()
        assert client.translate(["a"]) == ["A"]
        assert (0.2 + 0.4) / 2 <= time.monotonic() - start < 20
        client.translate(["b"])
    ids = [each["x-request-id"] for each in metadata]
    assert ids[0] == ids[1] == ids[2] != ids[3]


def test_it_is_tried_as_often_as_asked():
    with scripted(*[BUSY] * 9) as (url, metadata), Client(url, backoff=0.001, retries=2) as client:
        with pytest.raises(TranslationError, match="answered UNAVAILABLE: told to"):
            client.translate(["a"])
        assert len(metadata) == 3


@pytest.mark.parametrize("name", ["INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED"])
def test_other_errors_are_not_tried_again(name):
    with scripted(grpc.StatusCode[name]) as (url, metadata), Client(url, backoff=0.001) as client:
        with pytest.raises(TranslationError, match=f"answered {name}: told to"):
            client.translate(["a"])
        assert len(metadata) == 1


def test_no_answer_in_time():
    with (
        scripted(2.0) as (url, metadata),
        Client(url, timeout=0.5) as client,
        pytest.raises(TranslationError, match=r"gave no answer in time .*raise the timeout"),
    ):
        client.translate(["a"])
    assert len(metadata) == 1


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with (
        Client(f"grpc://127.0.0.1:{port}/nmt", retries=1, backoff=0.01) as client,
        pytest.raises(TranslationError, match=r"cannot be reached \(.*Connection refused.*\); check that it runs$"),
    ):
        client.translate(["a"])


def test_the_key_is_a_bearer_token_and_is_not_shown(monkeypatch):
    monkeypatch.setenv("NMT_API_KEY", "from-environment")
    with scripted(None, grpc.StatusCode.UNAUTHENTICATED) as (url, metadata):
        with Client(url) as client:
            client.translate(["a"])
        with (
            Client(url, api_key="s3cret") as client,
            pytest.raises(TranslationError, match=r"UNAUTHENTICATED: told to, Bearer \*\*\*"),
        ):
            client.translate(["a"])
    assert [each["authorization"] for each in metadata] == ["Bearer from-environment", "Bearer s3cret"]


def test_tls(small_export, certificate, monkeypatch):
    config = ServerConfig(tls_certificate=certificate[0], tls_key=certificate[1])
    with running_models([ModelSource("nmt", str(small_export))], config, grpc_port=0) as (_, url):
        assert url.startswith("grpcs://")
        with Client(url, retries=0) as client, pytest.raises(TranslationError, match="cannot be reached"):
            client.translate(["a"])
        monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
        with Client(url) as client:
            assert client.translate(["a"]) == ["A"]


def test_a_text_that_no_request_can_hold_is_refused_before_it_is_sent():
    with scripted() as (url, metadata), Client(url) as client:
        with pytest.raises(UserError, match=r"^text: expected at most 16777216 bytes of protobuf, received 17"):
            client.translate(["x" * 17_000_000])
        assert metadata == []


@pytest.mark.parametrize(
    "url",
    [
        "grpc://127.0.0.1/nmt",
        "grpc://127.0.0.1:8500",
        "grpc://127.0.0.1:8500/v1/models/nmt",
        "grpc://127.0.0.1:8500/nmt/versions/x",
        "grpc://127.0.0.1:8500/nmt:predict",
    ],
)
def test_a_url_of_no_model(url):
    with pytest.raises(UserError, match=r"^url: expected grpc://HOST:PORT/NAME, .* received 'grpc://127"):
        Client(url)


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    told = r"^url: expected the extra `grpc` to be installed, received 'grpc://a:1/b'; install keras-nmt\[grpc\]$"
    with pytest.raises(UserError, match=told):
        Client("grpc://a:1/b")


@pytest.mark.slow
def test_a_server_is_killed_and_started_again_under_a_stream(small_export):
    def start(port):
        ports = ["--port", "0", "--grpc-port", str(port)]
        process = subprocess.Popen(
            [sys.executable, "nmt.py", "serve", str(small_export), *ports],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.getcwd(), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        process.stdout.readline()
        return process, re.fullmatch(r"Serving (grpc://127\.0\.0\.1:\d+/nmt)\n", process.stdout.readline())[1]

    lines = [f"{'word ' * (i % 17)}{i}" for i in range(3000)]
    server, url = start(0)
    try:
        with Client(url, batch_size=16, retries=200, backoff=0.1, timeout=60) as client:
            translations = client.stream(lines)
            done = [next(translations) for _ in range(500)]
            server.kill()
            server.wait()
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                rest = pool.submit(list, translations)
                server, again = start(int(re.search(r":(\d+)/", url)[1]))
                assert again == url
                done += rest.result()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    assert done == [line.upper() for line in lines]
