import keras
import numpy as np
import pytest

from models.training.scheduled_sampling import ScheduledSampling, own_share
from pipeline.schema import DECODER_INPUT_IDS, SOURCE_IDS, START_ID


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [0, 0.5, 1]),
        # 1 - 0.01 ** 0.5 = 0.9.
        ("exponential", [0, 0.9 / 0.99, 1]),
        # 1 / (1 + e ** 5) = 0.0066929.
        ("inverse-sigmoid", [0.0066929, 0.5, 0.9933071]),
    ],
)
def test_schedules(schedule, expected):
    np.testing.assert_allclose(own_share(np.array([0, 0.5, 1], "float32"), schedule), expected, rtol=1e-4, atol=1e-6)


def test_the_share_rises_step_by_step_and_spares_start():
    keras.utils.set_random_seed(1)
    sampling = ScheduledSampling(0.5, "linear", steps=2)
    sampling.build()
    for share in (0, 0.25, 0.5, 0.5):
        own = sampling(np.zeros((40, 51), "int32")).numpy()
        assert own.shape == (51, 40, 1, 1)
        assert not own[0].any()
        assert np.mean(own[1:]) == pytest.approx(share, abs=0.03)
    assert float(sampling.done) == 4


def test_own_tokens_alone_are_greedy_search(make_model, make_batch):
    model = make_model()
    inputs, _ = make_batch([5, 2], [6, 6])
    source, state = model.start(inputs[SOURCE_IDS])
    own = np.ones((6, 2, 1, 1), bool)
    own[0] = False
    hidden = model.decoder(inputs[DECODER_INPUT_IDS], source, state, own=own)
    last, step = np.full((2, 1), START_ID), model.stepper()
    for t in range(6):
        logits, state = step(last, source, state)
        np.testing.assert_allclose(model.logits(hidden)[:, t, 3:], logits[:, 0, 3:], atol=1e-5)
        last = np.argmax(logits, axis=-1)


def test_true_tokens_alone_are_teacher_forcing(make_model, make_batch):
    model = make_model(decoder_layers=2, residual=True)
    inputs, _ = make_batch([5, 2], [6, 3])
    source, state = model.start(inputs[SOURCE_IDS])
    hidden = model.decoder(inputs[DECODER_INPUT_IDS], source, state, own=np.zeros((6, 2, 1, 1), bool))
    np.testing.assert_allclose(hidden, model(inputs), atol=1e-6)


def test_a_model_samples_in_training_alone_and_is_saved_with_its_place(make_model, make_batch, tmp_path):
    inputs, targets = make_batch([5] * 8, [6] * 8)
    model = make_model(scheduled_sampling={"share": 1.0, "schedule": "linear", "steps": 4})
    plain = make_model()
    for weight, twin in zip(model.trainable_variables, plain.trainable_variables, strict=True):
        twin.assign(weight)
    np.testing.assert_array_equal(model(inputs), plain(inputs))
    model.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=False)
    model.fit(inputs, targets, batch_size=4, epochs=2, verbose=0)
    assert float(model.sampling.done) == 4
    assert not np.allclose(model(inputs, training=True), model(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert loaded.get_config() == model.get_config()
    assert float(loaded.sampling.done) == 5
