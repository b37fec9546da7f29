"""JSON as TF Serving reads it, writes it and quotes it in messages: RapidJSON's phrases, its own decimals."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import rapidjson

from serving.embedded.status import StatusError, invalid_argument

_PARSE_ERROR = re.compile(r"Parse error at offset (\d+): (.*)")


class _Document(dict):
    """An object of which, if a key is given twice, the first counts."""

    def __setitem__(self, key: str, value: Any) -> None:
        self.setdefault(key, value)


class _Decoder(rapidjson.Decoder):
    def start_object(self) -> _Document:
        return _Document()


_decode = _Decoder(number_mode=rapidjson.NM_NATIVE | rapidjson.NM_NAN)


def parse_document(body: bytes) -> Mapping[str, Any]:
    """Reads the body of a request: one JSON object; what follows it is not looked at.

    Raises:
        StatusError: It is no JSON object.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    # The parser's input is a C string of valid UTF-8.
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        document = _decode(text)
    except (rapidjson.JSONDecodeError, RecursionError) as error:
        offset, reason = _PARSE_ERROR.findall(str(error))[0]
        if "must not be followed by other values" not in reason:
            raise invalid_argument(f"JSON Parse error: {reason} at offset: {offset}") from None
        document = _decode(text.encode()[: int(offset)])
    if not isinstance(document, dict):
        raise wrong_value(document, "Is not object")
    return document


def parse_signature_name(document: Mapping[str, Any]) -> str:
    """The signature that a request names, or the default one.

    Raises:
        StatusError: The name is not a string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise wrong_value(document, "not formatted correctly. 'signature_name' key must be a string value.")
    return name or "serving_default"


def to_json(value: Any) -> bytes:
    """A JSON document in UTF-8."""
    return rapidjson.dumps(value, ensure_ascii=False).encode()


def decimal(value: np.floating) -> str:
    """Six digits if they give the value back, else as many as its type can need; never the look of an integer."""
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    text = f"{value:.6g}"
    if type(value)(text) != value:
        text = f"{value:.{17 if value.dtype == np.float64 else 9}g}"
    return text if "." in text or "e" in text else f"{text}.0"


def quote(value: Any) -> str:
    """A JSON value as it stands in messages."""
    if isinstance(value, float):
        return decimal(np.float32(value) if abs(value) <= float(np.finfo(np.float32).max) else np.float64(value))
    return rapidjson.dumps(value, indent=4, ensure_ascii=False)


def wrong_value(value: Any, what: str) -> StatusError:
    """The error that names a JSON value and says what is wrong with it."""
    return invalid_argument(f"JSON Value: {quote(value)} {what}")
