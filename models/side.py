"""What the encoder and the decoder share: an embedding of their language, and the settings."""

import dataclasses
from typing import Any

import keras

from models.config import ModelConfig
from models.embedding import Embedding


class Side(keras.layers.Layer):
    """One side of a model.

    Args:
        embedding: That of the side's ids; both sides may have the same.
        config: The settings of the model, of which each side reads its own.
    """

    def __init__(self, embedding: Embedding, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.embedding, self.config = embedding, config
        self.dropout = keras.layers.Dropout(config.dropout)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        embedding = keras.saving.serialize_keras_object(self.embedding)
        return super().get_config() | {"embedding": embedding, "config": dataclasses.asdict(self.config)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Side":
        """Makes it of what `get_config` returns."""
        embedding = keras.saving.deserialize_keras_object(config["embedding"])
        return super().from_config(config | {"embedding": embedding, "config": ModelConfig(**config["config"])})
