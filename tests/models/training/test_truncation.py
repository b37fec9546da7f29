import keras
import numpy as np
import pytest
import tensorflow as tf

from models.training.truncation import truncated_sum

PARTS = {
    "one layer": {},
    "notes and layers": {"attention": "coverage", "decoder_layers": 2, "residual": True},
    "fed": {"attention": "local", "attention_place": "above", "attention_query": "state", "input_feeding": True},
}


@pytest.mark.parametrize(
    ("steps", "every", "reach", "held", "carried"),
    [
        # A step's gradient counts the steps since its window began: 1 2 3, then 2 3 in each of two windows more.
        (7, 2, 3, 1 + 2 + 3 + 2 + 3 + 2 + 3, 3),
        (6, 2, 3, 1 + 2 + 3 + 2 + 3 + 2, 3),
        (5, 1, 1, 5, 1),
        (5, 2, 2, 1 + 2 + 1 + 2 + 1, 2),
        (3, 4, 8, 1 + 2 + 3, 3),
        (1, 2, 3, 1, 1),
    ],
)
@pytest.mark.parametrize("graph", [False, True])
def test_how_far_a_gradient_reaches(steps, every, reach, held, carried, graph):
    """h' = h + w + v, and each step gives h': after t steps the first h, and t times w + v."""
    v = keras.Variable(0.5)

    def run(w, h, rows):
        states = h + (w + v) * tf.cast(tf.range(1, tf.shape(rows)[0] + 1), tf.float32)
        return states[-1], states * tf.cast(rows, tf.float32)

    def gradients(rows):
        w, h = tf.constant(1.5), tf.constant(10.0)
        with tf.GradientTape() as tape:
            tape.watch((w, h))
            total = truncated_sum(run, [v], w, h, rows, every, reach)
        return total, tape.gradient(total, (w, v.value, h))

    if graph:
        gradients = tf.function(gradients, input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
    total, (of_w, of_v, of_h) = gradients(tf.ones(steps, tf.int32))
    assert float(total) == 10 * steps + 2 * sum(range(steps + 1))
    assert (float(of_w), float(of_v), float(of_h)) == (held, held, carried)


def loss_and_gradients(model, inputs, targets):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, targets, model(inputs, training=True))
    return loss, tape.gradient(loss, [variable.value for variable in model.trainable_variables])


@pytest.mark.parametrize("settings", PARTS.values(), ids=PARTS)
def test_a_long_reach_is_no_truncation(make_model, make_batch, settings):
    batch = make_batch([5, 2], [7, 4])
    settings = settings | {"dropout": 0.3}
    loss, wanted = loss_and_gradients(make_model(**settings), *batch)
    for every, reach in ((2, 7), (9, 9)):
        model = make_model(**settings, truncation={"every": every, "reach": reach})
        found_loss, found = loss_and_gradients(model, *batch)
        np.testing.assert_allclose(found_loss, loss, rtol=1e-5)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("own", [None, {"share": 1.0, "schedule": "linear", "steps": 1}], ids=["true", "own"])
def test_a_short_reach_keeps_the_loss_and_changes_the_gradient(make_model, make_batch, own):
    batch = make_batch([5, 2], [7, 4])
    models = [make_model(scheduled_sampling=own, truncation=each) for each in (None, {"every": 2, "reach": 3})]
    for model in models:
        if own:
            model.sampling.done.assign(1)
    (loss, whole), (found, cut) = (loss_and_gradients(model, *batch) for model in models)
    np.testing.assert_allclose(found, loss, rtol=1e-5)
    differences = [float(tf.reduce_max(tf.abs(one - other))) for one, other in zip(whole, cut, strict=True)]
    assert max(differences) > 1e-3
    # What stands behind the decoder has the same gradient.
    assert differences[-1] < 1e-6


@pytest.mark.slow
def test_it_learns_in_fit_and_is_saved(make_model, make_batch, tmp_path):
    model = make_model(cell="gru", encoder="unidirectional", truncation={"every": 2, "reach": 3}, dropout=0.1)
    model.compile(optimizer=keras.optimizers.Adam(0.01), jit_compile=False)
    # Else the graph is made twice, as the first one makes variables.
    model.optimizer.build(model.trainable_variables)
    inputs, targets = make_batch([4] * 8, [6] * 8)
    losses = model.fit(inputs, targets, batch_size=8, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.2
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert loaded.get_config() == model.get_config()
    assert (loaded.truncation.every, loaded.truncation.reach) == (2, 3)
