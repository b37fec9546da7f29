"""What the parts can learn, and what theory says that they cannot (Hochreiter 1991; Bengio 1994)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.config import DecodingConfig, ModelConfig
from models.decoding.search import search
from models.seq2seq import Seq2Seq
from pipeline.schema import DECODER_INPUT_IDS, END_ID, SOURCE_IDS, START_ID

VOCAB, SYMBOLS, BATCH = 12, 4, 32
SIZES = {"embedding_size": 16, "attention_units": 32, "readout_units": 16, "dropout": 0.0}
pytestmark = pytest.mark.slow


def pairs_of(task, draw, length):
    """A batch of sources and targets."""
    if task == "lag":
        # The first token, after which nothing comes for long, is what is to be said.
        source = np.full((BATCH, length), END_ID + 1, "int32")
        source[:, 0] = draw.integers(END_ID + 2, END_ID + 2 + SYMBOLS, BATCH)
        return source, source[:, :1]
    source = draw.integers(END_ID + 1, VOCAB, (BATCH, length), dtype="int32")
    return source, source[:, ::-1] if task == "reverse" else source


def inputs_of(source, target):
    end = np.full((BATCH, 1), END_ID, "int32")
    source, target = (np.concatenate([ids, end], axis=1) for ids in (source, target))
    return {SOURCE_IDS: source, DECODER_INPUT_IDS: np.concatenate([0 * end + START_ID, target[:, :-1]], axis=1)}, target


def learned(task, steps, length, rate, **settings):
    """The share of new sources that a model answers rightly after so many steps of training, by greedy search."""
    keras.utils.set_random_seed(1)
    model, draw = Seq2Seq(ModelConfig(**SIZES | settings), VOCAB, VOCAB, name="seq2seq"), np.random.default_rng(1)
    model.build()
    model.compile(optimizer=keras.optimizers.Adam(rate, global_clipnorm=1.0), jit_compile=False)
    # Else the graph is made twice, as the first one makes variables.
    model.optimizer.build(model.trainable_variables)
    batches = [inputs_of(*pairs_of(task, draw, length)) for _ in range(steps)]
    inputs = {name: np.concatenate([batch[0][name] for batch in batches]) for name in batches[0][0]}
    model.fit(inputs, np.concatenate([target for _, target in batches]), batch_size=BATCH, shuffle=False, verbose=0)
    inputs, target = inputs_of(*pairs_of(task, draw, length))
    find = tf.function(lambda ids: search(model, ids, DecodingConfig(beam_size=1)).ids[:, 0], autograph=False)
    found = find(inputs[SOURCE_IDS])
    return float(np.mean(np.all(found.numpy()[:, : target.shape[1]] == target, axis=1)))


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("copy", {"cell": "lstm"}),
        ("reverse", {"cell": "gru", "attention": "general", "attention_query": "state"}),
    ],
    ids=str,
)
def test_attention_learns_to_copy_and_to_reverse(task, settings):
    assert learned(task, 300, 8, 0.01, encoder_units=32, decoder_units=32, **settings) > 0.9


def test_one_vector_cannot_hold_what_attention_finds_again():
    assert learned("copy", 300, 8, 0.01, encoder_units=32, decoder_units=32, attention="none", cell="lstm") < 0.5


LAG = {"encoder": "unidirectional", "attention": "none", "encoder_units": 32, "decoder_units": 32}


@pytest.mark.parametrize(("cell", "steps"), [("lstm-without-forget-gate", 200), ("unitary", 60), ("gru", 160)])
def test_what_can_keep_its_state_learns_a_long_lag(cell, steps):
    """The first two keep it from the start; the GRU learns to, as its gate has a bias."""
    assert learned("lag", steps, 60, 0.005, **LAG, cell=cell) > 0.9


def test_a_vanilla_cell_does_not_learn_it():
    """Of four symbols a quarter is right by chance."""
    assert learned("lag", 200, 60, 0.005, **LAG, cell="simple") < 0.6
