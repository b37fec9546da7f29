import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.embedded.grpc_tensors import to_array, to_proto

# The field of each dtype is that of TensorFlow's own description of the message, tensor.proto.
VALUES = {
    "string": (np.array([b"a", "ä".encode(), b"\0\xff"], object), "string_val"),
    "bool": (np.array([True, False]), "bool_val"),
    "float32": (np.array([[0.1], [-3]], np.float32), "float_val"),
    "float64": (np.array([0.1, np.inf]), "double_val"),
    "int8": (np.array([-128, 127], np.int8), "int_val"),
    "int16": (np.array([-5], np.int16), "int_val"),
    "int32": (np.array(7, np.int32), "int_val"),
    "int64": (np.array([2**62, -1]), "int64_val"),
    "uint8": (np.array([255], np.uint8), "int_val"),
    "uint16": (np.array([65535], np.uint16), "int_val"),
    "uint32": (np.array([2**32 - 1], np.uint32), "uint32_val"),
    "uint64": (np.array([2**64 - 1], np.uint64), "uint64_val"),
    "float16": (np.array([0.5, 2], np.float16), "tensor_content"),
    "complex64": (np.array([1 + 2j, 3]), "scomplex_val"),
    "empty": (np.zeros([0, 3], np.float32), None),
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_tensor_is_written_into_its_field_and_read_back(kind):
    array, field = VALUES[kind]
    dtype = tf.dtypes.as_dtype("float32" if kind == "empty" else kind)
    array = array if kind == "string" else array.astype(dtype.as_numpy_dtype)
    proto = to_proto(array, dtype.as_datatype_enum)
    filled = {name.name for name, _ in proto.ListFields()} - {"dtype", "tensor_shape"}
    assert filled == ({field} if field else set())
    back = to_array(proto, 100)
    assert (back.dtype, back.shape, back.tolist()) == (array.dtype, array.shape, array.tolist())
    np.testing.assert_array_equal(tf.make_ndarray(proto), array)


@pytest.mark.parametrize("value", [["a", "b"], [[1.5, 2.5]], 3, [True], []])
def test_what_tensorflow_writes_is_read(value):
    proto = tf.make_tensor_proto(value)
    np.testing.assert_array_equal(to_array(proto, 100), tf.make_ndarray(proto))


def tensor(*sizes, dtype=types_pb2.DT_STRING, **fields):
    shape = {"dim": [{"size": size} for size in sizes]}
    return tensor_pb2.TensorProto(dtype=dtype, tensor_shape=shape, **fields)


def test_strings_as_bytes_are_read():
    # What clients in C++ may send: the lengths, then the strings.
    assert to_array(tensor(2, tensor_content=b"\x01\x02abb"), 9).tolist() == [b"a", b"bb"]


def test_the_last_value_stands_for_the_rest():
    assert to_array(tensor(3, string_val=[b"x"]), 9).tolist() == [b"x"] * 3
    assert to_array(tensor(3), 9).tolist() == [b""] * 3


@pytest.mark.parametrize(
    "proto",
    [
        tensor(-1, string_val=[b"x"]),
        tensor(2**40, 2**40),
        tensor(10),
        tensor(2, dtype=types_pb2.DT_FLOAT, tensor_content=b"abc"),
        tensor(1, dtype=types_pb2.DT_INVALID),
        tensor(1, dtype=999),
        tensor(1, dtype=types_pb2.DT_RESOURCE),
        tensor(1, dtype=types_pb2.DT_STRING_REF),
    ],
)
def test_what_is_no_tensor_or_too_large_a_one(proto):
    with pytest.raises(ValueError):
        to_array(proto, 9)
