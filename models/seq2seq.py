"""The encoder-decoder as a Keras model."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from models.config import ModelConfig
from models.decoder import Decoder, DecoderState, Source
from models.embedding import Embedding
from models.encoder import Encoder
from models.loops import linear
from models.losses import real_tokens, token_cross_entropy
from models.scheduled_sampling import ScheduledSampling
from pipeline.schema import DECODER_INPUT_IDS, SOURCE_IDS


@keras.saving.register_keras_serializable(package="keras_nmt")
class Seq2Seq(keras.Model):
    """An encoder-decoder: `logits(model(inputs))` are those of teacher forcing; `start` and `stepper` serve search.

    Args:
        config: The parts and their sizes, a `ModelConfig` or its fields as a dict.
        source_vocab_size: Count of source ids.
        target_vocab_size: Count of target ids.
        label_smoothing: For the loss of training; validation has none.
        z_loss: The same.
        scheduled_sampling: Arguments of `ScheduledSampling`, for training; by default it is taught by true tokens.
    """

    def __init__(
        self,
        config: ModelConfig | dict[str, Any],
        source_vocab_size: int,
        target_vocab_size: int,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        scheduled_sampling: dict[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.config = config = config if isinstance(config, ModelConfig) else ModelConfig(**config)
        self.source_vocab_size, self.target_vocab_size = source_vocab_size, target_vocab_size
        self.label_smoothing, self.z_loss = label_smoothing, z_loss
        target_embedding = source_embedding = Embedding(target_vocab_size, config.embedding_size, name="embedding")
        if config.tie_embeddings != "three-way":
            source_embedding = Embedding(source_vocab_size, config.embedding_size, name="embedding")
        self.encoder = Encoder(source_embedding, config, name="encoder")
        self.decoder = Decoder(target_embedding, config, name="decoder")
        self.sampling = None
        if scheduled_sampling:
            self.sampling = ScheduledSampling(**scheduled_sampling, name="scheduled_sampling")
        self.mean_loss = keras.metrics.Mean(name="loss")
        self.token_count = keras.metrics.Sum(name="tokens")

    def build(self, inputs_shape: Any = None) -> None:
        """Makes the weights."""
        self.encoder.build()
        self.decoder.build()
        if self.sampling:
            self.sampling.build()
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """Teacher forcing, in training with scheduled sampling if there is one.

        Args:
            inputs: `source_ids (batch, src_len)` and `decoder_input_ids (batch, tgt_len)`.
            training: Whether to drop units.

        Returns:
            What the output layer reads, `(batch, tgt_len, width)`: the loss takes it from there in one piece.
        """
        source, state = self.start(inputs[SOURCE_IDS], training=training)
        own = self.sampling(inputs[DECODER_INPUT_IDS]) if self.sampling and training else None
        return self.decoder(inputs[DECODER_INPUT_IDS], source, state, training=training, own=own)

    def logits(self, hidden: Any) -> Any:
        """The logits `(..., target_vocab_size)` of what the output layer reads, `(..., width)`."""
        table, bias = self.decoder.output_weights()
        return linear(hidden, ops.transpose(table), bias)

    def start(self, source_ids: Any, training: bool = False) -> tuple[Source, DecoderState]:
        """Encodes `source_ids (batch, src_len)`; returns what `Decoder.start` returns."""
        return self.decoder.start(self.encoder(source_ids, training=training))

    def stepper(self, choices: Any = None) -> Callable[[Any, Source, Any], tuple[Any, Any]]:
        """Makes the step of search; see `Decoder.stepper`."""
        return self.decoder.stepper(choices)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Mean cross-entropy a real token, in nats, and the metrics of the epoch; `y_pred` is what `call` returns."""
        weights = real_tokens(y)
        count = ops.sum(weights)
        smoothing, z_loss = (self.label_smoothing, self.z_loss) if training else (0.0, 0.0)
        losses = token_cross_entropy(y_pred, *self.decoder.output_weights(), y, smoothing, z_loss)
        loss = ops.sum(losses * weights) / count
        self.mean_loss.update_state(loss, sample_weight=count)
        self.token_count.update_state(count + ops.sum(real_tokens(x[SOURCE_IDS])))
        return loss

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss a token over the epoch (Keras's own weighs by sentences), and the count of real tokens."""
        return [self.mean_loss, self.token_count]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "name": self.name,
            "config": dataclasses.asdict(self.config),
            "source_vocab_size": self.source_vocab_size,
            "target_vocab_size": self.target_vocab_size,
            "label_smoothing": self.label_smoothing,
            "z_loss": self.z_loss,
            "scheduled_sampling": self.sampling
            and {name: getattr(self.sampling, name) for name in ("share", "schedule", "steps")},
        }
