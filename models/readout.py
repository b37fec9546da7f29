"""The readout: what the output layer sees of the decoder at each step."""

from typing import Any

import keras
from keras import ops

from models.recurrent.loops import linear


@keras.saving.register_keras_serializable(package="keras_nmt")
class Readout(keras.layers.Layer):
    """A layer between the decoder's parts and the vocabulary.

    Args:
        kind: `linear` leaves the parts as they are, side by side; `projection` is one linear layer over them, which
            the output layer makes a product of low rank; `tanh` puts a tanh on that (Luong 2015, equation 5); `maxout`
            takes the larger of each two of twice as many units (Bahdanau 2015, section A.2.2; Goodfellow 2013).
        units: Width of what it gives; `linear` takes that of its inputs.
    """

    def __init__(self, kind: str, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.kind, self.units = kind, units

    def build(self, inputs_units: int) -> None:
        """Makes the weights for parts of `inputs_units` together."""
        if self.kind == "linear":
            self.units = inputs_units
        else:
            width = 2 * self.units if self.kind == "maxout" else self.units
            self.kernel = self.add_weight(name="kernel", shape=(inputs_units, width))
            self.bias = self.add_weight(name="bias", shape=(width,), initializer="zeros")
        self.built = True

    def call(self, parts: list[Any]) -> Any:
        """Reads parts `(..., part_units)`: `(..., units)`."""
        joined = ops.concatenate(parts, axis=-1)
        if self.kind == "linear":
            return joined
        hidden = linear(joined, self.kernel, self.bias)
        if self.kind == "tanh":
            return ops.tanh(hidden)
        return ops.maximum(*ops.split(hidden, 2, axis=-1)) if self.kind == "maxout" else hidden
