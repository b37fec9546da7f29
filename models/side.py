"""What the encoder and the decoder share: an embedding of their language, the settings, and what is dropped."""

import dataclasses
from typing import Any

import keras

from models.config import ModelConfig
from models.dropout import Dropout
from models.embedding import Embedding
from models.recurrent.recurrence import Recurrence


class Side(keras.layers.Layer):
    """One side of a model, whose sequences have time first.

    Args:
        embedding: That of the side's ids; both sides may have the same.
        config: The settings of the model, of which each side reads its own.

    Attributes:
        leading_axes: Of a sequence of vectors: time, the batch, and what else comes before the vector.
    """

    leading_axes = 2

    def __init__(self, embedding: Embedding, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.embedding, self.config = embedding, config
        rest = (None,) * self.leading_axes
        # Variational dropout is the same in all steps (Gal and Ghahramani 2016).
        self.dropout = Dropout(config.dropout, (1, *rest) if config.variational_dropout else None)
        self.word_dropout = Dropout(config.word_dropout, (*rest, 1))

    def drop(self, embedded: Any, training: bool) -> Any:
        """Drops words and units of embeddings `(steps, batch, ..., embedding_size)`."""
        return self.dropout(self.word_dropout(embedded, training=training), training=training)

    def recurrence(self, units: int, name: str, **settings: Any) -> Recurrence:
        """A recurrent layer by the settings."""
        config = self.config
        common: dict[str, Any] = {
            "forget_bias": config.forget_bias,
            "recurrent_initializer": config.recurrent_initializer,
            "weight_drop": config.weight_drop,
            "norm_penalty": config.gradient_norm_penalty,
        }
        return Recurrence(config.cell, units, name=name, **common, **settings)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        embedding = keras.saving.serialize_keras_object(self.embedding)
        return super().get_config() | {"embedding": embedding, "config": dataclasses.asdict(self.config)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Side":
        """Makes it of what `get_config` returns."""
        embedding = keras.saving.deserialize_keras_object(config["embedding"])
        return super().from_config(config | {"embedding": embedding, "config": ModelConfig(**config["config"])})
