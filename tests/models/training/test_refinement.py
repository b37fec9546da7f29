import keras
import numpy as np
import pytest
import tensorflow as tf

from models.decoding.sampling import sample
from models.training.refinement import BEYOND, Refinement, log_probabilities
from models.training.sentence_bleu import sentence_bleu
from pipeline.schema import DECODER_INPUT_IDS, END_ID, PAD_ID, SOURCE_IDS, START_ID

KINDS = {"plain": {}, "noting": {"attention": "coverage", "input_feeding": True, "decoder_layers": 2}}


@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)
def test_log_probabilities_are_those_of_teacher_forcing(make_model, make_batch, settings):
    model = make_model(**settings)
    inputs, _ = make_batch([5, 2], [1, 1])
    ids = np.array([[[4, 5, END_ID], [END_ID, PAD_ID, PAD_ID]], [[6, END_ID, PAD_ID], [7, 7, 7]]], "int32")
    found = log_probabilities(model.decoder, *model.start(inputs[SOURCE_IDS]), ids)
    for row, number in np.ndindex(2, 2):
        words = ids[row, number][ids[row, number] != PAD_ID]
        one = {SOURCE_IDS: inputs[SOURCE_IDS][[row]], DECODER_INPUT_IDS: np.array([[START_ID, *words[:-1]]])}
        log_probs = tf.nn.log_softmax(model.logits(model(one)))[0].numpy()
        total = sum(log_probs[at, word] for at, word in enumerate(words))
        assert float(tf.reduce_sum(found[row, number])) == pytest.approx(total, rel=1e-4)
        assert not found[row, number][len(words) :].numpy().any()


def test_the_loss_is_that_of_the_rewards_above_their_mean(make_model, make_batch):
    model = make_model()
    inputs, targets = make_batch([5, 2], [6, 4])
    started = model.start(inputs[SOURCE_IDS])
    refinement = Refinement(samples=3, likelihood=0.5)
    state = refinement.seeds.state.numpy()
    found = float(refinement(*started, targets, decoder=model.decoder))
    refinement.seeds.state.assign(state)
    uniforms = keras.random.uniform((2, 3, 6 + BEYOND), seed=refinement.seeds)
    ids = sample(model.stepper(), *started, np.full(2, 6 + BEYOND, "int32"), 6 + BEYOND, uniforms).ids
    rewards = sentence_bleu(ids, targets).numpy()
    assert np.ptp(rewards) > 0
    # At the last place nothing but END can stand.
    log_probs = log_probabilities(model.decoder, *started, ids).numpy()[..., :-1].sum(-1)
    wanted = -sum((rewards[row] - rewards[row].mean()) @ log_probs[row] for row in range(2)) / 3
    assert found == pytest.approx(wanted, rel=1e-4)


def test_the_likelihood_has_its_share(make_model, make_batch):
    inputs, targets = make_batch([5, 2], [6, 4])
    losses = []
    for likelihood in (0.0, 2.0):
        model = make_model(refinement={"samples": 2, "likelihood": likelihood})
        model.refinement.seeds.state.assign([1, 2])
        losses.append(float(model.compute_loss(inputs, targets, model(inputs, training=True))))
    plain = make_model()
    for weight, value in zip(plain.trainable_variables, model.trainable_variables, strict=True):
        weight.assign(value)
    assert losses[1] - losses[0] == pytest.approx(2 * float(plain.compute_loss(inputs, targets, plain(inputs))), 1e-4)
    # Validation has the likelihood alone.
    loss = model.compute_loss(inputs, targets, model(inputs), training=False)
    assert float(loss) == pytest.approx(float(plain.compute_loss(inputs, targets, plain(inputs))), rel=1e-5)


@pytest.mark.slow
def test_what_is_drawn_gets_better(make_model, make_batch, tmp_path):
    """A model that has half learned to copy says the right thing more often after the second phase."""
    sizes = {"encoder_units": 32, "decoder_units": 32, "embedding_size": 16, "readout_units": 16}
    settings = sizes | {"cell": "gru", "encoder": "unidirectional"}
    inputs, targets = make_batch([4] * 64, [4] * 64)
    inputs[SOURCE_IDS] = targets

    def reward(model):
        uniforms = np.random.default_rng(1).uniform(size=(64, 8, 6)).astype("float32")
        limits = np.full(64, 6, "int32")
        ids = sample(model.stepper(), *model.start(inputs[SOURCE_IDS]), limits, 6, uniforms).ids
        return float(tf.reduce_mean(sentence_bleu(ids, targets)))

    def fit(model, rate, epochs):
        model.compile(optimizer=keras.optimizers.Adam(rate), jit_compile=False)
        # Else the graph is made twice, as the first one makes variables.
        model.optimizer.build(model.trainable_variables)
        model.fit(inputs, targets, batch_size=16, epochs=epochs, verbose=0)

    first = make_model(**settings)
    fit(first, 0.01, epochs=5)
    second = make_model(**settings, refinement={"samples": 6, "likelihood": 0.0})
    for weight, value in zip(second.trainable_variables, first.trainable_variables, strict=True):
        weight.assign(value)
    before = reward(second)
    fit(second, 0.003, epochs=8)
    assert reward(second) > before + 0.05
    second.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert loaded.get_config() == second.get_config()
