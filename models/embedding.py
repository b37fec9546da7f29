"""Token embeddings with a dense gradient."""

from typing import Any

import keras
from keras import ops

from models.recurrent.loops import take, with_gradient


def _lookup(table: Any, ids: Any) -> tuple[Any, Any]:
    def backward(d_rows: Any) -> tuple[Any, None]:
        flat = ops.reshape(d_rows, (-1, table.shape[-1]))
        return ops.segment_sum(flat, ops.reshape(ids, (-1,)), num_segments=table.shape[0]), None

    return take(table, ids), backward


@keras.saving.register_keras_serializable(package="keras_nmt")
class Embedding(keras.layers.Layer):
    """A row of a table for each token, times the square root of its width (Vaswani 2017, section 3.4).

    Adam's steps are of one size, whatever a weight's scale: a table of small entries learns fast, as an input as well
    as where it serves as the output layer's too, and the factor makes inputs of variance 1 of it.

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
        """Makes the table `(vocab_size, units)`, of variance 1 / units."""
        initializer = keras.initializers.RandomNormal(stddev=self.units**-0.5)
        self.table = self.add_weight(name="table", shape=(self.vocab_size, self.units), initializer=initializer)
        self.built = True

    def build_once(self) -> None:
        """Makes the table, unless another layer that shares it has."""
        if not self.built:
            self.build()

    def call(self, ids: Any) -> Any:
        """Looks up `ids (...)`: `(..., units)`."""
        return with_gradient(_lookup)(self.table, ids) * self.units**0.5
