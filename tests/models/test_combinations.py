"""Every two values of the settings of a model stand together in some model that trains, translates and is saved."""

import dataclasses
import itertools
import random

import keras
import numpy as np
import pytest

from models.config import DecodingConfig, ModelConfig
from models.decoding.search import search
from pipeline.errors import UserError
from pipeline.schema import SOURCE_IDS

# Cells and attentions that differ from another in arithmetic alone are left out: `test_decoder.py` has them.
VALUES = {
    "cell": [
        "lstm",
        "gru",
        "simple",
        "gru-reset-before",
        "scrn",
        "layer-norm-lstm",
        "layer-norm-gru",
        "batch-norm-lstm",
        "unitary",
    ],
    "attention": ["additive", "none", "coverage", "multi-head", "local", "general"],
    "recurrent_initializer": ["orthogonal", "identity", "glorot"],
    "encoder": ["bidirectional", "unidirectional", "first-bidirectional"],
    "encoder_layers": [1, 2],
    "encoder_merge": ["concat", "sum"],
    "source_order": ["forwards", "backwards"],
    "decoder_layers": [1, 2],
    "residual": [False, True],
    "bridge": ["dense", "copy", "zero"],
    "summary_at_every_step": [False, True],
    "attention_place": ["inside", "above"],
    "attention_query": ["state-and-input", "state"],
    "context_to_all_layers": [False, True],
    "input_feeding": [False, True],
    "readout": ["projection", "linear", "tanh", "maxout"],
    "readout_reads_input": [True, False],
    "tie_embeddings": ["none", "two-way", "three-way"],
    "variational_dropout": [False, True],
    "weight_drop": [0.0, 0.1],
}
SIZES = {
    "encoder_units": 8,
    "decoder_units": 8,
    "embedding_size": 4,
    "attention_units": 4,
    "attention_heads": 2,
    "attention_window": 2,
    "readout_units": 4,
    "dropout": 0.1,
    "word_dropout": 0.1,
}
OWN_KERNELS = ("gru-reset-before", "scrn", "unitary")


# What `ModelConfig` refuses.
IMPOSSIBLE = {
    *((("attention", kind), ("summary_at_every_step", True)) for kind in VALUES["attention"] if kind != "none"),
    *((("cell", cell), ("weight_drop", 0.1)) for cell in OWN_KERNELS),
    *((("cell", cell), ("recurrent_initializer", kind)) for cell in OWN_KERNELS for kind in ("identity", "glorot")),
    (("attention_place", "above"), ("cell", "batch-norm-lstm")),
    (("cell", "batch-norm-lstm"), ("input_feeding", True)),
    (("encoder", "unidirectional"), ("encoder_merge", "sum")),
    (("context_to_all_layers", True), ("decoder_layers", 1)),
    (("attention", "none"), ("attention_place", "above")),
    (("attention", "none"), ("context_to_all_layers", True)),
    (("attention_place", "above"), ("attention_query", "state-and-input")),
    (("attention_place", "above"), ("context_to_all_layers", True)),
    (("attention_place", "above"), ("summary_at_every_step", True)),
    (("context_to_all_layers", True), ("summary_at_every_step", True)),
    (("readout", "linear"), ("tie_embeddings", "two-way")),
    (("readout", "linear"), ("tie_embeddings", "three-way")),
}


def fits(settings):
    try:
        ModelConfig(**SIZES, **settings)
    except UserError:
        return False
    return True


def pairs_of(settings):
    return set(itertools.combinations(sorted(settings.items()), 2))


def covering_set():
    """Settings that hold every possible pair: of random ones with a pair that is missing, that with the most."""
    draw, chosen = random.Random(1), []
    everything = sorted((name, value) for name, values in VALUES.items() for value in values)
    missing = [pair for pair in itertools.combinations(everything, 2) if pair[0][0] != pair[1][0]]
    missing = dict.fromkeys(pair for pair in missing if pair not in IMPOSSIBLE)
    while missing:
        pair = next(iter(missing))
        drawn = ({name: draw.choice(values) for name, values in VALUES.items()} | dict(pair) for _ in range(10_000))
        tries = list(itertools.islice(filter(fits, drawn), 25))
        assert tries, f"{pair} fits nothing, and is not among the impossible"
        best = max(tries, key=lambda settings: len(pairs_of(settings) & missing.keys()))
        chosen.append(best)
        missing = {pair: None for pair in missing if pair not in pairs_of(best)}
    return chosen


COMBINATIONS = covering_set()


def test_they_are_few_and_complete():
    assert len(COMBINATIONS) <= 60
    assert {field.name for field in dataclasses.fields(ModelConfig)} >= VALUES.keys() | SIZES.keys()
    for pair in IMPOSSIBLE:
        others = [settings | dict(pair) for settings in COMBINATIONS]
        assert not any(map(fits, others)), pair


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(settings, marks=[] if number < 12 else pytest.mark.slow, id=str(number))
        for number, settings in enumerate(COMBINATIONS)
    ],
)
def test_it_trains_translates_and_comes_back(make_model, make_batch, tmp_path, settings):
    model = make_model(**SIZES | settings)
    inputs, targets = make_batch([2, 1, 3], [1, 2, 3])
    before = [weight.numpy() for weight in model.trainable_variables]
    model.compile(optimizer=keras.optimizers.Adam(0.01), run_eagerly=True)
    assert np.isfinite(model.train_on_batch(inputs, targets, return_dict=True)["loss"])
    changed = [(weight.numpy() != old).any() for weight, old in zip(model.trainable_variables, before, strict=True)]
    assert all(changed)
    decoding = DecodingConfig(beam_size=2, max_length_offset=1, max_length_factor=0.5)
    found = search(model, inputs[SOURCE_IDS], decoding)
    assert np.isfinite(found.scores).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    again = search(loaded, inputs[SOURCE_IDS], decoding)
    np.testing.assert_array_equal(again.ids, found.ids)
    np.testing.assert_array_equal(again.scores, found.scores)
