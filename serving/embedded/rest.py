"""TF Serving's REST API but for its tensors: which path asks for what, and what is answered about a model.

The contract is the one of TensorFlow Serving 2.20, message for message.
"""

import dataclasses
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format

from serving.embedded.json_values import to_json
from serving.embedded.status import Code, StatusError, invalid_argument

_VERSION = r"(?: /versions/(?P<version>\d+) | /labels/(?P<label>[^/:]+) )?"
_FLAGS = re.IGNORECASE | re.ASCII | re.VERBOSE
_ROUTES = {
    "POST": re.compile(rf"/v1/models/ (?P<model>[^/:]+) {_VERSION} : (?P<verb>predict|classify|regress)", _FLAGS),
    "GET": re.compile(rf"/v1/models (?: / (?P<model>[^/:]+) )? {_VERSION} (?: / (?P<verb>metadata) )?", _FLAGS),
}
_MAX_VERSION = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Route:
    """What a request asks for.

    Attributes:
        verb: `predict`, `classify`, `regress`, `metadata` or `status`.
        model: The model's name.
        version: The version asked for; None is the newest.
        label: The label asked for instead of a version.
    """

    verb: str
    model: str
    version: int | None = None
    label: str | None = None


def parse_route(method: str, target: str) -> Route:
    """Reads a request line.

    Args:
        method: The HTTP method.
        target: The path as it was sent, percent signs and query included.

    Returns:
        What is asked for.

    Raises:
        StatusError: The server answers no such request.
    """
    match = _ROUTES[method].fullmatch(target) if method in _ROUTES else None
    # Letter case is free in the pattern alone: `:PREDICT` matches and is then no known verb.
    if match is None or (method == "POST" and match["verb"] != match["verb"].lower()):
        raise invalid_argument(f"Malformed request: {method} {target}")
    if match["model"] is None:
        raise invalid_argument("Missing model name in request.")
    version = None if match["version"] is None else int(match["version"])
    if version is not None and version > _MAX_VERSION:
        raise invalid_argument(f"Failed to convert version: {match['version']} to numeric.")
    verb = match["verb"] if method == "POST" or match["verb"] == "metadata" else "status"
    label = None if match["label"] is None else urllib.parse.unquote(match["label"])
    return Route(verb, urllib.parse.unquote(match["model"]), version, label)


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """How a version stands: `START`, `LOADING`, `AVAILABLE`, `UNLOADING` or `END`, and why if it failed."""

    state: str
    code: Code = Code.OK
    message: str = ""


def format_status(versions: Mapping[int, VersionStatus]) -> bytes:
    """The answer to a request for a model's status, newest version first."""
    return to_json(
        {
            "model_version_status": [
                {
                    "version": str(number),
                    "state": status.state,
                    "status": {"error_code": status.code.name, "error_message": status.message},
                }
                for number, status in sorted(versions.items(), reverse=True)
            ]
        }
    )


def format_metadata(model: str, version: int, signatures: Mapping[str, Any]) -> bytes:
    """The answer to a request for a model's metadata.

    Args:
        model: The model's name.
        version: The number of the version.
        signatures: A `SignatureDef` for each signature's name.

    Returns:
        JSON in the shape of protobuf's own mapping, fields without a value included.
    """
    definitions = {
        name: json_format.MessageToDict(
            signature, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        for name, signature in signatures.items()
    }
    return to_json(
        {
            "model_spec": {"name": model, "signature_name": "", "version": str(version)},
            "metadata": {"signature_def": {"signature_def": definitions}},
        }
    )


def format_error(error: StatusError) -> bytes:
    """The body of an answer that reports an error."""
    return to_json({"error": error.message})
