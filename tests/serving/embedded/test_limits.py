import numpy as np
import pytest

from serving.embedded.config import ServerConfig
from serving.embedded.limits import check_size
from serving.embedded.status import StatusError


def texts(*values):
    return np.array(values, object)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": np.zeros(4)}, "Expecting at most 3 rows but got: 4; divide the request"),
        ({"x": np.zeros((1, 99)), "text": texts(b"", b"", b"", b"")}, "Expecting at most 3 rows but got: 4"),
        ({"text": texts(b"abc", "äöü".encode())}, "Expecting at most 5 characters but got: 6; divide the request"),
        ({"text": texts(b"abc"), "target": texts(b"\xff\0 ")}, "Expecting at most 5 characters but got: 6"),
        ({"text": texts([b"abc", b"def"])}, "Expecting at most 5 characters but got: 6"),
        ({"text": texts(*[b"abcdef"]).reshape(())}, "Expecting at most 5 characters but got: 6"),
    ],
)
def test_what_is_too_much(inputs, message):
    with pytest.raises(StatusError, match=f"^INVALID_ARGUMENT: {message}"):
        check_size(inputs, ServerConfig(max_rows=3, max_characters=5))


@pytest.mark.parametrize(
    "inputs",
    [
        {"text": texts(b"ab", "äöü".encode(), b"")},
        {"text": texts("😀😀😀😀😀".encode()), "seed": np.zeros(1, np.int64)},
        {"x": np.zeros((3, 99))},
        {"x": np.zeros(())},
        {},
    ],
)
def test_what_is_not(inputs):
    check_size(inputs, ServerConfig(max_rows=3, max_characters=5))
