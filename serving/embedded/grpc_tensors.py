"""Tensors as gRPC carries them: protobuf to arrays and back, as TF Serving reads and writes them."""

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

# Where TF Serving puts the values, and its clients look for them; of other dtypes they go as bytes.
_FIELDS = {
    types_pb2.DT_STRING: "string_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_UINT64: "uint64_val",
    **dict.fromkeys((types_pb2.DT_INT32, types_pb2.DT_INT16, types_pb2.DT_INT8), "int_val"),
    **dict.fromkeys((types_pb2.DT_UINT16, types_pb2.DT_UINT8), "int_val"),
}


def to_array(proto: tensor_pb2.TensorProto, most: int) -> np.ndarray:
    """Reads a tensor, whichever of its fields holds the values.

    Args:
        proto: The tensor.
        most: Elements that it may have: one value, repeated, can stand for more than memory holds.

    Returns:
        An array of its shape; strings are objects, bytes.

    Raises:
        ValueError: It is none, or has more elements.
    """
    if (count := math.prod(dim.size for dim in proto.tensor_shape.dim)) > most:
        raise ValueError(f"expecting at most {most} elements but got: {count}")
    try:
        value = tf.io.parse_tensor(proto.SerializeToString(), tf.dtypes.as_dtype(proto.dtype)).numpy()
    except (TypeError, tf.errors.OpError):
        raise ValueError("not a tensor") from None
    return np.asarray(value, object if proto.dtype == types_pb2.DT_STRING else None)


def to_proto(array: np.ndarray, dtype: int) -> tensor_pb2.TensorProto:
    """Writes a tensor, with its values in the field of its dtype.

    Args:
        array: The values; strings are objects, bytes.
        dtype: One of `types_pb2.DataType`.
    """
    if dtype not in _FIELDS:
        return tf.make_tensor_proto(array, dtype, array.shape)
    shape = tf.TensorShape(array.shape).as_proto()
    return tensor_pb2.TensorProto(dtype=dtype, tensor_shape=shape, **{_FIELDS[dtype]: array.ravel().tolist()})
