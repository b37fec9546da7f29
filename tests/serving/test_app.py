"""The contract of TF Serving's REST API, asked of the real server over a socket."""

import base64
import gzip
import json

import httpx
import pytest

from serving.config import ServerConfig
from serving.server import running

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
        ('{"instances": ["ab", "c"]}', {"predictions": ["AB", "C"]}),
        ('{"instances": [{"text": "ab"}, {"text": "c"}]}', {"predictions": ["AB", "C"]}),
        ('{"instances": [{"b64": "YWI="}, "c"]}', {"predictions": ["AB", "C"]}),
        ('{"instances": [{"b64": "YWI"}]}', {"predictions": ["AB"]}),
        ('{"instances": [{"text": {"b64": "YWI="}}]}', {"predictions": ["AB"]}),
        ('{"signature_name": "", "instances": ["a"]}', {"predictions": ["A"]}),
        ('{"signature_name": "serving_default", "instances": ["a"]}', {"predictions": ["A"]}),
        (
            '{"signature_name": "nbest", "instances": ["aB", "x"]}',
            {
                "predictions": [
                    {"translations": ["AB", "ab"], "scores": [0.2, -2.0]},
                    {"translations": ["X", "x"], "scores": [0.1, -1.0]},
                ]
            },
        ),
        (
            '{"signature_name": "add", "instances": [{"a": 1, "b": 2.5}, {"b": 1, "a": 16777215}]}',
            {"predictions": [3.5, 16777216.0]},
        ),
        (
            '{"signature_name": "rows", "instances":'
            ' [{"x": [1, 2], "negative": true}, {"x": [4, 5], "negative": false}]}',
            {"predictions": [{"total": -3, "odd": [True, False]}, {"total": 9, "odd": [False, True]}]},
        ),
        ('{"signature_name": "narrow", "instances": [255, 256]}', {"predictions": [255, 0]}),
        ('{"signature_name": "binary", "instances": ["ab"]}', {"predictions": [{"b64": "YWI="}]}),
        # by column
        ('{"inputs": ["ab", "c"]}', {"outputs": ["AB", "C"]}),
        ('{"inputs": {"text": ["ab", "c"]}}', {"outputs": ["AB", "C"]}),
        ('{"inputs": {"text": ["ab"], "more": 3}}', {"outputs": ["AB"]}),
        ('{"inputs": []}', {"outputs": []}),
        ('{"inputs": "ab"}', {"outputs": "AB"}),
        ('{"inputs": {"b64": "YWI="}}', {"outputs": "AB"}),
        ('{"inputs": [["ab"], ["c"]]}', {"outputs": [["AB"], ["C"]]}),
        (
            '{"signature_name": "nbest", "inputs": ["aB"]}',
            {"outputs": {"translations": [["AB", "ab"]], "scores": [[0.2, -2.0]]}},
        ),
        ('{"signature_name": "add", "inputs": {"a": [1, 2], "b": [0.5, 0.25]}}', {"outputs": [1.5, 2.25]}),
        ('{"signature_name": "lengths_differ", "inputs": [1, 2]}', {"outputs": {"x": [1.0, 2.0], "first": [1.0]}}),
        ('{"signature_name": "total", "inputs": [1, 2]}', {"outputs": 3.0}),
        # the document
        ('{"instances": ["a"]} and more', {"predictions": ["A"]}),
        ('\ufeff{"instances": ["a"]}', {"predictions": ["A"]}),
        ('{"instances": ["a"], "instances": 3}', {"predictions": ["A"]}),
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
    # the document
    ("", "JSON Parse error: The document is empty"),
    (" ", "JSON Parse error: The document is empty. at offset: 1"),
    ("instances = [1, 2]", "JSON Parse error: Invalid value. at offset: 0"),
    ('{"ä": ,}', "JSON Parse error: Invalid value. at offset: 7"),
    ('{"instances": ["a"],}', "JSON Parse error: Missing a name for object member. at offset: 20"),
    ('{"instances": ["\\ud800"]}', "JSON Parse error: The surrogate pair in string is invalid. at offset: 16"),
    ("[1]", "JSON Value: [\n    1\n] Is not object"),
    ("{}", "Missing 'inputs' or 'instances' key"),
    (
        '{"signature_name": 3}',
        'JSON Value: {\n    "signature_name": 3\n} not formatted correctly.'
        " 'signature_name' key must be a string value.",
    ),
    ('{"signature_name": "s"}', 'Serving signature name: "s" not found in signature def'),
    (
        '{"signature_name": "__saved_model_init_op"}',
        "Failed to get input map for signature: __saved_model_init_op",
    ),
    (
        '{"instances": [], "inputs": []}',
        'JSON Value: {\n    "instances": [],\n    "inputs": []\n} Not formatted correctly expecting only one of'
        " 'inputs' or 'instances' keys to exist ",
    ),
    (
        '{"instances": "a"}',
        'JSON Value: {\n    "instances": "a"\n} Expecting \'instances\' to be an list/array',
    ),
    ('{"instances": []}', "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"),
    # rows
    (
        '{"instances": ["a", 1]}',
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: 1 Type: Number is not"
        " of expected type: string",
    ),
    (
        '{"instances": [{"text": null}]}',
        "Failed to process element: 0 key: text of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: null Type:"
        " Null is not of expected type: string",
    ),
    (
        '{"instances": [["a", "b"], ["a"]]}',
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 2 but got:"
        " 1",
    ),
    (
        '{"instances": [["a", "b"], [["a"], ["b"]]]}',
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting shape [2] but got: [2,1]",
    ),
    (
        '{"instances": [["a", ["b"]]]}',
        "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: Encountered list at unexpected"
        " level: 1 expected < 1",
    ),
    (
        '{"instances": [{"text": "a", "more": 1}]}',
        "Failed to process element: 0 key: more of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not"
        " have named input: more",
    ),
    (
        '{"signature_name": "add", "instances": [{"b": 1}]}',
        "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"b\": 1\n} keys must be equal to: a,b",
    ),
    (
        '{"signature_name": "add", "instances": [1, 2]}',
        "instances is a plain list, but expecting list of objects as multiple input tensors required as per"
        " tensorinfo_map",
    ),
    ('{"instances": [{"text": "a"}, "b"]}', "Expecting object but got list at item 1 of input list"),
    ('{"instances": ["a", {"text": "b"}]}', "Expecting value/list but got object at item 1 of input list"),
    (
        '{"instances": [{"b64": "!"}]}',
        "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: Unable to base64 decode",
    ),
    (
        '{"signature_name": "lengths_differ", "instances": [1, 2, 3]}',
        "Tensor name: x has inconsistent batch size: 3 expecting: 1",
    ),
    ('{"signature_name": "total", "instances": [1, 2]}', "Tensor name: total has no shape information "),
    # columns
    ('{"signature_name": "add", "inputs": {"a": [1]}}', "Missing named input: b in 'inputs' object."),
    (
        '{"signature_name": "add", "inputs": [1]}',
        "inputs is a plain value/list, but expecting an object as multiple input tensors required as per"
        " tensorinfo_map",
    ),
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
        '{"signature_name": "rows", "inputs": {"x": [[true]], "negative": [true]}}',
        "JSON Value: true Type: True is not of expected type: int64",
    ),
    (
        '{"signature_name": "rows", "inputs": {"x": [[9223372036854775808]], "negative": [true]}}',
        "JSON Value: 9223372036854775808 Type: Number is not of expected type: int64",
    ),
    (
        '{"signature_name": "rows", "inputs": {"x": [[1]], "negative": [0]}}',
        "JSON Value: 0 Type: Number is not of expected type: bool",
    ),
    (
        '{"signature_name": "rows", "inputs": {"x": [[1, 2], [3]], "negative": [true, true]}}',
        "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    (
        '{"inputs": [["a"], "b"]}',
        'JSON Value: "b" found at incorrect level: 2 in the JSON DOM. Expected at level: 2',
    ),
    (
        '{"inputs": [{"b64": 1}]}',
        'JSON Value: {\n    "b64": 1\n} not formatted correctly for base64 data',
    ),
    ('{"inputs": [{"x": []}]}', 'JSON Value: {\n    "x": []\n} not formatted correctly for base64 data'),
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


AVAILABLE = {
    "model_version_status": [
        {"version": "10", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]
}


@pytest.mark.parametrize(
    ("method", "path", "code", "answer"),
    [
        ("GET", "/v1/models/nmt", 200, AVAILABLE),
        ("GET", "/V1/Models/nmt", 200, AVAILABLE),
        ("GET", "/v1/models/nm%74/versions/10", 200, AVAILABLE),
        ("GET", "/v1/models/nmt/METADATA", 200, AVAILABLE),
        ("GET", "/v1/models/other", 404, "Could not find any versions of model other"),
        ("GET", "/v1/models/NMT", 404, "Could not find any versions of model NMT"),
        ("GET", "/v1/models/nmt?x=1", 404, "Could not find any versions of model nmt?x=1"),
        ("GET", "/v1/models/nmt/versions/2", 404, "Could not find version 2 of model nmt"),
        ("GET", "/v1/models/nmt/labels/stable", 400, "Unrecognized servable version label: stable"),
        ("GET", "/v1/models/nmt/versions/x", 400, "Malformed request: GET /v1/models/nmt/versions/x"),
        (
            "GET",
            "/v1/models/nmt/versions/9223372036854775808",
            400,
            "Failed to convert version: 9223372036854775808 to numeric.",
        ),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/nmt/", 400, "Malformed request: GET /v1/models/nmt/"),
        ("GET", "/v1/foo", 400, "Malformed request: GET /v1/foo"),
        ("GET", PREDICT, 400, f"Malformed request: GET {PREDICT}"),
        ("GET", "/v1/models/other/metadata", 404, "Servable not found for request: Latest(other)"),
        ("GET", "/v1/models/nmt/versions/3/metadata", 404, "Servable not found for request: Specific(nmt, 3)"),
        ("GET", "/elsewhere", 404, "Not Found"),
        ("POST", "/v1/models/nmt", 400, "Malformed request: POST /v1/models/nmt"),
        ("POST", "/v1/models/nmt:PREDICT", 400, "Malformed request: POST /v1/models/nmt:PREDICT"),
        ("POST", f"{PREDICT}?x=1", 400, f"Malformed request: POST {PREDICT}?x=1"),
        ("POST", "/v1/models/nmt/version/10:predict", 400, "Malformed request: POST /v1/models/nmt/version/10:predict"),
        ("POST", "/v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
        ("POST", "/v1/models/nmt/versions/2:predict", 404, "Servable not found for request: Specific(nmt, 2)"),
        ("POST", "/v1/models/other/labels/canary:predict", 400, "Unrecognized servable version label: canary"),
        ("POST", "/V1/MODELS/nmt/VERSIONS/10:predict", 200, {"predictions": ["A"]}),
        (
            "POST",
            "/v1/models/nmt:classify",
            400,
            "Expected classification signature method_name to be tensorflow/serving/classify. Was:"
            " tensorflow/serving/predict",
        ),
        (
            "POST",
            "/v1/models/nmt:regress",
            400,
            "Expected regression signature method_name to be tensorflow/serving/regress. Was:"
            " tensorflow/serving/predict",
        ),
        ("PUT", PREDICT, 400, f"Malformed request: PUT {PREDICT}"),
        ("DELETE", "/v1/models/nmt", 400, "Malformed request: DELETE /v1/models/nmt"),
    ],
)
def test_routes(http, method, path, code, answer):
    body = '{"instances": ["a"]}' if method == "POST" else None
    response = http.request(method, path, content=body)
    assert response.status_code == code
    assert response.json() == ({"error": answer} if isinstance(answer, str) else answer)


@pytest.mark.parametrize(
    ("path", "body", "code", "message"),
    [
        ("/v1/models/other:predict", "{", 400, "JSON Parse error: Missing a name for object member. at offset: 1"),
        ("/v1/models/other:predict", '{"signature_name": "s"}', 404, "Servable not found for request: Latest(other)"),
        (
            PREDICT,
            '{"signature_name": "s", "instances": 3}',
            400,
            'Serving signature name: "s" not found in signature def',
        ),
    ],
)
def test_order_of_checks(http, path, body, code, message):
    response = http.post(path, content=body)
    assert (response.status_code, response.json()) == (code, {"error": message})


def test_metadata(http):
    answer = http.get("/v1/models/nmt/metadata").json()
    assert answer["model_spec"] == {"name": "nmt", "signature_name": "", "version": "10"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    vector = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    default = signatures["serving_default"]
    assert default["inputs"] == {
        "text": {"dtype": "DT_STRING", "tensor_shape": vector, "name": default["inputs"]["text"]["name"]}
    }
    assert default["outputs"]["translation"]["dtype"] == "DT_STRING"
    assert default["method_name"] == "tensorflow/serving/predict"
    assert set(signatures["add"]["inputs"]) == {"a", "b"}
    assert "__saved_model_init_op" in signatures


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


def test_gzip(http):
    headers = {"content-encoding": "gzip"}
    body = gzip.compress(json.dumps({"instances": ["a"]}).encode())
    assert http.post(PREDICT, content=body, headers=headers).json() == {"predictions": ["A"]}
    response = http.post(PREDICT, content=b"no gzip", headers=headers)
    assert response.status_code == 400
    assert response.json()["error"].startswith("Failed to uncompress the gzipped body")
    response = http.post(PREDICT, content=body[:-9], headers=headers)
    assert response.status_code == 400
    assert response.json() == {"error": "Failed to uncompress the gzipped body: it ends too early"}


def test_health(http):
    for path in ("/healthz", "/readyz"):
        response = http.get(path)
        assert (response.status_code, response.text) == (200, "ok\n")
        assert http.post(path).status_code == 404


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


def test_requests_of_many_rows(small_export):
    with running(str(small_export), config=ServerConfig(max_rows=2)) as url, httpx.Client() as client:
        assert client.post(f"{url}:predict", json={"inputs": ["a", "b"]}).json() == {"outputs": ["A", "B"]}
        refused = client.post(f"{url}:predict", json={"instances": ["a", "b", "c"]})
        message = "Expecting at most 2 rows but got: 3; divide the request"
        assert (refused.status_code, refused.json()) == (400, {"error": message})
