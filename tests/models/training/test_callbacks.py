import json
import math
import types

import keras
import numpy as np
import pytest

from models.run import MODEL_FILE, load_model
from models.training.callbacks import (
    BestModel,
    Figures,
    FiniteLoss,
    HalveOnPlateau,
    MetricsLog,
)
from models.training.checkpoint import Progress
from models.training.optimizers import SGD
from pipeline.errors import UserError


def with_model(callback, model):
    callback.set_model(model)
    return callback


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_names_the_last_good_checkpoint(tmp_path, loss):
    callback = FiniteLoss(tmp_path, Progress(epoch=4))
    callback.on_train_batch_end(0, {"loss": 1.5})
    with pytest.raises(UserError) as error:
        callback.on_train_batch_end(6, {"loss": loss})
    message = str(error.value)
    assert message.startswith(f"training: expected a finite loss, received {loss} in epoch 5, batch 7; ")
    assert message.endswith(f"(last good checkpoint: {tmp_path / 'checkpoint.npz'} holds epoch 4)")


def test_a_validation_loss_that_is_not_finite(tmp_path):
    callback = FiniteLoss(tmp_path, Progress(epoch=4))
    callback.on_epoch_end(4, {"loss": 1.0, "val_loss": 1.5})
    with pytest.raises(UserError, match=r"received nan in the validation of epoch 5; .* holds epoch 4\)$"):
        callback.on_epoch_end(4, {"loss": 1.0, "val_loss": math.nan})


def test_a_loss_that_is_not_finite_in_the_first_epoch(tmp_path):
    with pytest.raises(UserError, match=r"\(last good checkpoint: there is none yet\)$"):
        FiniteLoss(tmp_path, Progress()).on_train_batch_end(0, {"loss": math.nan})


# The best epoch by BLEU is the second, by loss the third.
EPOCHS = [(2.0, 10.0), (1.5, 30.0), (1.2, 29.0), (1.3, 30.0), (1.4, 28.0)]


@pytest.mark.parametrize(
    ("best_by", "patience", "best_epoch", "best", "stops_after"),
    [
        ("bleu", 0, 2, 30.0, None),
        ("loss", 0, 3, -1.2, None),
        ("bleu", 1, 2, 30.0, 3),
        ("bleu", 3, 2, 30.0, 5),
        ("loss", 2, 3, -1.2, 5),
        ("loss", 3, 3, -1.2, None),
    ],
)
def test_the_best_epoch_and_patience(make_model, tmp_path, best_by, patience, best_epoch, best, stops_after):
    model, progress = make_model(attention="none"), Progress()
    model.stop_training = False
    callback = with_model(BestModel(tmp_path, progress, best_by, patience), model)
    for epoch, (loss, bleu) in enumerate(EPOCHS):
        model.decoder.output_bias.assign([epoch + 1.0] * 11)
        callback.on_epoch_end(epoch, {"val_loss": loss, "val_bleu": bleu})
        assert model.stop_training == (epoch + 1 == stops_after)
        if model.stop_training:
            break
    assert (progress.best_epoch, progress.best) == (best_epoch, best)
    assert load_model(tmp_path).decoder.output_bias.numpy().tolist() == [best_epoch] * 11
    assert [path.name for path in tmp_path.iterdir()] == [MODEL_FILE]


def test_metrics_after_the_checkpoint_are_taken_back(tmp_path):
    log = MetricsLog(tmp_path, Progress())
    for epoch in range(3):
        log.on_epoch_end(epoch, {"val_loss": np.float32(2.5), "loss": 3.0})
    log = MetricsLog(tmp_path, Progress(epoch=2))
    log.on_epoch_end(2, {"loss": 1.0})
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    whole = {"loss": 3.0, "val_loss": 2.5}
    assert rows == [{"epoch": 1, **whole}, {"epoch": 2, **whole}, {"epoch": 3, "loss": 1.0}]


def test_figures_are_of_training_alone(monkeypatch):
    clock = iter([100.0, 101.0, 104.0, 110.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    # Of this epoch, a second is over already.
    callback, optimizer = Figures(Progress(step=3, seconds=1.0), 4), SGD(0.5)
    optimizer.build([keras.Variable([0.0, 0.0])])
    optimizer.apply([keras.ops.convert_to_tensor([3.0, 4.0])])
    with_model(callback, types.SimpleNamespace(optimizer=optimizer, compilations=3))
    logs = {"loss": 0.0, "val_loss": np.log(3.0), "source_tokens": 160.0, "target_tokens": 40.0}
    logs |= {"val_source_tokens": 50.0, "val_target_tokens": 7.0}
    callback.on_epoch_begin(0)
    for batch in range(2):
        callback.on_train_batch_end(batch)
    callback.on_epoch_end(1, logs)
    assert logs == {
        "loss": 0.0,
        "val_loss": np.log(3.0),
        "perplexity": 1.0,
        "val_perplexity": pytest.approx(3.0),
        "source_tokens_per_second": 32.0,
        "target_tokens_per_second": 8.0,
        "tokens_per_second": 40.0,
        "compilations": 3,
        "learning_rate": 0.5,
        "gradient_norm": 5.0,
        "seconds": 11.0,
        "seconds_left": 22.0,
    }


def test_the_step_size_is_halved_when_nothing_gets_better():
    optimizer, progress = SGD(0.8), Progress()
    callback = with_model(HalveOnPlateau(progress, 2), types.SimpleNamespace(optimizer=optimizer))
    found = []
    # The best epochs are the first and the fourth.
    for epoch, best_epoch in enumerate([1, 1, 1, 4, 4, 4, 4, 4]):
        progress.best_epoch = best_epoch
        callback.on_epoch_end(epoch)
        found.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(found, [0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.1])
    assert progress.halved_epoch == 8
