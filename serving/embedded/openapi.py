"""The description of the REST interface, in OpenAPI 3.1, with the signatures of the models that are served."""

import copy
import importlib.metadata
import urllib.parse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from serving.embedded.predict_request import INTEGERS
from serving.embedded.rest import Route
from serving.embedded.status import StatusError
from serving.embedded.versions import Model

Json = dict[str, Any]
Tensors = Mapping[str, meta_graph_pb2.TensorInfo]
Signatures = Mapping[str, meta_graph_pb2.SignatureDef]

_DEFAULT = "serving_default"
_ERRORS = ("400", "401", "404", "500")
_PREDICT_ERRORS = ("501", "503", "504")
_BASE64 = {"$ref": "#/components/schemas/Base64"}


def describe(models: Iterable[Model], with_keys: bool) -> Json:
    """Describes a server's interface.

    Args:
        models: Its models; the signatures are those of the newest version of each.
        with_keys: Whether requests need a key.

    Returns:
        The document.
    """
    document = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
    document["info"]["version"] = importlib.metadata.version("keras-nmt")
    for model in models:
        document["paths"] |= _describe_model(model)
    if with_keys:
        document["security"] = [{"key": []}]
    return document


def _describe_model(model: Model) -> Json:
    operations: Json = {
        "": {"get": _operation(f"How versions of {model.name} stand", "Status")},
        "/metadata": {"get": _operation(f"What {model.name} takes and gives", "Metadata")},
    }
    try:
        with model.use(Route("metadata", model.name)) as version:
            operations[":predict"] = {"post": _prediction(model.name, version.servable.signatures)}
    except StatusError:
        # Without a version there is nothing to predict with.
        pass
    base = f"/v1/models/{urllib.parse.quote(model.name)}"
    paths = {f"{base}{verb}": item for verb, item in operations.items()}
    version_parameter = {"parameters": [{"$ref": "#/components/parameters/Version"}]}
    return paths | {
        f"{base}/versions/{{version}}{verb}": version_parameter | copy.deepcopy(item)
        for verb, item in operations.items()
    }


def _operation(summary: str, answer: str) -> Json:
    answers = {"200": {"$ref": f"#/components/responses/{answer}"}}
    return {"summary": summary, "responses": answers | _errors(_ERRORS)}


def _errors(statuses: Iterable[str]) -> Json:
    return {status: {"$ref": "#/components/responses/Error"} for status in statuses}


def _prediction(model: str, signatures: Signatures) -> Json:
    # Those without inputs only set the model up.
    used = {name: signature for name, signature in sorted(signatures.items()) if signature.inputs}
    requests = [form for name, signature in used.items() for form in _requests(name, signature.inputs)]
    answers = [form for signature in used.values() for form in _answers(signature.outputs)]
    content: Json = {"schema": {"anyOf": requests}}
    if _DEFAULT in used and len(used[_DEFAULT].inputs) == 1:
        content["example"] = {"instances": ["A sentence to translate."]}
    return {
        "summary": f"Translates by {model}",
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "200": {
                "description": "A row of outputs for each row of inputs",
                "content": {"application/json": {"schema": {"anyOf": answers}}},
            },
            "413": {"$ref": "#/components/responses/Plain"},
            **_errors([*_ERRORS, *_PREDICT_ERRORS]),
        },
    }


def _requests(signature: str, inputs: Tensors) -> list[Json]:
    """What a signature may be sent: by row, and by column."""
    values = {name: _value(name, info, given=True) for name, info in sorted(inputs.items())}
    row, column = _object(values), _object({name: _list(value) for name, value in values.items()})
    if len(values) == 1:
        (value,) = values.values()
        row, column = {"anyOf": [value, row]}, {"anyOf": [_list(value), column]}
    name = {"signature_name": {"const": signature}}
    optional = name.keys() if signature == _DEFAULT else ()
    return [
        _object(name | {"instances": _list(row) | {"minItems": 1}}, optional),
        _object(name | {"inputs": column}, optional),
    ]


def _answers(outputs: Tensors) -> list[Json]:
    """What a signature answers: to a request by row, and by column."""
    values = {name: _value(name, info, given=False) for name, info in sorted(outputs.items())}
    row, column = _object(values), _object({name: _list(value) for name, value in values.items()})
    if len(values) == 1:
        (row,) = values.values()
        column = _list(row)
    return [_object({"predictions": _list(row)}), _object({"outputs": column})]


def _value(name: str, info: meta_graph_pb2.TensorInfo, given: bool) -> Json:
    """A row of a tensor `(batch, ...)`, as it is given or answered."""
    value = _scalar(name, types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower(), given)
    for dim in reversed(info.tensor_shape.dim[1:]):
        value = _list(value)
        if dim.size >= 0:
            value |= {"minItems": dim.size, "maxItems": dim.size}
    return value


def _scalar(name: str, dtype: str, given: bool) -> Json:
    if dtype == "string":
        if given:
            return {"anyOf": [{"type": "string"}, _BASE64]}
        return _BASE64 if name.endswith("_bytes") else {"type": "string"}
    if dtype in INTEGERS:
        least, most = INTEGERS[dtype]
        return {"type": "integer", "minimum": int(least), "maximum": int(most)}
    return {"type": "boolean" if dtype == "bool" else "number"}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _object(properties: Json, optional: Iterable[str] = ()) -> Json:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
