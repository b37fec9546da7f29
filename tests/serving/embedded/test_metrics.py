"""The numbers of a served model, read back after requests whose number and size are known."""

import concurrent.futures
import re
import time

import httpx

from serving.embedded.config import BatcherConfig, ServerConfig
from serving.embedded.metrics import ModelNumbers, ServingMetrics
from serving.embedded.server import running
from serving.embedded.status import Code

SAMPLE = re.compile(r"([a-z_:]+)\{(.*)\} ([\d.e+-]+)")


def read(url):
    """The samples of a server: values by name and labels."""
    response = httpx.get(httpx.URL(url).join("/monitoring/prometheus/metrics"))
    assert (response.status_code, response.headers["content-type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    lines = [line for line in response.text.splitlines() if not line.startswith("#")]
    return {f"{name}{{{labels}}}": float(value) for name, labels, value in map(parse, lines)}


def parse(line):
    return SAMPLE.fullmatch(line).groups()


def test_requests_are_counted_by_how_they_ended(small_export):
    count, latency = ":tensorflow:serving:request_count", ":tensorflow:serving:request_latency"
    labels = 'model_name="nmt",API="predict",entrypoint="REST"'
    with running(str(small_export)) as url, httpx.Client() as client:
        assert [key for key in read(url) if key.startswith(":tensorflow")] == []
        started = time.monotonic()
        for _ in range(3):
            client.post(f"{url}:predict", json={"inputs": ["a"]})
        took = time.monotonic() - started
        client.post(f"{url}:predict", content="{")
        client.post(f"{url}/versions/3:predict", json={"inputs": ["a"]})
        client.post(f"{url}:classify", json={})
        client.get(url)
        client.post(url.replace("nmt", "other") + ":predict", json={"inputs": ["a"]})
        samples = read(url)
    assert {key: value for key, value in samples.items() if key.startswith(count)} == {
        f'{count}{{model_name="nmt",status="OK"}}': 3,
        f'{count}{{model_name="nmt",status="INVALID_ARGUMENT"}}': 2,
        f'{count}{{model_name="nmt",status="NOT_FOUND"}}': 1,
    }
    assert samples[f"{latency}_count{{{labels}}}"] == 3
    assert samples[f'{latency}_bucket{{{labels},le="+Inf"}}'] == 3
    assert samples[f'{latency}_bucket{{{labels},le="10"}}'] == 0
    # The 20th of the limits of TF Serving, 10 * 1.8 ** 19.
    assert f'{latency}_bucket{{{labels},le="708235"}}' in samples
    assert 30 < samples[f"{latency}_sum{{{labels}}}"] < took * 1e6


def test_batches_stages_and_the_queue(small_export):
    config = ServerConfig(BatcherConfig(parallel_runs=1))
    slow = {"signature_name": "slow", "inputs": [300_000]}
    with running(str(small_export), config=config) as url, concurrent.futures.ThreadPoolExecutor(4) as pool:
        first = pool.submit(httpx.post, f"{url}:predict", json=slow, timeout=60)
        time.sleep(0.3)
        others = [pool.submit(httpx.post, f"{url}:predict", json={"inputs": ["a"] * n}, timeout=60) for n in (1, 2, 4)]
        while read(url)['nmt_queue_rows{model_name="nmt"}'] < 7:
            assert not first.done()
        assert all(answer.result().status_code == 200 for answer in [first, *others])
        samples = read(url)
    assert samples['nmt_queue_rows{model_name="nmt"}'] == samples['nmt_failed_loads_total{model_name="nmt"}'] == 0
    # Of seven texts of one character.
    assert [samples[f'nmt_characters_total{{model_name="nmt",side="{side}"}}'] for side in ("source", "target")] == [
        7,
        7,
    ]
    batches = [samples[f'nmt_batch_rows_{kind}{{model_name="nmt"}}'] for kind in ("count", "sum")]
    assert batches == [2, 8]
    buckets = [samples[f'nmt_batch_rows_bucket{{model_name="nmt",le="{limit}"}}'] for limit in (1, 4, 8, 4096)]
    assert buckets == [1, 1, 2, 2]
    waiting, running_ = (f'{{model_name="nmt",stage="{stage}"}}' for stage in ("waiting", "running"))
    assert samples[f"nmt_stage_seconds_count{waiting}"] == samples[f"nmt_stage_seconds_count{running_}"] == 4
    # Three waited for the first to end; it itself did not wait.
    assert samples[f"nmt_stage_seconds_sum{waiting}"] > 3 * 0.01
    assert samples[f"nmt_stage_seconds_sum{running_}"] > 0.3
    assert samples['nmt_stage_seconds_bucket{model_name="nmt",stage="waiting",le="0.01"}'] >= 1


def test_models_are_apart():
    metrics = ServingMetrics()
    metrics.record_request("a", "predict", "REST", Code.OK, 0.25)
    metrics.record_request("b", "predict", "REST", Code.UNAVAILABLE, 0.5)
    metrics.record_batch("a", 3, [0.5, 0.25], 2.0)
    lines = metrics.render({"a": ModelNumbers(0, 2, 11, 12), "b": ModelNumbers(5, 0, 0, 0)}).splitlines()
    assert ':tensorflow:serving:request_count{model_name="a",status="OK"} 1.0' in lines
    assert ':tensorflow:serving:request_count{model_name="b",status="UNAVAILABLE"} 1.0' in lines
    assert ':tensorflow:serving:request_latency_sum{model_name="a",API="predict",entrypoint="REST"} 250000.0' in lines
    assert not any(line.startswith(':tensorflow:serving:request_latency_sum{model_name="b"') for line in lines)
    assert 'nmt_queue_rows{model_name="b"} 5' in lines
    assert [line for line in lines if line.startswith("nmt_failed_loads_total")] == [
        'nmt_failed_loads_total{model_name="a"} 2',
        'nmt_failed_loads_total{model_name="b"} 0',
    ]
    assert 'nmt_characters_total{model_name="a",side="source"} 11' in lines
    assert 'nmt_characters_total{model_name="a",side="target"} 12' in lines
    assert 'nmt_stage_seconds_sum{model_name="a",stage="waiting"} 0.75' in lines
    assert 'nmt_stage_seconds_sum{model_name="a",stage="running"} 4.0' in lines
    # Of a model that is gone neither queue nor texts are told, but that it was asked.
    left = metrics.render({"b": ModelNumbers(1, 0, 0, 0)})
    assert re.findall(r'^(nmt_[a-z_]+)\{model_name="a"(?!.*le=)', left, re.MULTILINE) == [
        *("nmt_batch_rows_sum", "nmt_batch_rows_count"),
        *["nmt_stage_seconds_sum", "nmt_stage_seconds_count"] * 2,
    ]
    assert ':tensorflow:serving:request_count{model_name="a",status="OK"} 1.0' in left
