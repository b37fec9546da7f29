import numpy as np
import pytest

from models.training.checkpoint import Checkpoint, Progress, restore
from models.training.optimizers import Adam
from pipeline.errors import UserError


def with_model(callback, model):
    callback.set_model(model)
    return callback


def trainable(make_model, **settings):
    model = make_model(dropout=0.5, attention="none", **settings)
    model.compile(optimizer=Adam(0.05, global_clipnorm=1.0), run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    return model


def test_a_restored_model_goes_on_as_if_nothing_had_happened(make_model, make_batch, tmp_path):
    inputs, targets = make_batch([5, 2], [3, 4])
    model, progress = trainable(make_model), Progress(best=12.5, best_epoch=3)
    model.train_on_batch(inputs, targets)
    with_model(Checkpoint(tmp_path, progress), model).on_epoch_end(6)
    expected = [model.train_on_batch(inputs, targets) for _ in range(2)]
    other = trainable(make_model)
    assert restore(tmp_path, other) == Progress(epoch=7, best=12.5, best_epoch=3) == progress
    assert [other.train_on_batch(inputs, targets) for _ in range(2)] == expected
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_no_checkpoint_changes_nothing(make_model, tmp_path):
    model = trainable(make_model)
    before = model.get_weights()
    assert restore(tmp_path, model) == Progress()
    for weight, wanted in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, wanted)


@pytest.mark.parametrize(
    ("settings", "differing"),
    [({"decoder_units": 4}, "model/"), ({"decoder_layers": 2}, "model/"), ({"encoder": "unidirectional"}, "model/")],
)
def test_a_checkpoint_of_another_model(make_model, tmp_path, settings, differing):
    model = trainable(make_model)
    with_model(Checkpoint(tmp_path, Progress()), model).on_epoch_end(0)
    with pytest.raises(UserError, match=rf"^--resume: expected the settings that .*\(they differ at {differing}"):
        restore(tmp_path, trainable(make_model, **settings))
