"""Token embeddings with a dense gradient."""

from typing import Any

import keras
from keras import ops

from models.loops import take, with_gradient

# Adam's steps are of one size, whatever a weight's scale: with entries a quarter as large, a table learns four times as
# fast. Its gradient is four times as large, too, and so is its part in the norm by which all are clipped.
GAIN = 4.0


def _lookup(table: Any, ids: Any) -> tuple[Any, Any]:
    def backward(d_rows: Any) -> tuple[Any, None]:
        flat = ops.reshape(d_rows, (-1, table.shape[-1]))
        return ops.segment_sum(flat, ops.reshape(ids, (-1,)), num_segments=table.shape[0]), None

    return take(table, ids), backward


@keras.saving.register_keras_serializable(package="keras_nmt")
class Embedding(keras.layers.Layer):
    """`GAIN` times a row of a table for each token (Vaswani 2017, section 3.4, has another factor).

    TensorFlow's own gradient is sparse, and its global norm counts a token that stands twice as two; this one is
    dense, so that clipping is right and alike on every backend.

    Args:
        vocab_size: Count of rows.
        units: Width of a row.
    """

    def __init__(self, vocab_size: int, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.vocab_size, self.units = vocab_size, units

    def build(self, ids_shape: Any = None) -> None:
        """Makes the table `(vocab_size, units)`, for embeddings of variance 1."""
        initializer = keras.initializers.RandomNormal(stddev=1 / GAIN)
        self.table = self.add_weight(name="table", shape=(self.vocab_size, self.units), initializer=initializer)
        self.built = True

    def build_once(self) -> None:
        """Makes the table, unless another layer that shares it has."""
        if not self.built:
            self.build()

    def call(self, ids: Any) -> Any:
        """Looks up `ids (...)`: `(..., units)`."""
        return with_gradient(_lookup)(self.table, ids) * GAIN

    def output_table(self) -> Any:
        """The embeddings as an output layer's table, `(vocab_size, units)`, of variance 1 / units."""
        return self.table * (GAIN * self.units**-0.5)
