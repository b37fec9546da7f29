import typing

import numpy as np
import pytest
import tensorflow as tf
from keras import ops, tree

from models.config import ModelConfig
from models.losses import real_tokens, token_cross_entropy
from models.recurrent.recurrence import Recurrence
from pipeline.schema import DECODER_INPUT_IDS, PAD_ID, SOURCE_IDS, START_ID

PLAIN = {"attention": "none"}
SUMMARY = PLAIN | {"bridge": "zero", "summary_at_every_step": True}
BOTH = PLAIN | {"summary_at_every_step": True}
ABOVE = {"attention_place": "above", "attention_query": "state"}
LINEAR = {"readout": "linear", "readout_reads_input": False}
DOT = {"attention": "dot", "encoder_units": 6, "decoder_units": 6}
OPTIONS = [
    {},
    *({"cell": cell} for cell in ("simple", "relu", "gru", "gru-reset-before", "lstm-without-forget-gate", "scrn")),
    *({"cell": cell, "attention": "none"} for cell in ("layer-norm-lstm", "layer-norm-gru")),
    {"cell": "layer-norm-lstm", "attention": "general", "readout": "tanh"},
    {"cell": "batch-norm-lstm", "decoder_layers": 2},
    {"cell": "unitary", "encoder_units": 8, "decoder_units": 4},
    {"cell": "relu", "recurrent_initializer": "identity", "source_order": "backwards"},
    {"recurrent_initializer": "glorot", "encoder": "unidirectional"},
    {"encoder": "first-bidirectional", "encoder_layers": 2, "residual": True, "decoder_layers": 2},
    {"encoder_merge": "sum", "encoder_layers": 2, "context_to_all_layers": True, "decoder_layers": 3},
    {"readout": "linear"},
    LINEAR,
    {"readout": "tanh", "readout_reads_input": False},
    {"readout": "maxout", "readout_units": 5},
    {"tie_embeddings": "two-way"},
    {"tie_embeddings": "three-way"},
    {"attention_query": "state"},
    DOT,
    DOT | {"attention": "scaled-dot", "bridge": "copy"},
    DOT | {"attention_query": "state", "cell": "gru"},
    {"attention": "general"},
    {"attention": "normalized-additive", "bridge": "zero"},
    {"attention": "coverage"},
    {"attention": "coverage", "cell": "scrn", "input_feeding": True, "decoder_layers": 2},
    {"attention": "multi-head", "attention_heads": 2, "attention_units": 4},
    {"attention": "local", "attention_window": 2},
    {"encoder_layers": 2, "decoder_layers": 2},
    {"input_feeding": True, "readout": "linear"},
    ABOVE,
    ABOVE | {"attention": "coverage", "decoder_layers": 2, "residual": True},
    ABOVE | {"attention": "multi-head", "attention_heads": 2, "attention_units": 4, "input_feeding": True},
    ABOVE | DOT | {"input_feeding": True, "readout": "tanh", "readout_reads_input": False, "bridge": "copy"},
    ABOVE | {"attention": "local", "cell": "gru", "input_feeding": True, "tie_embeddings": "two-way"},
    {"cell": "gru", "decoder_layers": 2, "readout": "linear"},
    PLAIN,
    SUMMARY,
    BOTH,
    BOTH | {"input_feeding": True},
    BOTH | {"cell": "simple", "decoder_layers": 2, "readout": "linear"},
    SUMMARY | {"cell": "gru", "decoder_layers": 2, "tie_embeddings": "two-way"},
    PLAIN | {"encoder": "unidirectional", "readout": "linear", "decoder_layers": 2, "residual": True},
]


def name(settings):
    return "-".join(f"{value}" for value in settings.values()) or "default"


every_option = pytest.mark.parametrize("settings", OPTIONS, ids=name)


def step_logits(model, inputs):
    """The logits of search, one step after the other: `(batch, tgt_len, vocab)`."""
    source, state = model.start(inputs[SOURCE_IDS])
    logits = []
    for ids in inputs[DECODER_INPUT_IDS].T:
        step, state = model.stepper()(ids[:, None], source, state)
        logits.append(step)
    return np.concatenate(logits, axis=1)


@pytest.mark.parametrize("settings", [{}, {"tie_embeddings": "two-way"}], ids=name)
def test_the_logits_of_choices_are_those_of_all(make_model, make_batch, settings):
    model, choices = make_model(**settings), np.array([3, 7, 5, 0])
    inputs, _ = make_batch([5, 2], [1, 1])
    source, state = model.start(inputs[SOURCE_IDS])
    ids = np.array([[4, 5], [6, 7]])
    of_all, of_choices = model.stepper()(ids, source, state)[0], model.stepper(choices)(ids, source, state)[0]
    assert of_choices.shape == (2, 2, 4)
    np.testing.assert_allclose(of_choices, of_all.numpy()[..., choices], rtol=1e-5)


def without_never_chosen(logits):
    return np.delete(logits, [PAD_ID, START_ID], axis=-1)


def test_the_options_are_all_here():
    kinds = typing.get_type_hints(ModelConfig)
    choices = {option: set(typing.get_args(kind)) for option, kind in kinds.items() if typing.get_args(kind)}
    chosen = [vars(ModelConfig(**settings)) for settings in OPTIONS]
    assert {option: {settings[option] for settings in chosen} for option in choices} == choices


@every_option
def test_training_step_is_search_step(make_model, make_batch, settings):
    model = make_model(**settings)
    inputs, _ = make_batch([4, 2, 3], [2, 4, 1])
    logits = model.logits(model(inputs))
    assert logits.shape == (3, 4, 13 if settings.get("tie_embeddings") == "three-way" else 11)
    assert logits.numpy().std() > 0.01
    found = step_logits(model, inputs)
    np.testing.assert_allclose(without_never_chosen(found), without_never_chosen(logits), atol=1e-5)
    assert np.isneginf(found[..., [PAD_ID, START_ID]]).all()


@every_option
def test_every_weight_takes_part(make_model, make_batch, settings):
    model = make_model(**settings)
    inputs, targets = make_batch([4, 2, 3], [2, 4, 1])
    with tf.GradientTape() as tape:
        losses = token_cross_entropy(model(inputs), *model.decoder.output_weights(), targets, 0.0)
        loss = tf.reduce_sum(losses * real_tokens(targets))
    variables = [variable.value for variable in model.trainable_variables]
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert np.abs(gradient).max() > 1e-6, variable.name


@pytest.mark.parametrize(
    "settings",
    [{}, DOT, BOTH | {"decoder_layers": 2}, {"attention": "coverage"}, ABOVE | {"input_feeding": True}],
    ids=name,
)
def test_a_step_of_several_hypotheses_is_that_of_each(make_model, make_batch, settings):
    model = make_model(**settings)
    inputs, _ = make_batch([5, 2], [3, 3])
    source, state = model.start(inputs[SOURCE_IDS])
    wide = tree.map_structure(lambda part: ops.repeat(part, 3, axis=1), state)
    prefixes = np.array([[[2, 4], [2, 5], [2, 6]], [[2, 7], [2, 8], [2, 4]]])
    for t in range(2):
        logits, wide = model.stepper()(prefixes[:, :, t], source, wide)
    for k in range(3):
        narrow = state
        for t in range(2):
            expected, narrow = model.stepper()(prefixes[:, k : k + 1, t], source, narrow)
        np.testing.assert_allclose(logits[:, k : k + 1], expected, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, PLAIN, SUMMARY, BOTH], ids=name)
def test_where_the_source_enters(make_model, make_batch, settings):
    model = make_model(**settings)
    inputs, _ = make_batch([5, 2], [3, 3])
    source, state = model.start(inputs[SOURCE_IDS])
    assert (source.memory == ()) == (settings.get("attention") == "none")
    encoded = model.encoder(inputs[SOURCE_IDS])
    if settings.get("summary_at_every_step"):
        np.testing.assert_array_equal(source.summary, encoded.states[-1][0])
    else:
        assert source.summary == ()
    for found, expected in zip(state.layers[0], model.decoder.bridge(encoded.states)[0], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_tied_model_has_no_output_table(make_model):
    untied, tied = make_model(), make_model(tie_embeddings="two-way")
    assert untied.count_params() - tied.count_params() == 4 * 11
    assert not hasattr(tied.decoder, "output_table")


def test_one_table_serves_source_target_and_output(make_model):
    two_way, three_way = make_model(tie_embeddings="two-way"), make_model(tie_embeddings="three-way")
    assert three_way.encoder.embedding is three_way.decoder.embedding
    # The target's own table of 11 ids goes, and the output's bias grows from 11 to 13.
    assert two_way.count_params() - three_way.count_params() == 4 * 11 - 2


def test_tied_logits_are_products_with_the_embeddings(make_model, make_batch):
    model = make_model(tie_embeddings="two-way", attention="none")
    inputs, _ = make_batch([5], [1])
    source, state = model.start(inputs[SOURCE_IDS])
    logits, state = model.stepper()(np.array([[2]]), source, state)
    h = state.layers[0][0]
    decoder = model.decoder
    table = decoder.embedding.table.numpy()
    # Embeddings are 4 wide.
    seen = np.concatenate([h[0, 0], 2 * table[2]])
    expected = table @ decoder.readout([seen[None]])[0].numpy() + decoder.output_bias.numpy()
    np.testing.assert_allclose(without_never_chosen(logits[0, 0]), without_never_chosen(expected), atol=1e-5)


@pytest.mark.parametrize("settings", [{}, LINEAR, {"attention": "none", "decoder_layers": 2}], ids=str)
def test_dropout_drops_before_the_output_layer_in_training_alone(make_model, make_batch, settings):
    model = make_model(dropout=0.5, **settings)
    inputs, _ = make_batch([9] * 20, [9] * 20)
    np.testing.assert_array_equal(model(inputs), model(inputs))
    assert not (model(inputs).numpy() == 0).any()
    assert np.mean(model(inputs, training=True) == 0) == pytest.approx(0.5, abs=0.06)


def test_dropout_drops_before_every_layer_in_training_alone(make_model, make_batch, monkeypatch):
    model, seen = make_model(dropout=0.5, decoder_layers=2), []
    inputs, _ = make_batch([9] * 20, [9] * 20)
    call = Recurrence.call

    def noted(self, inputs, *arguments, **settings):
        seen.append(np.mean(inputs == 0))
        return call(self, inputs, *arguments, **settings)

    monkeypatch.setattr(Recurrence, "call", noted)
    for training, share in ((True, 0.5), (False, 0)):
        seen.clear()
        model(inputs, training=training)
        # Both directions of the encoder, and both layers of the decoder.
        assert seen == pytest.approx([share] * 4, abs=0.1)


@pytest.mark.parametrize("settings", [{}, {"input_feeding": True, "decoder_layers": 2}], ids=name)
def test_variational_dropout_drops_the_same_units_in_all_steps(make_model, make_batch, settings):
    inputs, _ = make_batch([9] * 20, [9] * 20)
    for variational in (False, True):
        model = make_model(dropout=0.5, variational_dropout=variational, **settings)
        dropped = model(inputs, training=True).numpy() == 0
        assert np.mean(dropped) == pytest.approx(0.5, abs=0.1)
        assert (dropped == dropped[:, :1]).all() == variational


def test_word_dropout_drops_whole_embeddings(make_model, make_batch):
    model = make_model(word_dropout=0.5)
    for side in (model.encoder, model.decoder):
        ids = np.full((20, 30) + (1,) * (side.leading_axes - 2), 4, "int32")
        for training, share in ((True, 0.5), (False, 0)):
            dropped = side.drop(side.embedding(ids), training).numpy() == 0
            assert (dropped == dropped[..., :1]).all()
            assert np.mean(dropped) == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize("settings", [{}, ABOVE], ids=name)
def test_weight_drop_drops_recurrent_weights_in_training_alone(make_model, make_batch, settings):
    model, inputs = make_model(weight_drop=0.5, **settings), make_batch([5, 2], [3, 6])[0]
    np.testing.assert_array_equal(model(inputs), model(inputs))
    drawn = [model(inputs, training=True) for _ in range(2)]
    assert not np.allclose(*drawn)


def test_steps_together_are_layers_one_after_the_other(make_model, make_batch):
    """Without what is fed, input feeding is another order of the same work."""
    settings = {"decoder_layers": 2, "residual": True, "context_to_all_layers": True}
    fed, plain = make_model(input_feeding=True, **settings), make_model(**settings)
    weights, width = fed.get_weights(), plain.decoder.embedding.units
    for at, (weight, twin) in enumerate(zip(fed.weights, plain.weights, strict=True)):
        if weight.shape != twin.shape:
            # The kernels of the lowest layer: what is fed stands after the embedding.
            assert weight.shape[0] == width + fed.decoder.readout.units and twin.shape[0] == width
            weights[at][width:] = 0
    fed.set_weights(weights)
    plain.set_weights(
        [weight[: twin.shape[0]] if twin.shape else weight for weight, twin in zip(weights, plain.weights, strict=True)]
    )
    inputs, _ = make_batch([5, 2, 4], [3, 6, 1])
    np.testing.assert_allclose(fed(inputs), plain(inputs), atol=1e-6)
