"""The services as TensorFlow Serving's own stubs see them; messages are those of TensorFlow Serving 2.20."""

import httpx
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.embedded.config import ServerConfig
from tests.serving.stubs import Stubs, metadata_request, predict_request, refusal, serving, status_request


def ask(stubs: Stubs, **changes):
    """The refusal of a prediction with changes of its `model_spec`, or of it as a whole."""
    request = predict_request()
    request.model_spec.MergeFrom(predict_pb2.PredictRequest(model_spec=changes).model_spec)
    return refusal(lambda: stubs.predictions.Predict(request))


def arrays(response):
    return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}


def test_a_prediction(stubs):
    response = stubs.predict(inputs={"text": ["a", "\0b", ""]})
    assert arrays(response)["translation"].tolist() == [b"A", b"\0B", b""]
    spec = response.model_spec
    assert (spec.name, spec.signature_name, spec.version.value) == ("nmt", "serving_default", 10)


def test_several_outputs_and_those_that_are_wanted(stubs):
    outputs = arrays(stubs.predict("nbest", {"text": ["aB"]}))
    assert outputs["translations"].tolist() == [[b"AB", b"ab"]]
    np.testing.assert_allclose(outputs["scores"], [[0.2, -2]], rtol=1e-6)
    request = predict_request("nbest", {"text": ["aB"]})
    request.output_filter.append("scores")
    assert set(stubs.predictions.Predict(request).outputs) == {"scores"}
    request.output_filter.append("scores")
    assert refusal(lambda: stubs.predictions.Predict(request)) == (
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: scores",
    )
    request.output_filter[:] = ["sums"]
    assert refusal(lambda: stubs.predictions.Predict(request)) == (
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: sums Outputs expected to be in the set {scores,translations}.",
    )


@pytest.mark.parametrize(
    ("signature", "inputs", "expected"),
    [
        ("add", {"a": np.float32([1, 2]), "b": np.float32([3, 4])}, {"sum": [4, 6]}),
        ("rows", {"x": np.int64([[1, 2], [3, 5]]), "negative": [True, False]}, {"total": [-3, 8]}),
        ("numbers", {"x": np.float64([0.1])}, {"x": [0.1]}),
        ("narrow", {"x": np.uint8([255])}, {"x": [255]}),
        ("half", {"x": np.float16([0.5, 1])}, {"x": [0.5, 1]}),
        ("binary", {"text": [b"\xff\x00"]}, {"raw_bytes": [b"\xff\x00"]}),
        ("total", {"x": np.float32([1, 2])}, {"total": 3}),
        ("serving_default", {"text": np.zeros([0], object)}, {"translation": []}),
    ],
)
def test_every_dtype_and_rank(stubs, signature, inputs, expected):
    outputs = arrays(stubs.predict(signature, inputs))
    assert {name: outputs[name].tolist() for name in expected} == expected


def test_a_version_by_number_and_by_label(stubs):
    for choice in ({"version": {"value": 2}}, {"version_label": "old"}):
        request = predict_request()
        request.model_spec.MergeFrom(predict_pb2.PredictRequest(model_spec=choice).model_spec)
        assert stubs.predictions.Predict(request).model_spec.version.value == 2


def test_a_model_that_is_not_there(stubs):
    assert refusal(lambda: stubs.predictions.Predict(predict_pb2.PredictRequest())) == (
        "INVALID_ARGUMENT",
        "Missing ModelSpec",
    )
    nameless = predict_pb2.PredictRequest(model_spec={"signature_name": "x"})
    assert refusal(lambda: stubs.predictions.Predict(nameless)) == (
        "INVALID_ARGUMENT",
        "ModelSpec has no name specified.",
    )
    assert ask(stubs, name="other") == ("NOT_FOUND", "Servable not found for request: Latest(other)")
    missing = ("NOT_FOUND", "Servable not found for request: Specific(nmt, 3)")
    assert ask(stubs, version={"value": 3}) == missing
    assert ask(stubs, version_label="new") == ("INVALID_ARGUMENT", "Unrecognized servable version label: new")
    assert ask(stubs, signature_name="sing") == ("FAILED_PRECONDITION", 'Serving signature key "sing" not found.')


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        (
            "serving_default",
            {},
            "input size does not match signature: 0!=1 len({}) != len({text}). Sent extra: {}."
            " Missing but required: {text}.",
        ),
        (
            "add",
            {"a": [1.0], "c": [1.0], "d": [1.0]},
            "input size does not match signature: 3!=2 len({a,c,d}) != len({a,b}). Sent extra: {c,d}."
            " Missing but required: {b}.",
        ),
        ("serving_default", {"txt": ["a"]}, "Signature input alias: text(feed name: serving_default_text:0) not found"),
        ("serving_default", {"text": [1.0]}, "Expects arg[0] to be string but float is provided"),
        ("add", {"a": [1.0], "b": [1]}, "Expects arg[1] to be float but int32 is provided"),
        ("picky", {"text": ["bad"]}, "assertion failed: [refused]"),
        ("serving_default", {"text": ["a"] * 4097}, "Expecting at most 4096 rows but got: 4097"),
        ("serving_default", {"text": ["a" * 1_000_001]}, "Expecting at most 1000000 characters but got: 1000001"),
    ],
)
def test_inputs_that_do_not_fit(stubs, signature, inputs, message):
    code, told = refusal(lambda: stubs.predict(signature, inputs))
    assert (code, message in told) == ("INVALID_ARGUMENT", True), told


def test_a_tensor_that_is_none(stubs):
    request = predict_request()
    request.inputs["text"].tensor_shape.dim[0].size = 2**40
    told = ("INVALID_ARGUMENT", "tensor parsing error: text")
    assert refusal(lambda: stubs.predictions.Predict(request)) == told
    request = predict_request()
    request.inputs["text"].dtype = 0
    assert refusal(lambda: stubs.predictions.Predict(request)) == told


def test_the_metadata_are_those_of_rest(small_service):
    url, stubs = small_service
    response = stubs.predictions.GetModelMetadata(metadata_request())
    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    over_rest = httpx.get(f"{url}/metadata").json()
    told = json_format.MessageToDict(found, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    assert told == over_rest["metadata"]["signature_def"]
    assert {"serving_default", "nbest", "add"} <= set(found.signature_def)
    spec = response.model_spec
    assert (spec.name, str(spec.version.value), spec.signature_name) == ("nmt", over_rest["model_spec"]["version"], "")


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (get_model_metadata_pb2.GetModelMetadataRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            metadata_request(fields=()),
            "INVALID_ARGUMENT",
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (metadata_request(fields=("size",)), "INVALID_ARGUMENT", "Metadata field size is not supported"),
        (metadata_request(""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (metadata_request("other"), "NOT_FOUND", "Servable not found for request: Latest(other)"),
    ],
)
def test_metadata_that_are_not_there(stubs, request_, code, message):
    assert refusal(lambda: stubs.predictions.GetModelMetadata(request_)) == (code, message)


def test_the_status_is_that_of_rest(small_service):
    url, stubs = small_service
    told = json_format.MessageToDict(
        stubs.models.GetModelStatus(status_request()),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    assert told == httpx.get(url).json()
    assert [each["version"] for each in told["model_version_status"]] == ["10", "2"]
    (one,) = stubs.models.GetModelStatus(status_request(version=2)).model_version_status
    assert (one.version, one.State.Name(one.state), one.status.error_code) == (2, "AVAILABLE", 0)


@pytest.mark.parametrize(
    ("model", "version", "message"),
    [
        ("other", None, "Could not find any versions of model other"),
        ("", None, "Could not find any versions of model "),
        ("nmt", 3, "Could not find version 3 of model nmt"),
    ],
)
def test_a_status_that_is_not_there(stubs, model, version, message):
    assert refusal(lambda: stubs.models.GetModelStatus(status_request(model, version))) == ("NOT_FOUND", message)


def test_what_is_not_implemented(stubs):
    for method, request in (
        ("Classify", classification_pb2.ClassificationRequest()),
        ("Regress", regression_pb2.RegressionRequest()),
        ("MultiInference", inference_pb2.MultiInferenceRequest()),
    ):
        told = ("UNIMPLEMENTED", f"{method} is not implemented: use Predict")
        assert refusal(lambda: getattr(stubs.predictions, method)(request)) == told  # noqa: B023


def test_requests_are_counted_beside_those_of_rest(small_export):
    config = ServerConfig(max_rows=2)
    with serving(small_export, config) as (url, stubs):
        httpx.post(f"{url}:predict", json={"inputs": ["a"]})
        for _ in range(2):
            stubs.upper("a")
        refusal(lambda: stubs.predict(inputs={"text": ["a"] * 3}))
        ask(stubs, signature_name="sing")
        ask(stubs, name="other")
        lines = httpx.get(httpx.URL(url).join("/monitoring/prometheus/metrics")).text.splitlines()
    count = ":tensorflow:serving:request_count"
    assert {line for line in lines if line.startswith(count)} == {
        f'{count}{{model_name="nmt",status="OK"}} 3.0',
        f'{count}{{model_name="nmt",status="INVALID_ARGUMENT"}} 1.0',
        f'{count}{{model_name="nmt",status="FAILED_PRECONDITION"}} 1.0',
    }
    latency = ':tensorflow:serving:request_latency_count{model_name="nmt",API='
    assert f'{latency}"Predict",entrypoint="GRPC"}} 2' in lines
    assert f'{latency}"predict",entrypoint="REST"}} 1' in lines
    # Both go through one queue.
    assert 'nmt_batch_rows_sum{model_name="nmt"} 3.0' in lines
