import dataclasses

import pytest

from models.config import BatchingConfig, DecodingConfig, ModelConfig, Recipe, TrainingConfig
from pipeline.errors import UserError

SECTIONS = {
    "batching": BatchingConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
    "decoding": DecodingConfig,
}
ABOVE = {"attention_place": "above", "attention_query": "state"}
MISTAKES = [
    ("batching.unit", "words"),
    ("batching.size", 0),
    ("batching.max_source_length", 0),
    ("batching.max_target_length", 0),
    ("batching.shuffle_buffer", 0),
    ("batching.bucket_width", -1),
    ("batching.subword_regularization", -0.1),
    ("batching.subword_regularization", 1.1),
    ("batching.regularized_sides", "neither"),
    ("model.cell", "rnn"),
    ("model.encoder", "both"),
    ("model.attention", "both"),
    ("model.attention_query", "word"),
    ("model.readout", "wide"),
    ("model.tie_embeddings", "all"),
    ("model.encoder_units", 0),
    ("model.encoder_layers", 0),
    ("model.decoder_units", -1),
    ("model.decoder_layers", 0),
    ("model.embedding_size", 0),
    ("model.attention_units", 0),
    ("model.readout_units", 0),
    ("model.dropout", 1.0),
    ("model.dropout", -0.1),
    # Two directions cannot share an odd width; the default encoder has two.
    ("model.encoder_units", 511),
    # The default attention gives a context at every step already.
    ("model.summary_at_every_step", True),
    # It has one layer on either side.
    ("model.residual", True),
    ("model.context_to_all_layers", True),
    # The default query holds the input.
    ("model.attention_place", "above"),
    ("model.attention_place", "below"),
    ("model.attention_heads", 0),
    ("model.attention_window", 0),
    ("model.recurrent_initializer", "zeros"),
    ("model.encoder_merge", "product"),
    ("model.source_order", "sorted"),
    ("model.bridge", "none"),
    ("model.word_dropout", 1.0),
    ("model.weight_drop", 1.0),
    ("model.gradient_norm_penalty", -1.0),
    # The default cell has a state of two parts.
    ("model.gradient_norm_penalty", 0.5),
    ("training.average_momentum", 1.0),
    ("training.optimizer", "adamw"),
    ("training.momentum", 1.0),
    # The default optimizer has none, and the default schedule none of these.
    ("training.momentum", 0.9),
    ("training.halve_after", 8),
    ("training.halve_every", 8),
    ("training.plateau_epochs", 2),
    ("training.weight_decay", -0.1),
    ("training.clip_value", -0.1),
    # The default clips the norm.
    ("training.clip_value", 0.5),
    ("training.accumulation", 0),
    ("training.checkpoint_every", -1),
    ("training.keep", -1),
    ("training.truncation_every", -1),
    # Not as far as the default of no truncation would have it.
    ("training.truncation_reach", 4),
    ("training.refinement_samples", 1),
    ("training.refinement_likelihood", -0.1),
    ("training.schedule", "linear"),
    ("training.best_by", "chrf"),
    ("training.epochs", 0),
    ("training.learning_rate", 0.0),
    ("training.clip_norm", -1.0),
    ("training.label_smoothing", 1.0),
    ("training.label_smoothing", -0.1),
    ("training.z_loss", -0.1),
    ("training.own_tokens", 1.1),
    ("training.own_tokens_schedule", "cosine"),
    ("training.warmup_steps", -1),
    ("training.seed", -1),
    ("training.distribution", "all"),
    ("training.precision", "float8"),
    ("training.seed", 2**32),
    ("training.patience", -1),
    ("decoding.beam_size", 0),
    ("decoding.lookahead", 0),
    ("decoding.temperature", -0.1),
    ("decoding.top_k", -1),
    ("decoding.top_p", 0.0),
    ("decoding.top_p", 1.1),
    ("decoding.coverage_penalty", -0.1),
    ("decoding.min_length", -1),
    ("decoding.min_length", 210),
    ("decoding.no_repeat_ngram", -1),
    ("decoding.max_beam_size", 0),
    ("decoding.seed", -1),
    ("decoding.seed", 2**32),
    ("decoding.shortlist", -1),
    ("decoding.max_length_offset", 0),
    ("decoding.max_text_pieces", 0),
    ("decoding.max_source_length", 1),
    ("decoding.length_penalty", -0.1),
    ("decoding.max_length_factor", -1.0),
]


@pytest.mark.parametrize(("setting", "value"), MISTAKES, ids=str)
def test_a_mistake_is_named(setting, value):
    section, name = setting.split(".")
    with pytest.raises(UserError) as error:
        SECTIONS[section](**{name: value})
    message = str(error.value)
    assert message.startswith(f"{setting}: expected ")
    assert f"received {value!r}; change the recipe or override --{setting}" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("setting", "settings"),
    [
        ("truncation_reach", {"truncation_every": 4, "truncation_reach": 3}),
        ("refinement_samples", {"truncation_every": 4, "truncation_reach": 4, "refinement_samples": 2}),
        ("source_vectors", {"start_from": "RUN", "source_vectors": "FILE"}),
        ("target_vectors", {"start_from": "RUN", "target_vectors": "FILE"}),
        ("warmup_steps", {"schedule": "inverse-sqrt"}),
        ("warmup_steps", {"schedule": "plateau", "plateau_epochs": 1, "warmup_steps": 10}),
        ("halve_every", {"schedule": "halving"}),
        ("halve_after", {"schedule": "halving", "halve_every": 1, "halve_after": 4, "warmup_steps": 5}),
        ("plateau_epochs", {"schedule": "plateau"}),
    ],
    ids=str,
)
def test_ways_of_training_that_do_not_fit_are_named(setting, settings):
    with pytest.raises(UserError, match=rf"^training\.{setting}: expected "):
        TrainingConfig(**settings)


@pytest.mark.parametrize(
    ("setting", "model", "training"),
    [
        ("gradient_norm_penalty", {"cell": "gru", "gradient_norm_penalty": 0.5}, {"own_tokens": 0.5}),
        ("weight_drop", {"weight_drop": 0.5}, {"truncation_every": 4, "truncation_reach": 4}),
    ],
    ids=str,
)
def test_a_model_that_cannot_be_trained_in_a_way_is_named(setting, model, training):
    sections = ModelConfig(**model), TrainingConfig(**training)
    with pytest.raises(UserError, match=rf"^model\.{setting}: expected 0 "):
        Recipe(model=sections[0], training=sections[1])


def test_without_attention_there_is_no_coverage():
    model, decoding = ModelConfig(attention="none"), DecodingConfig(coverage_penalty=0.2)
    with pytest.raises(UserError, match=r"^decoding\.coverage_penalty: expected 0 without attention, received 0\.2"):
        Recipe(model=model, decoding=decoding)


def test_one_table_starts_from_one_file():
    model, training = ModelConfig(tie_embeddings="three-way"), TrainingConfig(target_vectors="FILE")
    with pytest.raises(UserError, match=r"^training\.target_vectors: expected training\.source_vectors for "):
        Recipe(model=model, training=training)


@pytest.mark.parametrize("settings", [{"readout": "linear"}, {"readout_units": 255}], ids=str)
def test_tied_embeddings_need_a_readout_of_their_width(settings):
    with pytest.raises(UserError, match=r"^model\.tie_embeddings: expected none, or a model\.readout .* received"):
        ModelConfig(tie_embeddings="two-way", **settings)


def test_a_dot_product_needs_one_width():
    with pytest.raises(UserError, match=r"^model\.decoder_units: expected 6, as model\.encoder_units, .* received 5;"):
        ModelConfig(attention="dot", encoder_units=6, decoder_units=5)


@pytest.mark.parametrize(
    ("setting", "settings"),
    [
        ("decoder_units", {"bridge": "copy", "encoder_units": 6, "decoder_units": 5}),
        ("decoder_units", {"attention": "scaled-dot", "encoder_units": 6, "decoder_units": 5}),
        ("decoder_layers", {"bridge": "copy", "encoder_layers": 2}),
        ("attention_heads", {"attention": "multi-head", "attention_heads": 3}),
        ("encoder_units", {"cell": "unitary", "encoder_units": 6}),
        ("decoder_units", {"cell": "unitary", "decoder_units": 5}),
        ("encoder_units", {"cell": "scrn", "encoder_units": 2, "decoder_units": 2}),
        ("recurrent_initializer", {"cell": "unitary", "recurrent_initializer": "identity"}),
        ("weight_drop", {"cell": "gru-reset-before", "weight_drop": 0.1}),
        ("encoder_merge", {"encoder": "unidirectional", "encoder_merge": "sum"}),
        ("residual", {"residual": True}),
        ("variational_dropout", {"variational_dropout": True, "dropout": 0.0}),
        ("context_to_all_layers", {"context_to_all_layers": True}),
        ("bridge", {"attention": "none", "bridge": "zero"}),
        ("attention_place", {"attention": "none", "attention_place": "above", "attention_query": "state"}),
        ("context_to_all_layers", {"attention": "none", "context_to_all_layers": True, "decoder_layers": 2}),
        ("context_to_all_layers", ABOVE | {"context_to_all_layers": True, "decoder_layers": 2}),
        ("gradient_norm_penalty", ABOVE | {"cell": "gru", "gradient_norm_penalty": 0.5}),
        ("gradient_norm_penalty", {"cell": "gru", "attention": "coverage", "gradient_norm_penalty": 0.5}),
        ("gradient_norm_penalty", {"cell": "gru", "input_feeding": True, "gradient_norm_penalty": 0.5}),
    ],
    ids=str,
)
def test_parts_that_do_not_fit_are_named(setting, settings):
    with pytest.raises(UserError, match=rf"^model\.{setting}: expected "):
        ModelConfig(**settings)


def test_what_is_just_allowed():
    ModelConfig(attention="dot", encoder_units=6, decoder_units=6)
    ModelConfig(attention="general", encoder_units=6, decoder_units=5)
    ModelConfig(encoder="unidirectional", encoder_units=511, tie_embeddings="two-way", dropout=0.0)
    ModelConfig(attention="none", bridge="zero", summary_at_every_step=True)
    ModelConfig(bridge="zero", attention_place="above", attention_query="state", input_feeding=True)
    ModelConfig(cell="unitary", encoder_units=8, decoder_units=2)
    ModelConfig(encoder_units=511, encoder_merge="sum")
    ModelConfig(cell="gru", attention="dot", gradient_norm_penalty=0.5)
    TrainingConfig(label_smoothing=0.0, seed=0, patience=0, warmup_steps=0)
    TrainingConfig(truncation_every=4, truncation_reach=4)
    DecodingConfig(beam_size=1, length_penalty=0.0, max_length_factor=0.0, max_source_length=2)


def test_every_setting_but_the_free_ones_is_checked():
    settings = {f"{section}.{field.name}" for section, kind in SECTIONS.items() for field in dataclasses.fields(kind)}
    free = {"model.forget_bias", "model.readout_reads_input", "model.input_feeding", "model.variational_dropout"}
    free |= {"training.start_from", "training.source_vectors", "training.target_vectors", "decoding.split_sentences"}
    assert settings - {setting for setting, _ in MISTAKES} == free


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().model.cell = "gru"  # type: ignore[misc]
