"""A request for a prediction, as TF Serving's REST API takes it: JSON to arrays.

Both formats are read: by row (`instances`) and by column (`inputs`). Strings become object arrays of bytes. A dtype
is named as TensorFlow names it in messages: `float`, `int64`, `string`.
"""

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serving.embedded.json_values import quote, wrong_value
from serving.embedded.status import Code, StatusError, invalid_argument

Json = Any

_INT32, _INT64 = np.iinfo(np.int32), np.iinfo(np.int64)
# The least and the most that each dtype takes. The narrow ones are read as int32 and cut down, as TF Serving does.
INTEGERS = {
    **dict.fromkeys(("int32", "int16", "int8", "uint8"), (_INT32.min, _INT32.max)),
    "int64": (_INT64.min, _INT64.max),
    "uint32": (0, np.iinfo(np.uint32).max),
    "uint64": (0, np.iinfo(np.uint64).max),
}
# NumPy holds 64 dimensions, and the rows of a request are one of them.
_MAX_RANK = 63
_FLOATS = {"float": np.float32, "double": np.float64}


def parse_inputs(document: Mapping[str, Json], dtypes: Mapping[str, str]) -> tuple[dict[str, np.ndarray], bool]:
    """The tensors of a request.

    Args:
        document: The request.
        dtypes: The dtype of each input of the signature, by name.

    Returns:
        An array for each input, and whether the format is by row.

    Raises:
        StatusError: The request does not fit the signature.
    """
    if "instances" in document and "inputs" in document:
        raise wrong_value(
            document, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        rows = document["instances"]
        if not isinstance(rows, list):
            raise wrong_value(document, "Expecting 'instances' to be an list/array")
        if not rows:
            raise wrong_value(document, "No values in 'instances' array")
        return _parse_rows(rows, dtypes), True
    if "inputs" in document:
        return _parse_columns(document["inputs"], dtypes), False
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _parse_rows(rows: Sequence[Json], dtypes: Mapping[str, str]) -> dict[str, np.ndarray]:
    named = _is_named(rows[0])
    if not named and len(dtypes) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per"
            " tensorinfo_map"
        )
    columns: dict[str, tuple[tuple[int, ...], list]] = {}
    for i, row in enumerate(rows):
        if _is_named(row) != named:
            expected, received = ("object", "list") if named else ("value/list", "object")
            raise invalid_argument(f"Expecting {expected} but got {received} at item {i} of input list")
        for name, value in row.items() if named else [(next(iter(dtypes)), row)]:
            try:
                _add_row(columns, name, value, dtypes)
            except StatusError as error:
                key = f" key: {name}" if named else ""
                raise invalid_argument(
                    f"Failed to process element: {i}{key} of 'instances' list. Error: {error}"
                ) from None
        if named and row.keys() != dtypes.keys():
            raise invalid_argument(
                f"Failed to process element: {i} of 'instances' list. JSON object: {quote(row)}"
                f" keys must be equal to: {','.join(sorted(dtypes))}"
            )
    return {name: _array(flat, (len(rows), *shape), dtypes[name]) for name, (shape, flat) in columns.items()}


def _add_row(columns: dict[str, tuple], name: str, value: Json, dtypes: Mapping[str, str]) -> None:
    if name not in dtypes:
        raise invalid_argument(f"JSON object: does not have named input: {name}")
    shape, flat = _flatten(value, dtypes[name])
    first_shape, column = columns.setdefault(name, (shape, []))
    size, first_size = len(flat), math.prod(first_shape)
    if size != first_size:
        raise invalid_argument(f"Expecting tensor size: {first_size} but got: {size}")
    if shape != first_shape:
        shown, first_shown = (f"[{','.join(map(str, dims))}]" for dims in (shape, first_shape))
        raise invalid_argument(f"Expecting shape {first_shown} but got: {shown}")
    column.extend(flat)


def _parse_columns(value: Json, dtypes: Mapping[str, str]) -> dict[str, np.ndarray]:
    if not _is_named(value):
        if len(dtypes) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per"
                " tensorinfo_map"
            )
        value = {next(iter(dtypes)): value}
    arrays = {}
    for name, dtype in dtypes.items():
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        shape, flat = _flatten(value[name], dtype)
        arrays[name] = _array(flat, shape, dtype)
    return arrays


def _flatten(value: Json, dtype: str) -> tuple[tuple[int, ...], list]:
    """The shape of nested lists, taken from each list's first item, and the values, which must fit that shape."""
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        if not first:
            break
        first = first[0]
    if len(shape) > _MAX_RANK:
        raise invalid_argument(f"Encountered list at unexpected level: {len(shape) - 1} expected < {_MAX_RANK}")
    flat: list = []
    _fill(value, 0, shape, dtype, flat)
    return tuple(shape), flat


def _fill(value: Json, level: int, shape: Sequence[int], dtype: str, flat: list) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise wrong_value(
                value, f"found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {len(shape)}"
            )
        flat.append(_scalar(value, dtype))
        return
    if level >= len(shape):
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for item in value:
        _fill(item, level + 1, shape, dtype, flat)


def _scalar(value: Json, dtype: str) -> bytes | bool | int | float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if dtype == "string" and isinstance(value, str):
        return value.encode()
    if dtype == "string" and isinstance(value, dict):
        return _decode_base64(value)
    if dtype == "bool" and isinstance(value, bool):
        return value
    if dtype in _FLOATS and number:
        if not _is_lossless(value, dtype):
            raise invalid_argument(f"Cannot convert JSON value: {quote(value)} to {dtype} without loss of precision.")
        return value
    if dtype in INTEGERS and number and isinstance(value, int):
        low, high = INTEGERS[dtype]
        if low <= value <= high:
            return value
    if dtype not in ("string", "bool", *_FLOATS, *INTEGERS):
        raise StatusError(Code.UNIMPLEMENTED, f"Conversion of JSON Value: {quote(value)} to type: {dtype}")
    raise wrong_value(value, f"Type: {_type_name(value)} is not of expected type: {dtype}")


def _is_lossless(value: int | float, dtype: str) -> bool:
    info = np.finfo(np.float32 if dtype == "float" else np.float64)
    if isinstance(value, int):
        return abs(value) < 2 ** (info.nmant + 1)
    return not np.isfinite(value) or abs(value) <= float(info.max)


def _is_base64(value: Json) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def _is_named(value: Json) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _decode_base64(value: Mapping[str, Json]) -> bytes:
    if not _is_base64(value):
        raise wrong_value(value, "not formatted correctly for base64 data")
    text = "".join(value["b64"].split())
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid_argument("Unable to base64 decode") from None


def _array(flat: list, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype == "string":
        array = np.empty(len(flat), object)
        array[:] = flat
    elif dtype in ("int16", "int8", "uint8"):
        array = np.array(flat, np.int32).astype(dtype)
    else:
        array = np.array(flat, _FLOATS.get(dtype, dtype))
    return array.reshape(shape)


def _type_name(value: Json) -> str:
    names = {type(None): "Null", list: "Array", str: "String", int: "Number", float: "Number"}
    return str(value) if isinstance(value, bool) else names.get(type(value), "Object")
