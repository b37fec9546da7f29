"""Scheduled sampling: a decoder that learns to go on from tokens of its own."""

from typing import Any

import keras
from keras import ops

from models.training.replicas import Seeds

# The exponential share has this part left to go at the end; the sigmoid is steepest in the middle, so steep.
REST, STEEPNESS = 0.01, 10.0


def own_share(progress: Any, schedule: str) -> Any:
    """The share of own tokens, as a part of its highest, at a progress from 0 to 1 (Bengio 2015, section 2.4).

    Args:
        progress: Steps done of all steps.
        schedule: `linear`, `exponential` (rises fast, then slowly) or `inverse-sigmoid` (slowly, fast, slowly).
    """
    if schedule == "linear":
        return progress
    if schedule == "exponential":
        return (1 - REST**progress) / (1 - REST)
    return ops.sigmoid(STEEPNESS * (progress - 0.5))


@keras.saving.register_keras_serializable(package="keras_nmt")
class ScheduledSampling(keras.layers.Layer):
    """Draws in which steps the decoder reads its own last choice instead of the true token (Bengio 2015).

    Args:
        share: Of own tokens at the most.
        schedule: See `own_share`.
        steps: Of the whole training.
    """

    def __init__(self, share: float, schedule: str, steps: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.share, self.schedule, self.steps = share, schedule, steps
        self.seeds = Seeds()

    def build(self, shape: Any = None) -> None:
        """Makes the count of steps done, which is saved with the weights."""
        self.done = self.add_weight(
            name="done", shape=(), dtype="int32", initializer="zeros", trainable=False, aggregation="only_first_replica"
        )
        self.built = True

    def call(self, decoder_input_ids: Any) -> Any:
        """Where own tokens are read, `(tgt_len, batch, 1, 1)` bool, for ids `(batch, tgt_len)`; never at START."""
        progress = ops.minimum(ops.cast(self.done, "float32") / self.steps, 1.0)
        share = self.share * own_share(progress, self.schedule)
        self.done.assign_add(1)
        steps_first = ops.transpose(decoder_input_ids)[:, :, None, None]
        drawn = keras.random.uniform(ops.shape(steps_first), dtype="float32", seed=self.seeds) < share
        return drawn & (ops.arange(ops.shape(steps_first)[0])[:, None, None, None] > 0)
