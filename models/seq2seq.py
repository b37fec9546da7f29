"""The encoder-decoder as a Keras model."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from models.config import ModelConfig
from models.decoder import Decoder
from models.decoder_state import DecoderState, Source
from models.embedding import Embedding
from models.encoder import Encoder
from models.losses import real_tokens, token_cross_entropy
from models.recurrent.loops import linear
from models.training.refinement import Refinement
from models.training.replicas import is_first, over_replicas
from models.training.scheduled_sampling import ScheduledSampling
from models.training.truncation import Truncation
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
        truncation: Arguments of `Truncation`, for training; by default a gradient reaches every step.
        refinement: Arguments of `Refinement`, for training; by default the loss is that of the likelihood alone.

    Attributes:
        compilations: Of the training step, since the model was made.
    """

    def __init__(
        self,
        config: ModelConfig | dict[str, Any],
        source_vocab_size: int,
        target_vocab_size: int,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        scheduled_sampling: dict[str, Any] | None = None,
        truncation: dict[str, int] | None = None,
        refinement: dict[str, Any] | None = None,
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
        self.sampling: Any = None
        self.truncation: Any = None
        self.refinement: Any = None
        if scheduled_sampling:
            self.sampling = ScheduledSampling(**scheduled_sampling, name="scheduled_sampling")
        if truncation:
            self.truncation = Truncation(**truncation, name="truncation")
        if refinement:
            self.refinement = Refinement(**refinement, name="refinement")
        self.compilations = 0
        self.mean_loss = keras.metrics.Mean(name="loss")
        self.source_tokens = keras.metrics.Sum(name="source_tokens")
        self.target_tokens = keras.metrics.Sum(name="target_tokens")

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
            What the output layer reads, `(batch, tgt_len, width)`: the loss takes it from there in one piece. In
            training by refinement, that and what `start` returns; in training that is truncated, the latter alone. The
            loss then runs the decoder in ways of its own.
        """
        started = source, state = self.start(inputs[SOURCE_IDS], training=training)
        if training and self.truncation:
            return started
        own = self._own(inputs[DECODER_INPUT_IDS]) if training else None
        hidden = self.decoder(inputs[DECODER_INPUT_IDS], source, state, training=training, own=own)
        return (hidden, started) if training and self.refinement else hidden

    def _own(self, decoder_input_ids: Any) -> Any:
        return self.sampling(decoder_input_ids) if self.sampling else None

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

    def watcher(self, choices: Any = None) -> Callable[[Any, Source, Any], tuple[Any, Any, tuple[Any, ...]]]:
        """Makes the step of search that tells of attention, too; see `Decoder.watcher`."""
        return self.decoder.watcher(choices)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Mean cross-entropy a real token, in nats, and the metrics of the epoch; `y_pred` is what `call` returns.

        In training by refinement it is that of both losses, a real token of the references. Among replicas it is this
        one's part of the mean: the sum of theirs, and of their gradients, is that of the whole batch.
        """
        count = ops.sum(real_tokens(y))
        if training and self.truncation:
            total = self._truncated_loss(x[DECODER_INPUT_IDS], y, *y_pred)
        elif training and self.refinement:
            hidden, started = y_pred
            likelihood = ops.sum(self._losses_of(hidden, y, training))
            total = self.refinement.likelihood * likelihood + self.refinement(*started, y, decoder=self.decoder)
        else:
            total = ops.sum(self._losses_of(y_pred, y, training))
        # A replica may have nothing but padding.
        self.mean_loss.update_state(total / ops.maximum(count, 1), sample_weight=count)
        self.source_tokens.update_state(real_tokens(x[SOURCE_IDS]))
        self.target_tokens.update_state(count)
        return total / over_replicas(count)

    def _losses_of(self, hidden: Any, target_ids: Any, training: bool) -> Any:
        """The cross-entropy of each token, `(...)`, 0 for padding."""
        smoothing, z_loss = (self.label_smoothing, self.z_loss) if training else (0.0, 0.0)
        losses = token_cross_entropy(hidden, *self.decoder.output_weights(), target_ids, smoothing, z_loss)
        return losses * real_tokens(target_ids)

    def _truncated_loss(self, decoder_input_ids: Any, target_ids: Any, source: Source, state: DecoderState) -> Any:
        ids, targets = (ops.transpose(ids)[:, :, None] for ids in (decoder_input_ids, target_ids))
        steps = self.decoder.steps(ids, training=True, own=self._own(decoder_input_ids))
        losses_of = functools.partial(self._losses_of, training=True)
        return self.truncation(source, state, steps, targets, decoder=self.decoder, losses_of=losses_of)

    def train_step(self, *arguments: Any) -> Any:
        """Keras's own, which Python runs only as a graph of it is made."""
        self.compilations += is_first()
        return super().train_step(*arguments)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss a token over the epoch (Keras's own weighs by sentences), and the counts of real tokens."""
        return [self.mean_loss, self.source_tokens, self.target_tokens]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "name": self.name,
            "config": dataclasses.asdict(self.config),
            "source_vocab_size": self.source_vocab_size,
            "target_vocab_size": self.target_vocab_size,
            "label_smoothing": self.label_smoothing,
            "z_loss": self.z_loss,
            "scheduled_sampling": _arguments(self.sampling, "share", "schedule", "steps"),
            "truncation": _arguments(self.truncation, "every", "reach"),
            "refinement": _arguments(self.refinement, "samples", "likelihood"),
        }


def _arguments(layer: keras.layers.Layer | None, *names: str) -> dict[str, Any] | None:
    return layer and {name: getattr(layer, name) for name in names}
