import types
from pathlib import Path

import pytest
import tensorflow as tf

from models.training.distribution import OneDevice
from models.training.failures import failures_told
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("error", "named"),
    [(tf.errors.ResourceExhaustedError, "batching.size"), (tf.errors.NotFoundError, "--data")],
    ids=str,
)
def test_what_tensorflow_tells_becomes_one_line(error, named):
    expected = rf"^{named}: expected .*, received the first line; "
    with pytest.raises(UserError, match=expected) as told, failures_told("DATA", Path("RUN"), OneDevice()):
        raise error(None, None, "Graph execution error:\n\nDetected at node x\nthe first line\nmore")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("error", "hosts", "named"),
    [
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory\nwhile trying"), 1, "batching.size"),
        (RuntimeError("UNKNOWN: Connection closed by peer\nmore"), 2, "training.distribution"),
        (ValueError("UNKNOWN: Connection closed by peer\nmore"), 2, "training.distribution"),
    ],
    ids=str,
)
def test_what_jax_tells_becomes_one_line(error, hosts, named):
    devices = types.SimpleNamespace(hosts=hosts)
    expected = rf"^{named}: expected .*, received [A-Z_]+: [^\n]*; "
    with pytest.raises(UserError, match=expected) as told, failures_told("DATA", Path("RUN"), devices):
        raise error
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("error", [RuntimeError("a mistake of ours"), UserError("a line"), KeyError("x")], ids=repr)
def test_what_is_no_failure_of_a_training_stays_what_it_is(error):
    with pytest.raises(type(error)) as told, failures_told("DATA", Path("RUN"), OneDevice()):
        raise error
    assert told.value is error
