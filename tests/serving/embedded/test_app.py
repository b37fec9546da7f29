"""What the contract leaves open or our exports do not have (test_contract.py has the rest), over a socket."""

import base64
import gzip

import httpx
import pytest

from serving.embedded.config import ServerConfig
from serving.embedded.server import running

PREDICT = "/v1/models/nmt:predict"


@pytest.fixture(scope="module")
def http(small_export):
    with running(str(small_export)) as url, httpx.Client(base_url=url.removesuffix("/v1/models/nmt")) as client:
        yield client


def _predictions(*cases):
    return [pytest.param(body, answer, id=f"{i}") for i, (body, answer) in enumerate(cases)]


@pytest.mark.parametrize(
    ("body", "answer"),
    _predictions(
        # by row
        (
            '{"signature_name": "add", "instances": [{"a": 1, "b": 2.5}, {"b": 1, "a": 16777215}]}',
            {"predictions": [3.5, 16777216.0]},
        ),
        (
            '{"signature_name": "rows", "instances":'
            ' [{"x": [1, 2], "negative": true}, {"x": [4, 5], "negative": false}]}',
            {"predictions": [{"total": -3, "odd": [True, False]}, {"total": 9, "odd": [False, True]}]},
        ),
        (
            '{"signature_name": "nbest", "instances": ["aB", "x"]}',
            {
                "predictions": [
                    {"translations": ["AB", "ab"], "scores": [0.2, -2.0]},
                    {"translations": ["X", "x"], "scores": [0.1, -1.0]},
                ]
            },
        ),
        ('{"signature_name": "narrow", "instances": [255, 256]}', {"predictions": [255, 0]}),
        ('{"signature_name": "binary", "instances": ["ab"]}', {"predictions": [{"b64": "YWI="}]}),
        # by column
        ('{"inputs": "ab"}', {"outputs": "AB"}),
        ('{"inputs": {"b64": "YWI="}}', {"outputs": "AB"}),
        ('{"inputs": [["ab"], ["c"]]}', {"outputs": [["AB"], ["C"]]}),
        ('{"signature_name": "add", "inputs": {"a": [1, 2], "b": [0.5, 0.25]}}', {"outputs": [1.5, 2.25]}),
        ('{"signature_name": "lengths_differ", "inputs": [1, 2]}', {"outputs": {"x": [1.0, 2.0], "first": [1.0]}}),
        ('{"signature_name": "total", "inputs": [1, 2]}', {"outputs": 3.0}),
        # the document
        ('\ufeff{"instances": ["a"]}', {"predictions": ["A"]}),
        ('{"instances": ["\\u00e4\\n\\u0000\\ud83d\\ude00 \u2028\u0085"]}', {"predictions": ["ä\n\0😀 \u2028\u0085"]}),
    ),
)
def test_predictions(http, body, answer):
    response = http.post(PREDICT, content=body)
    assert (response.status_code, response.json()) == (200, answer)
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("[0.1, 2, 1e-7, 9000000, -0.0]", "[0.1,2.0,1e-07,9e+06,-0.0]"),
        ("[0.30000000000000004]", "[0.30000000000000004]"),
        ("[NaN, Infinity, -Infinity]", "[NaN,Infinity,-Infinity]"),
    ],
)
def test_decimals(http, sent, written):
    """Six digits where they give the number back, seventeen where not, and never the look of an integer."""
    response = http.post(PREDICT, content=f'{{"signature_name": "numbers", "inputs": {sent}}}')
    assert response.text == f'{{"outputs":{written}}}'


BAD = [
    (
        '{"signature_name": "__saved_model_init_op"}',
        "Failed to get input map for signature: __saved_model_init_op",
    ),
    (
        '{"signature_name": "lengths_differ", "instances": [1, 2, 3]}',
        "Tensor name: x has inconsistent batch size: 3 expecting: 1",
    ),
    ('{"signature_name": "total", "instances": [1, 2]}', "Tensor name: total has no shape information "),
    (
        '{"signature_name": "add", "inputs": {"a": ["x"], "b": [1]}}',
        'JSON Value: "x" Type: String is not of expected type: float',
    ),
    (
        '{"signature_name": "add", "inputs": {"a": [16777216], "b": [1]}}',
        "Cannot convert JSON value: 16777216 to float without loss of precision.",
    ),
    (
        '{"signature_name": "add", "inputs": {"a": [1e39], "b": [1]}}',
        "Cannot convert JSON value: 1e+39 to float without loss of precision.",
    ),
    (
        '{"signature_name": "rows", "inputs": {"x": [[1.0]], "negative": [true]}}',
        "JSON Value: 1.0 Type: Number is not of expected type: int64",
    ),
    (
        '{"signature_name": "rows", "inputs": {"x": [[9223372036854775808]], "negative": [true]}}',
        "JSON Value: 9223372036854775808 Type: Number is not of expected type: int64",
    ),
    (
        '{"signature_name": "rows", "inputs": {"x": [[1]], "negative": [0]}}',
        "JSON Value: 0 Type: Number is not of expected type: bool",
    ),
    ('{"inputs": ' + "[" * 70 + "]" * 70 + "}", "Encountered list at unexpected level: 69 expected < 63"),
]


@pytest.mark.parametrize(("body", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_requests(http, body, message):
    response = http.post(PREDICT, content=body)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"error": message}


@pytest.mark.parametrize("depth", [900, 5000, 100_000])
@pytest.mark.parametrize("key", ["inputs", "instances", "signature_name"])
def test_lists_without_end(http, key, depth):
    response = http.post(PREDICT, content=f'{{"{key}": {"[" * depth + "]" * depth}}}')
    assert response.status_code == 400
    assert response.json()["error"]


def test_paths_that_are_none(http):
    response = http.get("/v2")
    assert (response.status_code, response.json()) == (404, {"error": "Not Found"})
    response = http.request("TRACE", "/v1/models/nmt/%0A")
    assert (response.status_code, response.json()) == (400, {"error": "Malformed request: TRACE /v1/models/nmt/%0A"})


def test_the_models_own_error(http):
    response = http.post(PREDICT, json={"signature_name": "picky", "instances": ["bad"]})
    assert response.status_code == 400
    assert response.json()["error"].startswith("assertion failed: [refused]")


def test_a_dtype_that_json_does_not_carry(http):
    response = http.post(PREDICT, json={"signature_name": "half", "inputs": [1.5]})
    assert (response.status_code, response.json()) == (501, {"error": "Conversion of JSON Value: 1.5 to type: half"})


def test_bytes_that_are_no_text(http):
    sent = base64.b64encode(b"a\xff\x00").decode()
    raw = http.post(PREDICT, json={"signature_name": "binary", "inputs": [{"b64": sent}]})
    assert raw.json() == {"outputs": [{"b64": sent}]}
    text = http.post(PREDICT, json={"inputs": [{"b64": sent}]})
    assert text.json() == {"outputs": ["A\ufffd\0"]}
    assert http.post(PREDICT, content=b'{"inputs": ["a\xff"]}').json() == {"outputs": ["A\ufffd"]}


def test_a_body_that_is_no_gzip(http):
    headers = {"content-encoding": "gzip"}
    response = http.post(PREDICT, content=b"no gzip", headers=headers)
    assert response.status_code == 400
    assert response.json()["error"].startswith("Failed to uncompress the gzipped body")
    response = http.post(PREDICT, content=gzip.compress(b'{"instances": ["a"]}')[:-9], headers=headers)
    assert response.status_code == 400
    assert response.json() == {"error": "Failed to uncompress the gzipped body: it ends too early"}


def test_health(http):
    for path in ("/healthz", "/readyz"):
        response = http.get(path)
        assert (response.status_code, response.text) == (200, "ok\n")
        assert http.post(path).status_code == 405


def test_long_answers_are_compressed_for_those_who_ask(http):
    body = {"inputs": ["ab" * 1000]}
    plain = http.post(PREDICT, json=body, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    packed = http.post(PREDICT, json=body, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 100 < int(plain.headers["content-length"])
    assert packed.json() == plain.json() == {"outputs": ["AB" * 1000]}
    short = http.post(PREDICT, json={"inputs": ["ab"]}, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in short.headers


def test_other_origins_are_not_let_in(http):
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    preflight = http.options(PREDICT, headers=asked)
    assert (preflight.status_code, preflight.json()) == (400, {"error": f"Malformed request: OPTIONS {PREDICT}"})
    answer = http.post(PREDICT, json={"inputs": ["a"]}, headers=asked)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_origins_that_are_let_in(small_export, tmp_path):
    (tmp_path / "keys").write_text("key")
    config = ServerConfig(cors_origin=("https://a.example", "https://b.example"), api_key_file=str(tmp_path / "keys"))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
    with running(str(small_export), config=config) as url, httpx.Client() as client:
        for origin, status in (("https://b.example", 200), ("https://c.example", 400)):
            preflight = client.options(f"{url}:predict", headers={"Origin": origin, **asked})
            assert preflight.status_code == status
            allowed = preflight.headers.get("access-control-allow-origin")
            assert allowed == (origin if status == 200 else None)
        headers = {"Origin": "https://a.example", "Authorization": "Bearer key"}
        answer = client.post(f"{url}:predict", json={"inputs": ["a"]}, headers=headers)
        assert answer.json() == {"outputs": ["A"]}
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        # A refusal, too, can be read by the page that asked.
        refused = client.post(f"{url}:predict", json={"inputs": ["a"]}, headers={"Origin": "https://a.example"})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://a.example")


def test_requests_that_ask_for_too_much(small_export):
    config = ServerConfig(max_rows=2, max_characters=3)
    with running(str(small_export), config=config) as url, httpx.Client() as client:
        assert client.post(f"{url}:predict", json={"inputs": ["a", "bc"]}).json() == {"outputs": ["A", "BC"]}
        for inputs, message in (
            (["a", "b", "c"], "Expecting at most 2 rows but got: 3; divide the request"),
            (["ab", "cd"], "Expecting at most 3 characters but got: 4; divide the request"),
        ):
            refused = client.post(f"{url}:predict", json={"inputs": inputs})
            assert (refused.status_code, refused.json()) == (400, {"error": message})
