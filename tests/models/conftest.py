from collections.abc import Callable

import keras
import numpy as np
import pytest

from models.config import ModelConfig
from models.seq2seq import Seq2Seq
from pipeline.schema import DECODER_INPUT_IDS, END_ID, SOURCE_IDS, START_ID

SOURCE_VOCAB, TARGET_VOCAB = 13, 11
TINY = {
    "encoder_units": 6,
    "decoder_units": 5,
    "embedding_size": 4,
    "attention_units": 7,
    "readout_units": 4,
    "dropout": 0.0,
}


@pytest.fixture
def make_model() -> Callable[..., Seq2Seq]:
    """Makes a tiny model with repeatable weights; settings are those of `ModelConfig`.

    Where one table serves both languages, the source's vocabulary is the target's too.
    """

    def make(
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        scheduled_sampling=None,
        truncation=None,
        refinement=None,
        **settings,
    ) -> Seq2Seq:
        keras.utils.set_random_seed(3)
        config = ModelConfig(**TINY | settings)
        target_vocab = SOURCE_VOCAB if config.tie_embeddings == "three-way" else TARGET_VOCAB
        taught = label_smoothing, z_loss, scheduled_sampling, truncation, refinement
        model = Seq2Seq(config, SOURCE_VOCAB, target_vocab, *taught, name="seq2seq")
        model.build()
        # Biases start at zero, where a wrong one would not be seen.
        draw = np.random.default_rng(3)
        for variable in model.trainable_variables:
            if variable.path.endswith("bias"):
                variable.assign_add(draw.normal(size=variable.shape, scale=0.3))
        return model

    return make


@pytest.fixture
def make_batch() -> Callable[..., tuple[dict[str, np.ndarray], np.ndarray]]:
    """Makes inputs and targets of the given lengths (END included), padded to the longest."""

    def make(source_lengths, target_lengths, seed=0):
        draw = np.random.default_rng(seed)

        def ids(lengths, vocab):
            rows = np.zeros((len(lengths), max(lengths)), "int32")
            for row, length in zip(rows, lengths, strict=True):
                row[:length] = [*draw.integers(END_ID + 1, vocab, length - 1), END_ID]
            return rows

        source, target = ids(source_lengths, SOURCE_VOCAB), ids(target_lengths, TARGET_VOCAB)
        shifted = np.concatenate([np.full_like(target[:, :1], START_ID), target[:, :-1]], axis=1)
        decoder_input = np.where(target != 0, shifted, 0)
        return {SOURCE_IDS: source, DECODER_INPUT_IDS: decoder_input}, target

    return make
