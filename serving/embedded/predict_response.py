"""A prediction as TF Serving's REST API answers it: arrays to JSON."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import rapidjson

from serving.embedded.json_values import decimal, to_json
from serving.embedded.status import invalid_argument


def format_outputs(outputs: Mapping[str, np.ndarray], by_row: bool) -> bytes:
    """The answer to a request for a prediction.

    Args:
        outputs: An array for each output of the signature, by name.
        by_row: Whether the request was by row.

    Returns:
        The JSON document. A single output goes without its name.

    Raises:
        StatusError: The answer is by row, and the outputs do not have as many rows as each other.
    """
    if not by_row:
        columns = {name: to_values(array, name) for name, array in outputs.items()}
        return to_json({"outputs": columns if len(columns) > 1 else next(iter(columns.values()))})
    sizes = {}
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        sizes[name] = len(array)
        expected = next(iter(sizes.values()))
        if len(array) != expected:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {expected}"
            )
    nested = [to_values(array, name) for name, array in outputs.items()]
    rows = (
        nested[0] if len(nested) == 1 else [dict(zip(outputs, row, strict=True)) for row in zip(*nested, strict=True)]
    )
    return to_json({"predictions": rows})


def to_values(array: np.ndarray, name: str) -> Any:
    """An array as nested lists of what JSON holds; strings of a name that ends in `_bytes` in base 64."""
    values: list[Any]
    if array.dtype == object and name.endswith("_bytes"):
        values = [{"b64": base64.b64encode(value).decode()} for value in array.ravel()]
    elif array.dtype == object:
        values = [value.decode("utf-8", "replace") for value in array.ravel()]
    elif np.issubdtype(array.dtype, np.floating):
        values = [rapidjson.RawJSON(decimal(value)) for value in array.ravel()]
    else:
        return array.tolist()
    cells = np.empty(array.size, object)
    cells[:] = values
    return cells.reshape(array.shape).tolist()
