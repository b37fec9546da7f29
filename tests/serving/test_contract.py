"""TF Serving's REST contract, asked of a server over HTTP: by default of the embedded one, by --host of any.

Nothing here depends on what an export has learned: the model may be any that `nmt export` has written.
"""

import base64
import gzip
import json

import httpx
import pytest

pytestmark = pytest.mark.slow

TEXT = "two blue cats"
# In expected answers: the translation of TEXT, which any request but these is to repeat.
T = "\0translation"
OK = json.dumps({"instances": [TEXT]})
PATH = "/v1/models/{model}"

# Unless there is a --host.
pytestmark = pytest.mark.trained


@pytest.fixture(scope="module")
def model(request):
    return request.config.getoption("--model")


@pytest.fixture(scope="module")
def http(request):
    host = request.config.getoption("--host") or request.getfixturevalue("url").partition("/v1/")[0]
    with httpx.Client(base_url=host, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def version(http, model):
    told = http.get(f"/v1/models/{model}").json()["model_version_status"]
    return max((each["version"] for each in told if each["state"] == "AVAILABLE"), key=int)


@pytest.fixture(scope="module")
def fill(model, version):
    """Puts the model's name, and its version, into a path or a message."""
    names = {"{model}": model, "{escaped}": f"%{ord(model[0]):02x}{model[1:]}", "{version}": version}

    def fill(text):
        for name, value in names.items():
            text = text.replace(name, value)
        return text

    return fill


@pytest.fixture(scope="module")
def ask(http, model):
    """Asks for a prediction, which has to be answered with this status; gives the document."""

    def ask(body, status=200, **headers):
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        response = http.post(f"/v1/models/{model}:predict", content=content, headers=headers)
        assert (response.status_code, response.headers["content-type"]) == (status, "application/json"), response.text
        return response.json()

    return ask


@pytest.fixture(scope="module")
def translation(ask):
    (translation,) = ask(OK)["predictions"]
    assert isinstance(translation, str)
    return translation


def cases(table):
    return pytest.mark.parametrize("case", table.values(), ids=table)


STATUS = {
    "model_version_status": [
        {"version": "{version}", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]
}
TOO_LARGE = "9223372036854775808"
ROUTES = {
    "status": (f"GET {PATH}", 200, STATUS),
    "status in any case": ("GET /V1/Models/{model}", 200, STATUS),
    "status of a version": (f"GET {PATH}/versions/{{version}}", 200, STATUS),
    "status of an escaped name": ("GET /v1/models/{escaped}/versions/{version}", 200, STATUS),
    "status of an unknown model": ("GET /v1/models/unknown", 404, "Could not find any versions of model unknown"),
    "a name's case counts": ("GET /v1/models/UnKnown", 404, "Could not find any versions of model UnKnown"),
    "a query belongs to the name": (f"GET {PATH}?x=1", 404, "Could not find any versions of model {model}?x=1"),
    "status of an unknown version": (f"GET {PATH}/versions/0", 404, "Could not find version 0 of model {model}"),
    "status of an unknown label": (f"GET {PATH}/labels/none", 400, "Unrecognized servable version label: none"),
    "metadata in another case is status": (f"GET {PATH}/METADATA", 200, STATUS),
    "no model": ("GET /v1/models", 400, "Missing model name in request."),
    "a slash too many": (f"GET {PATH}/", 400, f"Malformed request: GET {PATH}/"),
    "a version that is no number": (f"GET {PATH}/versions/x", 400, f"Malformed request: GET {PATH}/versions/x"),
    "a version too large": (
        f"GET {PATH}/versions/{TOO_LARGE}",
        400,
        f"Failed to convert version: {TOO_LARGE} to numeric.",
    ),
    "another resource": ("GET /v1/foo", 400, "Malformed request: GET /v1/foo"),
    "predict by GET": (f"GET {PATH}:predict", 400, f"Malformed request: GET {PATH}:predict"),
    "metadata of an unknown model": (
        "GET /v1/models/unknown/metadata",
        404,
        "Servable not found for request: Latest(unknown)",
    ),
    "metadata of an unknown version": (
        f"GET {PATH}/versions/0/metadata",
        404,
        "Servable not found for request: Specific({model}, 0)",
    ),
    "predict": (f"POST {PATH}:predict", 200, {"predictions": [T]}),
    "predict by a version": (f"POST {PATH}/versions/{{version}}:predict", 200, {"predictions": [T]}),
    "predict in any case": ("POST /V1/MODELS/{model}/VERSIONS/{version}:predict", 200, {"predictions": [T]}),
    "the verb's case counts": (f"POST {PATH}:PREDICT", 400, f"Malformed request: POST {PATH}:PREDICT"),
    "no verb": (f"POST {PATH}", 400, f"Malformed request: POST {PATH}"),
    "a query after the verb": (f"POST {PATH}:predict?x=1", 400, f"Malformed request: POST {PATH}:predict?x=1"),
    "a path misspelt": (
        f"POST {PATH}/version/1:predict",
        400,
        f"Malformed request: POST {PATH}/version/1:predict",
    ),
    "predict by an unknown model": (
        "POST /v1/models/unknown:predict",
        404,
        "Servable not found for request: Latest(unknown)",
    ),
    "predict by an unknown version": (
        f"POST {PATH}/versions/0:predict",
        404,
        "Servable not found for request: Specific({model}, 0)",
    ),
    "predict by an unknown label": (
        f"POST {PATH}/labels/none:predict",
        400,
        "Unrecognized servable version label: none",
    ),
    "classify": (
        f"POST {PATH}:classify",
        400,
        "Expected classification signature method_name to be tensorflow/serving/classify. Was:"
        " tensorflow/serving/predict",
    ),
    "regress": (
        f"POST {PATH}:regress",
        400,
        "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/predict",
    ),
    "PUT": (f"PUT {PATH}:predict", 400, f"Malformed request: PUT {PATH}:predict"),
    "DELETE": (f"DELETE {PATH}", 400, f"Malformed request: DELETE {PATH}"),
}


@cases(ROUTES)
def test_routes(http, fill, translation, case):
    request, status, answer = case
    method, path = fill(request).split(" ", 1)
    response = http.request(method, path, content=OK if method == "POST" else None)
    expected = {"error": answer} if isinstance(answer, str) else answer
    assert response.json() == json.loads(fill(json.dumps(expected)).replace(json.dumps(T), json.dumps(translation)))
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")


def b64(text):
    return json.dumps({"b64": base64.b64encode(text.encode()).decode()})


QUOTED = json.dumps(TEXT)
ANSWERS = {
    "rows": (f'{{"instances": [{QUOTED}, {QUOTED}]}}', {"predictions": [T, T]}),
    "rows that name their input": (f'{{"instances": [{{"text": {QUOTED}}}]}}', {"predictions": [T]}),
    "rows in base64": (f'{{"instances": [{b64(TEXT)}, {QUOTED}]}}', {"predictions": [T, T]}),
    "named rows in base64": (f'{{"instances": [{{"text": {b64(TEXT)}}}]}}', {"predictions": [T]}),
    "base64 without padding": (f'{{"instances": [{b64(TEXT).replace("=", "")}]}}', {"predictions": [T]}),
    "a column": (f'{{"inputs": [{QUOTED}, {QUOTED}]}}', {"outputs": [T, T]}),
    "a column that names its input": (f'{{"inputs": {{"text": [{QUOTED}]}}}}', {"outputs": [T]}),
    "a column in base64": (f'{{"inputs": {{"text": [{b64(TEXT)}]}}}}', {"outputs": [T]}),
    "a column beside another key": (f'{{"inputs": {{"text": [{QUOTED}], "more": 3}}}}', {"outputs": [T]}),
    "a column without rows": ('{"inputs": []}', {"outputs": []}),
    "a named column without rows": ('{"inputs": {"text": []}}', {"outputs": []}),
    "the default signature by an empty name": (
        f'{{"signature_name": "", "instances": [{QUOTED}]}}',
        {"predictions": [T]},
    ),
    "the default signature by its name": (
        f'{{"signature_name": "serving_default", "instances": [{QUOTED}]}}',
        {"predictions": [T]},
    ),
    "n-best without rows": (
        '{"signature_name": "nbest", "inputs": []}',
        {"outputs": {"translations": [], "scores": [], "lengths": []}},
    ),
    "texts without words": ('{"instances": ["", " ", "\\t \\n", "\\u3000"]}', {"predictions": [""] * 4}),
    "bytes after the document": (f"{OK} and more", {"predictions": [T]}),
    "a key given twice": (f'{{"instances": [{QUOTED}], "instances": 3}}', {"predictions": [T]}),
    "a key that means nothing": (f'{{"more": [NaN, -Infinity, null], "instances": [{QUOTED}]}}', {"predictions": [T]}),
    "escapes": (f'{{"inst\\u0061nces": ["\\u{ord(TEXT[0]):04x}{TEXT[1:]}"]}}', {"predictions": [T]}),
}


@cases(ANSWERS)
def test_answers(ask, translation, case):
    body, answer = case
    assert ask(body) == json.loads(json.dumps(answer).replace(json.dumps(T), json.dumps(translation)))


ROW = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "
REFUSALS = {
    # the document
    "an empty body": ("", "JSON Parse error: The document is empty"),
    "white space": (" ", "JSON Parse error: The document is empty. at offset: 1"),
    "no JSON": ("instances = [1, 2]", "JSON Parse error: Invalid value. at offset: 0"),
    "an offset in bytes": ('{"\u00e4": ,}', "JSON Parse error: Invalid value. at offset: 7"),
    "an object not ended": ("{", "JSON Parse error: Missing a name for object member. at offset: 1"),
    "a comma too many": ('{"instances": ["a"],}', "JSON Parse error: Missing a name for object member. at offset: 20"),
    "half a surrogate pair": (
        '{"instances": ["\\ud800"]}',
        "JSON Parse error: The surrogate pair in string is invalid. at offset: 16",
    ),
    "a list": ("[1]", "JSON Value: [\n    1\n] Is not object"),
    "neither format": ("{}", "Missing 'inputs' or 'instances' key"),
    "both formats": (
        '{"instances": [], "inputs": []}',
        'JSON Value: {\n    "instances": [],\n    "inputs": []\n} Not formatted correctly expecting only one of'
        " 'inputs' or 'instances' keys to exist ",
    ),
    "a signature that is no string": (
        '{"signature_name": 3}',
        'JSON Value: {\n    "signature_name": 3\n} not formatted correctly.'
        " 'signature_name' key must be a string value.",
    ),
    "an unknown signature, before what it is given": (
        '{"signature_name": "s", "instances": 3}',
        'Serving signature name: "s" not found in signature def',
    ),
    # rows
    "rows that are no list": (
        '{"instances": "a"}',
        'JSON Value: {\n    "instances": "a"\n} Expecting \'instances\' to be an list/array',
    ),
    "no rows": ('{"instances": []}', "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"),
    "a row of another type": (
        '{"instances": ["a", 1]}',
        ROW.format(1) + "JSON Value: 1 Type: Number is not of expected type: string",
    ),
    "a named row of another type": (
        '{"instances": [{"text": null}]}',
        ROW.format("0 key: text") + "JSON Value: null Type: Null is not of expected type: string",
    ),
    "rows of different sizes": (
        '{"instances": [["a", "b"], ["a"]]}',
        ROW.format(1) + "Expecting tensor size: 2 but got: 1",
    ),
    "rows of different shapes": (
        '{"instances": [["a", "b"], [["a"], ["b"]]]}',
        ROW.format(1) + "Expecting shape [2] but got: [2,1]",
    ),
    "a row of mixed depth": (
        '{"instances": [["a", ["b"]]]}',
        ROW.format(0) + "Encountered list at unexpected level: 1 expected < 1",
    ),
    "a row with another key": (
        '{"instances": [{"text": "a", "more": 1}]}',
        ROW.format("0 key: more") + "JSON object: does not have named input: more",
    ),
    "a row without a key": (
        '{"signature_name": "score", "instances": [{"text": "b"}]}',
        'Failed to process element: 0 of \'instances\' list. JSON object: {\n    "text": "b"\n} keys must be equal to:'
        " target,text",
    ),
    "bare rows for several inputs": (
        '{"signature_name": "score", "instances": ["a", "b"]}',
        "instances is a plain list, but expecting list of objects as multiple input tensors required as per"
        " tensorinfo_map",
    ),
    "a bare row after a named one": (
        '{"instances": [{"text": "a"}, "b"]}',
        "Expecting object but got list at item 1 of input list",
    ),
    "a named row after a bare one": (
        '{"instances": ["a", {"text": "b"}]}',
        "Expecting value/list but got object at item 1 of input list",
    ),
    "a row that is no base64": ('{"instances": [{"b64": "!"}]}', ROW.format(0) + "Unable to base64 decode"),
    # columns
    "a missing column": (
        '{"signature_name": "score", "inputs": {"text": ["a"]}}',
        "Missing named input: target in 'inputs' object.",
    ),
    "a bare column for several inputs": (
        '{"signature_name": "score", "inputs": ["a"]}',
        "inputs is a plain value/list, but expecting an object as multiple input tensors required as per"
        " tensorinfo_map",
    ),
    "a column of another type": (
        '{"inputs": {"text": [true]}}',
        "JSON Value: true Type: True is not of expected type: string",
    ),
    "a ragged column": (
        '{"inputs": [["a", "b"], ["c"]]}',
        "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    "a column of mixed depth": (
        '{"inputs": [["a"], "b"]}',
        'JSON Value: "b" found at incorrect level: 2 in the JSON DOM. Expected at level: 2',
    ),
    "base64 that is no string": (
        '{"inputs": [{"b64": 1}]}',
        'JSON Value: {\n    "b64": 1\n} not formatted correctly for base64 data',
    ),
    "an object that is no base64": (
        '{"inputs": [{"x": []}]}',
        'JSON Value: {\n    "x": []\n} not formatted correctly for base64 data',
    ),
}


@cases(REFUSALS)
def test_refusals(ask, case):
    body, message = case
    assert ask(body, 400) == {"error": message}


def test_a_bad_document_comes_before_an_unknown_model_and_this_before_a_bad_signature(http):
    for body, status, message in (
        ("{", 400, "JSON Parse error: Missing a name for object member. at offset: 1"),
        ('{"signature_name": "s"}', 404, "Servable not found for request: Latest(unknown)"),
    ):
        response = http.post("/v1/models/unknown:predict", content=body)
        assert (response.status_code, response.json()) == (status, {"error": message})


@pytest.mark.parametrize("rank", ['"a"', '[["a"], ["b"]]', '[["a", "b"]]'], ids=["0", "2", "2 wide"])
@pytest.mark.parametrize("signature", ["serving_default", "nbest"])
def test_a_tensor_of_another_rank_is_refused(ask, signature, rank):
    assert ask(f'{{"signature_name": "{signature}", "inputs": {rank}}}', 400).keys() == {"error"}


@pytest.mark.parametrize("count", [1, 65, 1000])
def test_batches(ask, translation, count):
    assert ask({"instances": [TEXT] * count}) == {"predictions": [translation] * count}


@pytest.mark.parametrize(
    "text", [b"\xff", b"a \xc3( b", b"\0", b"a\0b", b"\xf0\x9f\x98", b"<s> </s> <pad>", b"\xe2\x81\xa1" * 99]
)
def test_hostile_texts(ask, text):
    """Whatever the bytes, they are one text; those that are no UTF-8 are read as U+FFFD."""
    row = {"b64": base64.b64encode(text).decode()}
    alone = ask({"instances": [row]})["predictions"]
    assert len(alone) == 1 and isinstance(alone[0], str)
    assert ask({"inputs": [text.decode(errors="replace"), TEXT, row]})["outputs"][::2] == alone * 2


def test_nbest(ask, translation):
    body = {"signature_name": "nbest", "inputs": [TEXT, "", "a"]}
    columns = ask(body)["outputs"]
    assert columns.keys() == {"translations", "scores", "lengths"}
    rows = ask({"signature_name": "nbest", "instances": body["inputs"]})["predictions"]
    assert rows == [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    widths = {len(values) for row in rows for values in row.values()}
    assert len(rows) == 3 and len(widths) == 1
    best = rows[0]
    assert best["translations"][0] == translation
    assert best["scores"] == sorted(best["scores"], reverse=True)
    assert all(isinstance(length, int) for length in best["lengths"])


def test_score(ask, translation):
    pairs = [{"text": TEXT, "target": translation}, {"target": "a", "text": ""}]
    rows = ask({"signature_name": "score", "instances": pairs})["predictions"]
    inputs = {name: [pair[name] for pair in pairs] for name in ("text", "target")}
    columns = ask({"signature_name": "score", "inputs": inputs})["outputs"]
    assert rows == [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    assert all(row["log_probability"] <= 0 and row["pieces"] >= 1 for row in rows)


def test_metadata(http, model, version):
    answer = http.get(f"/v1/models/{model}/metadata").json()
    assert answer["model_spec"] == {"name": model, "signature_name": "", "version": version}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert signatures.keys() >= {"serving_default", "nbest", "score"}
    default = signatures["serving_default"]
    assert default["method_name"] == "tensorflow/serving/predict"
    shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    for tensor in (default["inputs"]["text"], default["outputs"]["translation"]):
        assert (tensor["dtype"], tensor["tensor_shape"]) == ("DT_STRING", shape)


def test_gzip(ask, translation):
    packed = gzip.compress(OK.encode())
    assert ask(packed, **{"Content-Encoding": "gzip"}) == {"predictions": [translation]}
    assert ask(b"no gzip", 400, **{"Content-Encoding": "gzip"}).keys() == {"error"}
