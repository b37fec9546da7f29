"""Refinement: a model that has learned the likelihood learns to raise the sentence BLEU of what it says itself."""

from typing import Any

import keras
from keras import ops

from models.decoder_state import DecoderState, Source
from models.decoding.sampling import sample, several
from models.losses import real_tokens, token_cross_entropy
from models.training.replicas import Seeds
from models.training.sentence_bleu import sentence_bleu
from pipeline.schema import START_ID

# A sample may be too long, so that it can be learned where to end.
BEYOND = 5


@keras.saving.register_keras_serializable(package="keras_nmt")
class Refinement(keras.layers.Layer):
    """Policy gradient of the expected sentence BLEU (Ranzato 2016; Wu 2016, section 5.2).

    Some translations are drawn of each source. A sentence's reward is its BLEU less the mean of those drawn beside it,
    and the gradient is that of the log-probabilities, each times its reward (Williams 1992).

    Args:
        samples: Translations drawn of each source, at least 2.
        likelihood: What the loss of the likelihood is multiplied with and added, alpha; Wu 2016 has 0.017.
    """

    def __init__(self, samples: int, likelihood: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.samples, self.likelihood = samples, likelihood
        self.seeds = Seeds()
        self.built = True

    def call(self, source: Source, state: DecoderState, target_ids: Any, decoder: Any) -> Any:
        """The loss, the sum over the batch of the mean over the samples.

        Args:
            source: From the decoder's `start`.
            state: From the decoder's `start`.
            target_ids: The references, `(batch, tgt_len)`; a sample has `BEYOND` more tokens than the longest at most.
            decoder: The `Decoder`.
        """
        batch, length = ops.shape(target_ids)[0], ops.shape(target_ids)[1] + BEYOND
        uniforms = keras.random.uniform((batch, self.samples, length), dtype="float32", seed=self.seeds)
        limits = ops.full((batch,), length, dtype="int32")
        ids = ops.stop_gradient(sample(decoder.stepper(), source, state, limits, length, uniforms).ids)
        rewards = sentence_bleu(ids, target_ids)
        advantages = ops.stop_gradient(rewards - ops.mean(rewards, axis=1, keepdims=True))
        # The last token is no choice: at its limit every sample ends.
        chosen = ops.sum(log_probabilities(decoder, source, state, ids)[..., :-1], axis=-1)
        return -ops.sum(advantages * chosen) / self.samples


def log_probabilities(decoder: Any, source: Source, state: DecoderState, ids: Any) -> Any:
    """The log-probability of each token of translations `ids (batch, n, length)`, PAD after END, in that shape.

    It is that among all tokens, PAD and START too, which a draw leaves out, and training makes as good as impossible.
    """
    steps_first = ops.transpose(ids, (2, 0, 1))
    inputs = ops.concatenate([ops.full_like(steps_first[:1], START_ID), steps_first[:-1]])
    steps = decoder.steps(inputs, training=False)
    _, hidden = decoder.run_together(source, decoder.first_carry(several(state, ids.shape[1]), steps), steps)
    table, bias = decoder.output_weights()
    losses = token_cross_entropy(hidden, table, bias, steps_first, label_smoothing=0.0)
    return -ops.transpose(losses * real_tokens(steps_first), (1, 2, 0))
