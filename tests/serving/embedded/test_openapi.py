import httpx
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving.embedded.config import ServerConfig
from serving.embedded.openapi import describe
from serving.embedded.server import running
from serving.embedded.versions import Model


@pytest.fixture(scope="module")
def described(small_export):
    """The description of a model of many dtypes, and of one without versions."""
    model = Model("a b", ServerConfig())
    model.load(small_export / "10")
    yield describe([model, Model("none", ServerConfig())], with_keys=False)
    model.close()


def test_it_is_openapi(described):
    schemathesis.openapi.from_dict(described).validate()
    assert described["openapi"] == "3.1.0"


def test_each_model_has_its_paths(described):
    own = ["", "/metadata", ":predict"]
    expected = {f"/v1/models/a%20b{version}{verb}" for version in ("", "/versions/{version}") for verb in own}
    expected |= {f"/v1/models/none{version}{verb}" for version in ("", "/versions/{version}") for verb in own[:2]}
    assert {path for path in described["paths"] if path.startswith("/v1/")} == expected


def validator(described, kind):
    """Validates what is sent to, or answered by, the model of many dtypes."""
    operation = described["paths"]["/v1/models/a%20b:predict"]["post"]
    place = operation["requestBody"] if kind == "request" else operation["responses"]["200"]
    schema = place["content"]["application/json"]["schema"]
    return jsonschema.Draft202012Validator({**schema, "components": described["components"]})


@pytest.mark.parametrize(
    ("document", "fits"),
    [
        ({"instances": ["a", {"b64": "YWI="}, {"text": "c"}]}, True),
        ({"inputs": ["a"]}, True),
        ({"inputs": {"text": []}}, True),
        ({"signature_name": "serving_default", "instances": ["a"]}, True),
        ({"signature_name": "add", "instances": [{"a": 1, "b": 2.5}]}, True),
        ({"signature_name": "add", "inputs": {"a": [1], "b": [2.5]}}, True),
        ({"signature_name": "rows", "instances": [{"x": [1, 2], "negative": True}]}, True),
        ({"signature_name": "narrow", "inputs": [255, 2147483647]}, True),
        ({}, False),
        ({"instances": []}, False),
        ({"instances": [1]}, False),
        ({"instances": ["a"], "inputs": ["a"]}, False),
        ({"instances": ["a"], "more": 1}, False),
        ({"instances": [{"b64": "a b"}]}, False),
        ({"signature_name": "add", "instances": [1]}, False),
        ({"signature_name": "add", "instances": [{"a": 1}]}, False),
        ({"signature_name": "unknown", "instances": ["a"]}, False),
        ({"signature_name": "rows", "instances": [{"x": 1, "negative": True}]}, False),
        ({"signature_name": "rows", "instances": [{"x": [1], "negative": 1}]}, False),
        ({"signature_name": "narrow", "inputs": [2147483648]}, False),
        ({"signature_name": "narrow", "inputs": [0.5]}, False),
    ],
)
def test_requests(described, document, fits):
    assert validator(described, "request").is_valid(document) == fits


@pytest.mark.parametrize(
    ("document", "fits"),
    [
        ({"predictions": ["A"]}, True),
        ({"outputs": []}, True),
        ({"predictions": [{"translations": ["A", "a"], "scores": [0.5, -1]}]}, True),
        ({"outputs": {"translations": [["A", "a"]], "scores": [[0.5, -1]]}}, True),
        ({"predictions": [{"b64": "YWI="}]}, True),
        ({"predictions": [{"total": -3, "odd": [True]}]}, True),
        ({"predictions": "A"}, False),
        ({"error": "A"}, False),
        ({"predictions": [{"translations": ["A", "a"], "scores": [0.5]}]}, False),
        ({"predictions": [{"translations": ["A", "a", "b"], "scores": [0.5, -1]}]}, False),
        ({"predictions": [{"translations": ["A", "a"]}]}, False),
        ({"predictions": [{"total": -3.5, "odd": [True]}]}, False),
    ],
)
def test_answers(described, document, fits):
    assert validator(described, "answer").is_valid(document) == fits


def test_keys(small_export, tmp_path):
    (tmp_path / "keys").write_text("key")
    config = ServerConfig(api_key_file=str(tmp_path / "keys"))
    with running(str(small_export), config=config) as url:
        address = str(httpx.URL(url).join("/openapi.json"))
        assert httpx.get(address).status_code == 401
        described = httpx.get(address, headers={"Authorization": "Bearer key"}).json()
    assert described["security"] == [{"key": []}]
    assert described["components"]["securitySchemes"]["key"] == {"type": "http", "scheme": "bearer"}
    open_paths = {path for path, item in described["paths"].items() if item.get("get", {}).get("security") == []}
    assert open_paths == {"/healthz", "/readyz", "/monitoring/prometheus/metrics"}


@pytest.fixture(scope="module")
def api(url):
    return schemathesis.openapi.from_url(str(httpx.URL(url).join("/openapi.json")))


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
def test_a_server_keeps_to_its_description(api, mode):
    """Requests that fit it, or do not, are answered as it says, and by no server error."""
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    for found in api.get_all_operations():
        operation = found.ok()
        if mode.is_negative and not (operation.path_parameters or operation.body):
            # Nothing about it can be wrong.
            continue

        @settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(mode))
        def ask(case):
            case.call_and_validate(checks=checks)

        ask()
