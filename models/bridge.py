"""The bridge: the encoder's last state to the decoder's first."""

from typing import Any

import keras
from keras import ops

from models.recurrent.cell import State
from models.recurrent.loops import linear


@keras.saving.register_keras_serializable(package="keras_nmt")
class Bridge(keras.layers.Layer):
    """Makes the state of each layer of the decoder before its first step.

    Args:
        kind: `dense`, one tanh layer for each part of the top layer's state (Bahdanau 2015, section A.2.2); `copy`,
            each layer's own, for as many layers (Sutskever 2014); or `zero`.
        layers: Of the decoder.
        units: Of the decoder.
    """

    def __init__(self, kind: str, layers: int, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.kind, self.layers, self.units = kind, layers, units

    def build(self, encoder_units: int, state_parts: int) -> None:
        """Makes the weights."""
        if self.kind == "dense":
            shape = (encoder_units, self.layers * self.units)
            self.kernels = [self.add_weight(name=f"kernel_{part}", shape=shape) for part in range(state_parts)]
        self.built = True

    def call(self, states: tuple[State, ...]) -> tuple[State, ...]:
        """From the encoder's layers, parts `(batch, encoder_units)`, to the decoder's, parts `(batch, 1, units)`."""
        if self.kind == "copy":
            return tuple(tuple(part[:, None] for part in state) for state in states)
        top = states[-1]
        if self.kind == "zero":
            zeros = ops.zeros_like(top[0][:, None, :1]) + ops.zeros((self.units,), top[0].dtype)
            return ((zeros,) * len(top),) * self.layers
        bridged = [ops.tanh(linear(part, kernel)) for part, kernel in zip(top, self.kernels, strict=True)]
        parts = [ops.split(part[:, None], self.layers, axis=-1) for part in bridged]
        return tuple(zip(*parts, strict=True))
