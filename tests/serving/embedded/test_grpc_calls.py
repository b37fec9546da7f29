"""What stands around every call: id, key, time limit, log."""

import asyncio
import concurrent.futures
import json
import re
import time
import types
from collections import Counter

import grpc
import httpx
import pytest

from serving.embedded.access_log import logging_to_stderr
from serving.embedded.config import BatcherConfig, ServerConfig
from serving.embedded.grpc_calls import Call
from tests.serving.stubs import metadata_request, predict_request, refusal, serving, status_request

ITERATIONS_WITHOUT_END = 2**31 - 1
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def slow(stubs, iterations, **rest):
    return stubs.predict("slow", {"n": [iterations]}, **rest)


def logged(capsys):
    """The objects on stderr, a line each."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]


def test_a_call_is_a_line_as_a_request_over_rest_is(small_export, capsys):
    with logging_to_stderr(), serving(small_export) as (url, stubs):
        metadata = (("x-request-id", "a-1"),)
        stubs.predict(inputs={"text": ["secret", "b"]}, metadata=metadata)
        refusal(lambda: stubs.predict("sing", metadata=metadata))
        stubs.models.GetModelStatus(status_request(), metadata=metadata)
        httpx.get(url, headers={"X-Request-ID": "a-2"})
    lines = logged(capsys)
    told = [(line["request_id"], line["method"], line["path"], line["status"], line["rows"]) for line in lines]
    assert told == [
        ("a-1", "gRPC", PREDICT, "OK", 2),
        ("a-1", "gRPC", PREDICT, "FAILED_PRECONDITION", None),
        ("a-1", "gRPC", "/tensorflow.serving.ModelService/GetModelStatus", "OK", None),
        ("a-2", "GET", "/v1/models/nmt", 200, None),
    ]
    assert {tuple(line) for line in lines} == {tuple(lines[-1])}
    assert "secret" not in json.dumps(lines)


def test_the_text_is_logged_when_that_is_asked_for(small_export, capsys):
    with logging_to_stderr(), serving(small_export, ServerConfig(log_text=True)) as (_, stubs):
        stubs.upper("ä\u2028b")
    (line,) = logged(capsys)
    assert line["text"] == '{"inputs":{"text":["ä\u2028b"]}}'


@pytest.mark.parametrize("given", ["a", "0b7c.d_e:f-9"])
def test_a_sane_id_comes_back(stubs, given):
    metadata = (("x-request-id", given),)
    _, call = stubs.predictions.Predict.with_call(predict_request(), metadata=metadata)
    assert dict(call.trailing_metadata())["x-request-id"] == given
    with pytest.raises(grpc.RpcError) as caught:
        stubs.predict("sing", metadata=metadata)
    assert dict(caught.value.trailing_metadata())["x-request-id"] == given


@pytest.mark.parametrize("given", [None, "a b", "x" * 129])
def test_any_other_id_is_replaced(stubs, given):
    metadata = (("x-request-id", given),) if given else ()
    ids = [
        dict(stubs.predictions.Predict.with_call(predict_request(), metadata=metadata)[1].trailing_metadata())
        for _ in range(2)
    ]
    assert all(re.fullmatch("[0-9a-f]{32}", each["x-request-id"]) for each in ids)
    assert ids[0] != ids[1]


@pytest.fixture(scope="module")
def guarded(small_export, tmp_path_factory):
    """Stubs for a server that asks for a key."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("first-key\nsecond-key\n")
    with serving(small_export, ServerConfig(api_key_file=str(keys))) as (_, stubs):
        yield stubs


@pytest.mark.parametrize("value", ["Bearer first-key", "bearer  second-key"])
def test_a_key_admits(guarded, value):
    assert guarded.upper("a", metadata=(("authorization", value),)) == "A"


@pytest.mark.parametrize("value", [None, "", "Bearer", "first-key", "Basic first-key", "Bearer first-ke"])
def test_without_one_nothing_is_told(guarded, value):
    metadata = () if value is None else (("authorization", value),)
    told = ("UNAUTHENTICATED", "Expected a known key in the header 'Authorization: Bearer KEY'")
    assert refusal(lambda: guarded.predict(metadata=metadata)) == told
    assert refusal(lambda: guarded.predictions.GetModelMetadata(metadata_request(), metadata=metadata)) == told
    assert refusal(lambda: guarded.models.GetModelStatus(status_request(), metadata=metadata)) == told


def test_the_servers_time_limit(small_export):
    with serving(small_export, ServerConfig(request_timeout=0.3)) as (_, stubs):
        told = ("DEADLINE_EXCEEDED", "Timed out waiting for notification")
        assert refusal(lambda: slow(stubs, ITERATIONS_WITHOUT_END)) == told
        assert stubs.upper("a") == "A"


def test_a_request_whose_deadline_passes_while_it_waits_is_never_run(small_export, capsys):
    config = ServerConfig(BatcherConfig(parallel_runs=1), request_timeout=60)
    with (
        logging_to_stderr(),
        serving(small_export, config) as (url, stubs),
        concurrent.futures.ThreadPoolExecutor(4) as pool,
    ):
        first = pool.submit(slow, stubs, 1_400_000)
        time.sleep(0.2)
        waiting = [pool.submit(refusal, lambda: slow(stubs, ITERATIONS_WITHOUT_END, timeout=0.5)) for _ in range(3)]
        assert {each.result()[0] for each in waiting} == {"DEADLINE_EXCEEDED"}
        assert not first.done()
        first.result()
        # Behind them, had they been run, it would wait for ever.
        assert stubs.upper("a", timeout=30) == "A"
        metrics = httpx.get(httpx.URL(url).join("/monitoring/prometheus/metrics")).text
    statuses = Counter(line["status"] for line in logged(capsys) if line["method"] == "gRPC")
    counts = dict(re.findall(r'request_count{model_name="nmt",status="(\w+)"} (\d+)\.0', metrics))
    assert statuses.pop("OK") == 2 and counts.pop("OK") == "2"
    # A call that takes long to come may be given up before the server knows that its time is over.
    assert {*statuses, *counts} <= {"DEADLINE_EXCEEDED", "CANCELLED"}
    assert sum(statuses.values()) == sum(map(int, counts.values())) == 3


@pytest.mark.parametrize(
    ("left", "code"),
    [(None, "CANCELLED"), (5.0, "CANCELLED"), (0.02, "DEADLINE_EXCEEDED"), (-1.0, "DEADLINE_EXCEEDED")],
)
def test_a_call_that_its_client_ends_at_the_deadline_took_too_long(left, code):
    call = Call("id", types.SimpleNamespace(time_remaining=lambda: left))
    assert call.code_of(asyncio.CancelledError()).name == code


def test_a_client_that_gives_up_leaves_its_place(small_export, capsys):
    config = ServerConfig(BatcherConfig(parallel_runs=1), request_timeout=60)
    with logging_to_stderr(), serving(small_export, config) as (_, stubs):
        running = stubs.predictions.Predict.future(predict_request("slow", {"n": [500_000]}))
        time.sleep(0.2)
        waiting = stubs.predictions.Predict.future(predict_request("slow", {"n": [ITERATIONS_WITHOUT_END]}))
        time.sleep(0.2)
        assert waiting.cancel()
        running.result(60)
        assert stubs.upper("a", timeout=30) == "A"
    assert sorted(line["status"] for line in logged(capsys)) == ["CANCELLED", "OK", "OK"]


def test_a_full_queue(small_export):
    config = ServerConfig(BatcherConfig(max_queued_rows=2, parallel_runs=1), request_timeout=60)
    with serving(small_export, config) as (_, stubs), concurrent.futures.ThreadPoolExecutor(6) as pool:
        first = pool.submit(slow, stubs, 500_000)
        time.sleep(0.2)
        asked = [pool.submit(stubs.upper, "a") for _ in range(5)]
        errors = [each.exception() for each in asked]
        assert first.result()
    refused = [error for error in errors if error]
    assert len(refused) == 3
    assert {(error.code().name, error.details()) for error in refused} == {
        ("UNAVAILABLE", "The batch scheduling queue to which this task was submitted is full")
    }


def test_a_long_message_is_cut_as_tensorflow_serving_does(stubs):
    code, message = refusal(lambda: stubs.predict("x" * 3000))
    assert code == "FAILED_PRECONDITION"
    assert message == f'Serving signature key "{"x" * 3000}'[:1024] + "...TRUNCATED"
