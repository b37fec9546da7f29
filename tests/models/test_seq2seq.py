import keras
import numpy as np
import pytest
import tensorflow as tf

from models.seq2seq import Seq2Seq
from pipeline.schema import DECODER_INPUT_IDS, SOURCE_IDS

KINDS = {
    "plain": {"encoder": "unidirectional", "attention": "none"},
    "every-step": {
        "cell": "gru",
        "attention": "none",
        "bridge": "zero",
        "summary_at_every_step": True,
        "decoder_layers": 2,
    },
    "attention": {"tie_embeddings": "three-way"},
    "dot": {"attention": "dot", "decoder_units": 6, "decoder_layers": 2},
    "input feeding": {
        "attention": "scaled-dot",
        "attention_place": "above",
        "attention_query": "state",
        "decoder_units": 6,
        "decoder_layers": 2,
        "input_feeding": True,
        "readout": "tanh",
    },
    "coverage": {"attention": "coverage", "cell": "gru-reset-before", "encoder_layers": 2, "residual": True},
    "general": {"attention": "general", "attention_query": "state", "cell": "gru"},
}
every_kind = pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)


@every_kind
def test_saved_and_loaded(make_model, make_batch, tmp_path, settings):
    model = make_model(**settings, label_smoothing=0.1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert loaded.get_config() == model.get_config()
    inputs, targets = make_batch([5, 2], [3, 4])
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
    for training in (False, True):
        losses = [each.compute_loss(inputs, targets, each(inputs), training=training) for each in (loaded, model)]
        assert losses[0] == losses[1]


@every_kind
def test_made_from_its_config(make_model, settings):
    model = make_model(**settings)
    twin = Seq2Seq.from_config(model.get_config())
    twin.build()
    assert [weight.shape for weight in twin.weights] == [weight.shape for weight in model.weights]
    assert twin.config == model.config


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["attention", "every-step", "input feeding"])
def test_fit_learns_to_copy(make_model, make_batch, kind):
    sizes = {"encoder_units": 32, "decoder_units": 32, "embedding_size": 16, "readout_units": 16}
    model = make_model(**KINDS[kind] | sizes | {"encoder": "unidirectional"})
    model.compile(optimizer=keras.optimizers.Adam(0.02), jit_compile=False)
    # Else the graph is made twice, as the first one makes variables.
    model.optimizer.build(model.trainable_variables)
    inputs, targets = make_batch([4] * 16, [4] * 16)
    inputs[SOURCE_IDS] = targets
    history = model.fit(inputs, targets, batch_size=16, epochs=30, verbose=0).history["loss"]
    # Of 7 tokens that are as likely and an END that is certain, a mean of 3/4 ln 7 = 1.46 nats is known beforehand.
    assert history[0] > 1.8
    assert history[-1] < 1.0


def plain_losses(model, inputs, targets):
    """Cross-entropy of each real token, by NumPy."""
    logits = model.logits(model(inputs)).numpy().astype("float64")
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    losses = -np.take_along_axis(log_probs, targets[..., None], -1)[..., 0]
    return losses[targets != 0]


@every_kind
def test_the_loss_is_a_mean_over_real_tokens(make_model, make_batch, settings):
    model = make_model(**settings)
    inputs, targets = make_batch([5, 2, 3], [2, 7, 4])
    loss = model.compute_loss(inputs, targets, model(inputs))
    np.testing.assert_allclose(loss, plain_losses(model, inputs, targets).mean(), rtol=1e-5)


@every_kind
def test_padding_and_company_do_not_change_the_loss(make_model, make_batch, settings):
    model = make_model(**settings)
    lengths = [5, 2, 3], [2, 7, 4]
    inputs, targets = make_batch(*lengths)
    loss = model.compute_loss(inputs, targets, model(inputs))
    wide = {name: np.pad(ids, ((0, 0), (0, 3))) for name, ids in inputs.items()}
    wide_targets = np.pad(targets, ((0, 0), (0, 3)))
    np.testing.assert_allclose(model.compute_loss(wide, wide_targets, model(wide)), loss, rtol=1e-5)
    total = 0.0
    for row, (source, target) in enumerate(zip(*lengths, strict=True)):
        alone = {
            SOURCE_IDS: inputs[SOURCE_IDS][row : row + 1, :source],
            DECODER_INPUT_IDS: inputs[DECODER_INPUT_IDS][row : row + 1, :target],
        }
        total += target * float(model.compute_loss(alone, targets[row : row + 1, :target], model(alone)))
    np.testing.assert_allclose(total / 13, loss, rtol=1e-5)


def test_an_epoch_counts_tokens_not_batches(make_model, make_batch):
    model = make_model(label_smoothing=0.3)
    model.compile(run_eagerly=True)
    batches = [make_batch([5, 2], [2, 9]), make_batch([3], [2], seed=1)]
    losses = np.concatenate([plain_losses(model, *batch) for batch in batches])
    assert abs(losses.mean() - np.mean([plain_losses(model, *batch).mean() for batch in batches])) > 1e-3
    shape = tf.TensorSpec([None, None], tf.int32)
    data = tf.data.Dataset.from_generator(
        lambda: iter(batches), output_signature=({SOURCE_IDS: shape, DECODER_INPUT_IDS: shape}, shape)
    ).apply(tf.data.experimental.assert_cardinality(2))
    # Validation has no smoothing, and the metrics start anew.
    for _ in range(2):
        figures = model.evaluate(data, verbose=0, return_dict=True)
        np.testing.assert_allclose(figures["loss"], losses.mean(), rtol=1e-5)
        assert (figures["source_tokens"], figures["target_tokens"]) == (5 + 2 + 3, 2 + 9 + 2)


@pytest.mark.parametrize("name", ["label_smoothing", "z_loss"])
def test_what_is_added_to_the_loss_is_for_training_alone(make_model, make_batch, name):
    inputs, targets = make_batch([5, 2], [2, 4])
    smooth, sharp = make_model(**{name: 0.3}), make_model()
    hidden = sharp(inputs)
    expected = sharp.compute_loss(inputs, targets, hidden)
    assert smooth.compute_loss(inputs, targets, hidden, training=False) == expected
    assert abs(smooth.compute_loss(inputs, targets, hidden) - expected) > 1e-4


def test_layers_are_made_from_their_configs(make_model):
    model = make_model(decoder_layers=2)
    for layer in (model.encoder, model.decoder):
        twin = type(layer).from_config(layer.get_config())
        twin.build()
        assert twin.get_config() == layer.get_config()
        assert [weight.shape for weight in twin.weights] == [weight.shape for weight in layer.weights]


def test_compilations_are_counted(make_model, make_batch):
    """On TensorFlow, a second shape makes the graph one of any shape."""
    model, found = make_model(**KINDS["plain"]), []
    model.compile(optimizer="sgd")
    for lengths in (([5, 2], [3, 4]), ([5, 2], [3, 4]), ([3, 2], [2, 2]), ([7, 2], [2, 6])):
        model.train_on_batch(*make_batch(*lengths))
        found.append(model.compilations)
    assert found == [1, 1, 2, 2]


@pytest.mark.parametrize("attention", ["none", "additive", "scaled-dot", "general", "multi-head", "local", "coverage"])
def test_rows_of_padding_that_fill_a_batch_up_change_nothing(make_model, make_batch, attention):
    sizes = {"attention_units": 4, "attention_heads": 2} if attention == "multi-head" else {}
    model = make_model(attention=attention, decoder_units=6, **sizes)
    whole, found = make_batch([5, 2], [3, 4]), []
    filled = keras.tree.map_structure(lambda ids: np.pad(ids, ((0, 2), (0, 0))), whole)
    for inputs, targets in (whole, filled):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(inputs, targets, model(inputs, training=True))
        found.append([loss, *tape.gradient(loss, model.trainable_variables)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
