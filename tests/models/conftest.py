import random
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.config import ModelConfig
from models.seq2seq import Seq2Seq
from pipeline import records
from pipeline.files import file_sha256
from pipeline.pieces import train_subwords
from pipeline.schema import (
    DECODER_INPUT_IDS,
    END_ID,
    SOURCE_IDS,
    START_ID,
    TRAIN,
    VALID,
    Manifest,
    Shard,
    Split,
    Subwords,
)
from pipeline.tokenizer import Tokenizer

WORDS = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier", "five": "fünf", "six": "sechs"}
SOURCE_VOCAB, TARGET_VOCAB = 13, 11
TINY = {
    "encoder_units": 6,
    "decoder_units": 5,
    "embedding_size": 4,
    "attention_units": 7,
    "readout_units": 4,
    "dropout": 0.0,
}


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data set of number words, English to German; targets stand in reverse."""
    folder, draw = tmp_path_factory.mktemp("data"), random.Random(1)
    sources = [[draw.choice(list(WORDS)) for _ in range(draw.randint(1, 6))] for _ in range(48)]
    pairs = [(" ".join(words), " ".join(WORDS[word] for word in reversed(words))) for words in sources]
    sides, subwords = [], []
    for side, name in enumerate(("source", "target")):
        (folder / f"{name}.spm").write_bytes(train_subwords([pair[side] for pair in pairs], vocab_size=290))
        tokenizer = Tokenizer.read(folder / f"{name}.spm")
        subwords.append(Subwords(f"{name}.spm", tokenizer.fingerprint, tokenizer.vocab_size))
        sides.append(tokenizer.tokenize(tf.constant([pair[side] for pair in pairs])).to_list())
    encoded, splits = list(zip(*sides, strict=True)), {}
    for split, some in ((TRAIN, encoded[:40]), (VALID, encoded[40:])):
        (folder / split).write_bytes(b"".join(records.frame(records.serialize(*pair)) for pair in some))
        shard = Shard(split, len(some), file_sha256(folder / split))
        splits[split] = Split((shard,), len(some), *(sum(map(len, side)) for side in zip(*some, strict=True)))
    Manifest(*subwords, splits, 48, {}, {}, {}).write(folder)
    return str(folder)
