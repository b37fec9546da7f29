"""The options of each text of a request, in graph operations: the exported settings filled in, and held to limits."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from models.config import DecodingConfig
from models.decoding.options import Options
from models.decoding.search import length_limit
from serving.graph.decode_options import OPTIONS

# A temperature below the least would divide by what is next to nothing; a penalty above the most overflows.
LEAST_TEMPERATURE, MOST_TEMPERATURE, MOST_PENALTY = 1e-3, 1e3, 10.0
_DTYPES = {int: tf.int32, float: tf.float32}


def option_specs() -> list[tf.TensorSpec]:
    """The inputs of `decode` beside its text, each `(batch,)`."""
    return [tf.TensorSpec([None], _DTYPES[kind], name) for name, kind in OPTIONS.items()]


class RowOptions:
    """Makes `Options` of what a request gives.

    Args:
        decoding: The exported settings.
        attends: Whether the model has attention, without which there is no coverage penalty.
    """

    def __init__(self, decoding: DecodingConfig, attends: bool):
        self._attends = attends
        self._exported = Options.of(decoding)
        pieces = length_limit(decoding.max_source_length, decoding) - 1
        penalty, any_number = _between(0, MOST_PENALTY), _between(0, 2**31 - 1)
        self._limits = {
            "beam_size": _between(1, decoding.widest_beam),
            "length_penalty": penalty,
            "coverage_penalty": penalty if attends else _between(0, 0),
            "min_length": _between(0, pieces),
            "max_length": _between(0, pieces),
            "no_repeat_ngram": any_number,
            "temperature": (
                f"0 or {LEAST_TEMPERATURE:g} to {MOST_TEMPERATURE:g}",
                lambda x: (x == 0) | ((x >= LEAST_TEMPERATURE) & (x <= MOST_TEMPERATURE)),
            ),
            "top_k": any_number,
            "top_p": ("above 0 and at most 1", lambda x: (x > 0) & (x <= 1)),
            "seed": any_number,
        }

    def __call__(self, given: Sequence[tf.Tensor], count: tf.Tensor) -> Options:
        """The options of each text, and after them the exported ones.

        Args:
            given: Each option, in the order of `OPTIONS`, `(count,)`; -1 or NaN stands for the exported setting.
            count: How many texts there are.

        Returns:
            Each option, `(count + 1,)`; the number 0 for a coverage penalty without attention.
        """
        checks, chosen = [], {}
        for name, values in zip(OPTIONS, given, strict=True):
            values = tf.ensure_shape(values, [None])
            is_default = (values == -1) | (values != values)
            checks.append(self._counted(name, values, count))
            expected, is_within = self._limits[name]
            checks.append(_held(name, expected, values, is_default | is_within(values)))
            # A seed may take 32 bits.
            dtype = tf.int64 if name == "seed" else values.dtype
            exported = tf.constant([getattr(self._exported, name)], dtype)
            chosen[name] = tf.concat([tf.where(is_default, exported, tf.cast(values, dtype)), exported], axis=0)
        by_name = dict(zip(OPTIONS, given, strict=True))
        least, most = by_name["min_length"], by_name["max_length"]
        checks.append(_held("min_length", "at most max_length", least, (least <= most) | (most < 0)))
        with tf.control_dependencies(checks):
            options = Options(**{name: tf.identity(values) for name, values in chosen.items()})
        # What may be but 0 is known to be, and takes no work.
        return options if self._attends else options._replace(coverage_penalty=0)

    @staticmethod
    def _counted(name: str, values: tf.Tensor, count: tf.Tensor) -> tf.Operation:
        message = f"{name}: expected one for each text, received another count; give -1 for the exported setting"
        return tf.debugging.Assert(tf.equal(tf.size(values), count), [message])


def _between(least: float, most: float) -> tuple[str, Callable[[Any], Any]]:
    return f"{least:g} to {most:g}" if most < 2**31 - 1 else f"at least {least:g}", lambda x: (x >= least) & (x <= most)


def _held(name: str, expected: str, values: tf.Tensor, is_right: tf.Tensor) -> tf.Operation:
    """Refuses the first value that is wrong, by name."""
    wrong = tf.concat([tf.boolean_mask(values, ~is_right), tf.zeros([1], values.dtype)], axis=0)[0]
    told = tf.strings.as_string(wrong, shortest=True) if values.dtype.is_floating else tf.strings.as_string(wrong)
    message = tf.strings.join([f"{name}: expected {expected}, or -1 for the exported setting, received ", told])
    return tf.debugging.Assert(tf.reduce_all(is_right), [message])
