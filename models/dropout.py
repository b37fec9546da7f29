"""Dropout with other masks in each replica."""

from typing import Any

import keras
from keras import ops

from models.training.replicas import Seeds


class Dropout(keras.layers.Layer):
    """Sets a share of its inputs to 0, and scales the others up (Srivastava 2014).

    Keras's own drops the same in all replicas.

    Args:
        rate: The share.
        noise_shape: 1 for each axis along which all is dropped alike, None for the others; by default None for all.
    """

    def __init__(self, rate: float, noise_shape: tuple[int | None, ...] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate, self.noise_shape = rate, noise_shape
        self.seeds = Seeds() if rate else None
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops, in training."""
        if not (training and self.rate):
            return inputs
        shape = ops.shape(inputs)
        if self.noise_shape:
            shape = tuple(own or whole for own, whole in zip(self.noise_shape, shape, strict=True))
        return keras.random.dropout(inputs, self.rate, noise_shape=shape, seed=self.seeds)
