"""The weights of an export: its large matrices in fewer bytes, which whoever loads it makes float32 again."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from serving.exports.release_config import WeightKind

# Numbers in a matrix that is worth its scales.
LEAST_SIZE = 1024


class Restored(tf.saved_model.experimental.TrackableResource):
    """A variable of the model that an export does not hold, but makes of what is stored for it.

    That is done once, as the export is loaded: what is in graphs of its functions is the float32 variable alone, and
    no call pays for it.

    Args:
        variable: The variable, float32, which takes the value of what is stored.
        stored: Variables whose product is that value.
        name: Its name, of which an export must have no other.
    """

    def __init__(self, variable: tf.Variable, stored: Sequence[tf.Variable], name: str):
        super().__init__()
        self._variable, self._stored, self._name = variable, stored, name
        self._initialize()

    def _create_resource(self) -> tf.Tensor:
        if tf.executing_eagerly():
            return self._variable.handle
        variable = self._variable
        return tf.raw_ops.VarHandleOp(dtype=variable.dtype, shape=variable.shape, shared_name=self._name)

    def _initialize(self) -> None:
        value = functools.reduce(tf.multiply, [tf.cast(part, self._variable.dtype) for part in self._stored])
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=value)


def store(weights: Sequence[keras.Variable], kind: WeightKind) -> tuple[list[tf.Variable], list[Restored]]:
    """Rounds the large matrices of a model to what an export stores of them; all else stays as it is.

    Args:
        weights: The model's weights. Statistics, which are not trained, are no matrices of products: they stay.
        kind: `float32` rounds nothing, `bfloat16` to 8 bits of precision, `int8` as `quantize` does.

    Returns:
        The variables that an export holds, and those of the model that it makes of them.
    """
    variables: list[tf.Variable] = []
    restored: list[Restored] = []
    for weight in weights:
        if kind == "float32" or not _is_large_matrix(weight):
            variables.append(weight.value)
            continue
        stored = [tf.Variable(part, trainable=False) for part in _parts(weight, kind)]
        variables += stored
        restored.append(Restored(weight.value, stored, f"restored_{len(restored)}"))
    return variables, restored


def _is_large_matrix(weight: keras.Variable) -> bool:
    return weight.trainable and len(weight.shape) == 2 and weight.value.shape.num_elements() >= LEAST_SIZE


def _parts(weight: keras.Variable, kind: WeightKind) -> Sequence[Any]:
    """What is stored of a matrix."""
    if kind == "bfloat16":
        return [tf.cast(weight.value, tf.bfloat16)]
    # Tables have a row for each token, which is an output of the output layer; kernels a column for each output.
    return quantize(weight.numpy(), outputs_axis=0 if weight.name.endswith("table") else 1)


def quantize(matrix: np.ndarray, outputs_axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Rounds a matrix to whole numbers of 8 bits with a scale for each output (Wu 2020, sections 3.1.2 and 3.2).

    q = clip(round(w / s), -127, 127), where s is 1 / 127 of the largest |w| of the output: so |w - q s| <= s / 2.

    Args:
        matrix: `(inputs, outputs)` or `(outputs, inputs)`, float32.
        outputs_axis: That of the outputs.

    Returns:
        q as int8, of the matrix's shape, and s, `(1, outputs)` or `(outputs, 1)` float32.
    """
    largest = np.abs(matrix).max(axis=1 - outputs_axis, keepdims=True)
    scales = np.maximum(largest / np.float32(127), np.finfo(np.float32).tiny)
    return np.clip(np.rint(matrix / scales), -127, 127).astype(np.int8), scales
