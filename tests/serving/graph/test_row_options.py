import numpy as np
import pytest
import tensorflow as tf

from models.config import DecodingConfig
from serving.graph.decode_options import OPTIONS
from serving.graph.row_options import RowOptions, option_specs

DECODING = DecodingConfig(
    beam_size=3, max_beam_size=6, temperature=0.5, top_p=0.75, seed=2**32 - 1, max_source_length=4
)
# Of 4 pieces there are at most 2 * 4 + 10 in a translation, END included.
LONGEST = 17
EXPORTED = {
    "beam_size": 3,
    "length_penalty": 1.0,
    "coverage_penalty": 0.0,
    "min_length": 0,
    "max_length": -1,
    "no_repeat_ngram": 0,
    "temperature": 0.5,
    "top_k": 0,
    "top_p": 0.75,
    "seed": 2**32 - 1,
}


def resolve(count, attends=True, **options):
    given = [
        tf.constant(options.get(name, [-1] * count), tf.int32 if kind is int else tf.float32)
        for name, kind in OPTIONS.items()
    ]
    return RowOptions(DECODING, attends)(given, tf.constant(count))


def values(options):
    return {name: np.asarray(value).tolist() for name, value in options._asdict().items()}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_is_not_given_is_as_exported(count):
    expected = {name: [value] * (count + 1) for name, value in EXPORTED.items()}
    assert values(resolve(count)) == expected
    nans = {name: [np.nan] * count for name, kind in OPTIONS.items() if kind is float}
    assert values(resolve(count, **nans)) == expected


def test_each_text_has_its_own_and_after_them_come_the_exported_ones():
    found = values(resolve(2, beam_size=[6, -1], top_p=[1.0, np.nan], seed=[-1, 7], temperature=[0.0, -1.0]))
    assert found == {name: [value] * 3 for name, value in EXPORTED.items()} | {
        "beam_size": [6, 3, 3],
        "top_p": [1.0, 0.75, 0.75],
        "seed": [2**32 - 1, 7, 2**32 - 1],
        "temperature": [0.0, 0.5, 0.5],
    }


RANGES = {
    "beam_size": ("1 to 6", [1, 6], [0, 7, -2]),
    "length_penalty": ("0 to 10", [0.0, 10.0], [-0.5, 10.5, np.inf]),
    "coverage_penalty": ("0 to 10", [0.0, 10.0], [-0.5, 10.5]),
    "min_length": (f"0 to {LONGEST}", [0, LONGEST], [-2, LONGEST + 1]),
    "max_length": (f"0 to {LONGEST}", [0, LONGEST], [-2, LONGEST + 1]),
    "no_repeat_ngram": ("at least 0", [0, 2**31 - 1], [-2]),
    "temperature": ("0 or 0.001 to 1000", [0.0, 0.001, 1000.0], [0.0005, 1000.5, -0.5, np.inf]),
    "top_k": ("at least 0", [0, 2**31 - 1], [-2]),
    "top_p": ("above 0 and at most 1", [0.0009765625, 1.0], [0.0, 1.5, -0.5]),
    "seed": ("at least 0", [0, 2**31 - 1], [-2]),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_ranges(name):
    expected, good, bad = RANGES[name]
    for value in good:
        assert getattr(resolve(2, **{name: [-1, value]}), name)[1] == value
    for value in bad:
        told = f"{name}: expected {expected}, or -1 for the exported setting, received {value:g}"
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            resolve(2, **{name: [-1, value]})
        assert told in str(caught.value)


def test_lengths_that_exclude_each_other():
    assert values(resolve(2, min_length=[5, 5], max_length=[5, -1]))["max_length"] == [5, -1, -1]
    message = "min_length: expected at most max_length, or -1 for the exported setting, received 5"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        resolve(2, min_length=[5, 5], max_length=[-1, 4])


def test_without_attention_there_is_no_coverage():
    assert resolve(1, attends=False, coverage_penalty=[0.0]).coverage_penalty == 0
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"coverage_penalty: expected 0 to 0, or -1 .*received 0\.5"
    ):
        resolve(1, attends=False, coverage_penalty=[0.5])


def test_another_count():
    with pytest.raises(tf.errors.InvalidArgumentError, match="top_k: expected one for each text, received another"):
        resolve(2, top_k=[1])


def test_the_inputs():
    assert [(spec.name, spec.dtype, spec.shape.as_list()) for spec in option_specs()] == [
        (name, tf.int32 if kind is int else tf.float32, [None]) for name, kind in OPTIONS.items()
    ]
