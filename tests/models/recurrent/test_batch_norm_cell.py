"""The LSTM that is normalized over the batch, against NumPy; what it does alone is in no other cell's tests."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.config import ModelConfig, Recipe, TrainingConfig
from models.recurrent.batch_norm_cell import BatchNormLSTMCell
from models.recurrent.recurrence import Recurrence
from pipeline.errors import UserError
from pipeline.schema import DECODER_INPUT_IDS, SOURCE_IDS

UNITS, INPUTS, STEPS = 3, 2, 4
LENGTHS = np.array([4, 1, 3, 4, 2])
NAME = "batch-norm-lstm"


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def made():
    keras.utils.set_random_seed(1)
    recurrence = Recurrence(NAME, UNITS, dtype="float64")
    recurrence.cell = BatchNormLSTMCell(dtype="float64")
    recurrence.build(INPUTS)
    draw = np.random.default_rng(2)
    for weight in recurrence.trainable_weights:
        weight.assign(weight + draw.normal(size=weight.shape, scale=0.3))
    return recurrence, draw.normal(size=(STEPS, len(LENGTHS), INPUTS)), draw.normal(size=(len(LENGTHS), UNITS))


def values_of(recurrence):
    return {weight.name: weight.numpy() for weight in (*recurrence.trainable_weights, *recurrence.cell.weights)}


def run(recurrence, inputs, h, **how):
    return recurrence(inputs, recurrence.first_state((h, tf.zeros_like(h))), **how)[0]


def normed(x, real, moments):
    """By mean and variance of the real rows, which are added to `moments`."""
    moments.append((x[real].mean(0), x[real].var(0)))
    return (x - moments[-1][0]) / np.sqrt(moments[-1][1] + 1e-5)


def defined(weights, inputs, h, lengths):
    """The outputs of a training, and of each step the real rows' means and variances."""
    c, outputs, found = np.zeros_like(h), [], []
    for t, x in enumerate(inputs):
        real, moments = t < lengths, []
        total = normed(x @ weights["kernel"], real, moments) * weights["input_gain"]
        total = total + normed(h @ weights["recurrent_kernel"], real, moments) * weights["recurrent_gain"]
        i, f, o, g = np.split(total + weights["bias"], 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(normed(c, real, moments) * weights["cell_gain"] + weights["cell_bias"])
        outputs.append(h)
        found.append([np.concatenate(kind) for kind in zip(*moments, strict=True)])
    return np.array(outputs), found


def is_real():
    return (np.arange(STEPS)[:, None] < LENGTHS)[..., None]


def test_a_training_goes_by_the_sentences_that_have_a_token():
    recurrence, inputs, h = made()
    states = run(recurrence, inputs, tf.constant(h), training=True, lengths=LENGTHS)
    wanted, _ = defined(values_of(recurrence), inputs, h, LENGTHS)
    np.testing.assert_allclose(states[0] * is_real(), wanted * is_real(), rtol=1e-6, atol=1e-9)


def test_its_gradient_is_that_of_finite_differences():
    recurrence, inputs, h = made()
    factors = np.random.default_rng(3).normal(size=(STEPS, len(LENGTHS), UNITS)) * is_real()
    weights, first = recurrence.trainable_weights, tf.constant(h)
    with tf.GradientTape() as tape:
        tape.watch(first)
        loss = tf.reduce_sum(run(recurrence, inputs, first, training=True, lengths=LENGTHS)[0] * factors)
    gradients = tape.gradient(loss, [first, *(weight.value for weight in weights)])
    values = values_of(recurrence)
    arrays = [h, *(values[weight.name] for weight in weights)]
    for array, gradient in zip(arrays, gradients, strict=True):
        for at in np.ndindex(array.shape):
            around = []
            for change in (1e-5, -1e-5):
                array[at] += change
                around.append((defined(values, inputs, h, LENGTHS)[0] * factors).sum())
                array[at] -= change
            assert gradient.numpy()[at] == pytest.approx((around[0] - around[1]) / 2e-5, rel=1e-4, abs=1e-6)


def test_what_trainings_leave_is_kept_for_each_step_by_the_count_of_sentences():
    recurrence, inputs, h = made()
    cell = recurrence.cell
    cell.momentum = 0.0
    _, moments = defined(values_of(recurrence), inputs, h, LENGTHS)
    run(recurrence, inputs, tf.constant(h), training=True, lengths=LENGTHS)
    for t, (means, variances) in enumerate(moments):
        count = (t < LENGTHS).sum()
        assert cell.counts[t] == count
        np.testing.assert_allclose(cell.sums[t] / count, means, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(cell.squares[t] / count, variances + means**2, rtol=1e-5, atol=1e-6)
    # Steps that none has reached are as they were.
    assert (cell.counts[STEPS:].numpy() == 1).all() and (cell.sums[STEPS:].numpy() == 0).all()


def test_it_then_goes_by_what_is_kept_however_few_sentences_there_are():
    recurrence, inputs, h = made()
    recurrence.cell.momentum = 0.0
    everyone = np.full(len(LENGTHS), STEPS)
    taught = run(recurrence, inputs, tf.constant(h), training=True, lengths=everyone)
    for rows in (slice(0, 5), slice(2, 3)):
        states = run(recurrence, inputs[:, rows], tf.constant(h[rows]))
        for found, wanted in zip(states, taught, strict=True):
            np.testing.assert_allclose(found, wanted[:, rows], rtol=1e-4, atol=1e-5)


def test_steps_beyond_the_last_share_what_is_kept(monkeypatch):
    monkeypatch.setattr(BatchNormLSTMCell, "steps", 2)
    monkeypatch.setattr(BatchNormLSTMCell, "momentum", 0.75)
    recurrence, inputs, h = made()
    run(recurrence, inputs, tf.constant(h), training=True, lengths=LENGTHS)
    # Of five, and of 4 + 3 + 2 sentences, a quarter, beside three quarters of one.
    np.testing.assert_allclose(recurrence.cell.counts[:, 0], [0.25 * 5 + 0.75, 0.25 * 9 + 0.75])
    assert np.isfinite(run(recurrence, inputs, tf.constant(h))[0]).all()


def test_padding_changes_no_loss_and_nothing_that_is_kept(make_model, make_batch):
    settings = {"cell": NAME, "encoder_layers": 2, "decoder_layers": 2}
    inputs, targets = make_batch([5, 2, 3], [3, 4, 2])
    longer = {name: np.pad(ids, [(0, 0), (0, 3)]) for name, ids in inputs.items()}, np.pad(targets, [(0, 0), (0, 3)])
    found = []
    for some, wanted in ((inputs, targets), longer):
        model = make_model(**settings)
        model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
        loss = model.train_on_batch(some, wanted, return_dict=True)["loss"]
        found.append([loss, *(weight.numpy() for weight in model.weights)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_teacher_forcing_and_the_step_of_search_count_alike(make_model, make_batch):
    model = make_model(cell=NAME)
    inputs, targets = make_batch([5, 2, 3], [3, 4, 2])
    model.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=False)
    for _ in range(3):
        model.train_on_batch(inputs, targets)
    logits = model.logits(model(inputs))
    source, state = model.start(inputs[SOURCE_IDS])
    step = model.stepper()
    for t in range(4):
        found, state = step(inputs[DECODER_INPUT_IDS][:, t : t + 1], source, state)
        chosen = found[:, 0] > -np.inf
        np.testing.assert_allclose(found[:, 0][chosen], logits[:, t][chosen], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "training",
    [{"own_tokens": 0.5}, {"truncation_every": 2, "truncation_reach": 2}, {"refinement_samples": 2}],
    ids=str,
)
def test_where_layers_take_one_step_together_it_is_refused(training):
    expected = "model.cell: expected another beside"
    with pytest.raises(UserError, match=expected):
        Recipe(model=ModelConfig(cell=NAME), training=TrainingConfig(**training))
    with pytest.raises(UserError, match=r"model\.cell: expected another with attention above or model\.input_feeding"):
        ModelConfig(cell=NAME, input_feeding=True)
