import dataclasses
import json
import shutil

import numpy as np
import pytest

from models.config import Recipe, TrainingConfig
from models.decoding.search import search
from models.run import RunConfig, load_model
from models.training.averaging import average, mean_model
from models.training.epochs import epoch_file
from pipeline.errors import UserError
from pipeline.schema import SOURCE_IDS

CONFIG = RunConfig(
    Recipe(training=TrainingConfig(keep=2)),
    source_fingerprint="ab",
    target_fingerprint="cd",
    source_vocab_size=13,
    target_vocab_size=11,
    data_fingerprint="ef",
)
# The best two are the second and the fourth epoch, the last two the fourth and the fifth.
BLEU = [10.0, 30.0, 20.0, 29.0, 5.0]


@pytest.fixture(scope="module")
def saved_once(make_model, tmp_path_factory):
    """A run of five epochs that keeps two of the last and two of the best; and the weights of each epoch."""
    run, weights, draw = tmp_path_factory.mktemp("saved") / "run", {}, np.random.default_rng(1)
    CONFIG.write(run)
    rows = [{"epoch": at + 1, "val_bleu": bleu, "val_loss": bleu} for at, bleu in enumerate(BLEU)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("source.spm", "target.spm", "shortlist.npz"):
        (run / name).write_text(name)
    (run / "epochs").mkdir()
    for epoch in (2, 4, 5):
        model = make_model()
        for weight in model.weights:
            weight.assign_add(draw.normal(size=weight.shape))
        model.decoder.output_bias.assign([epoch] * 11)
        model.save(epoch_file(run, epoch))
        weights[epoch] = [weight.numpy() for weight in model.weights]
    return run, weights


@pytest.fixture
def saved(saved_once, tmp_path):
    """A copy, which a test may change."""
    run, weights = saved_once
    return str(shutil.copytree(run, tmp_path / "run")), weights


@pytest.mark.parametrize(
    ("options", "epochs", "bias"),
    [
        ({}, [4, 5], 4.5),
        ({"by": "last"}, [4, 5], 4.5),
        ({"by": "best"}, [2, 4], 3.0),
        ({"count": 1}, [5], 5.0),
        ({"by": "best", "count": 1}, [2], 2.0),
    ],
    ids=str,
)
def test_the_weights_are_the_mean_of_the_epochs(saved, tmp_path, make_batch, options, epochs, bias):
    (run, weights), output = saved, tmp_path / "deep" / "mean"
    assert average(run, str(output), **options) == epochs
    assert sorted(path.name for path in output.iterdir()) == sorted(
        ["config.json", "best.keras", "source.spm", "target.spm", "shortlist.npz", "average.json"]
    )
    assert RunConfig.read_from(output) == CONFIG
    assert [(output / name).read_text() for name in ("source.spm", "shortlist.npz")] == ["source.spm", "shortlist.npz"]
    told = {"run": run, "by": options.get("by", "last"), "epochs": epochs}
    assert json.loads((output / "average.json").read_text()) == told
    model = load_model(output)
    assert model.decoder.output_bias.numpy().tolist() == [bias] * 11
    for weight, *each in zip(model.weights, *(weights[epoch] for epoch in epochs), strict=True):
        np.testing.assert_allclose(weight, sum(each) / len(epochs), rtol=1e-6, atol=1e-7)
    assert search(model, make_batch([3, 2], [1, 1])[0][SOURCE_IDS], CONFIG.recipe.decoding).ids.shape[:2] == (2, 1)


def test_a_run_without_a_shortlist(saved, tmp_path):
    run, _ = saved
    (tmp_path / "run" / "shortlist.npz").unlink()
    average(run, str(tmp_path / "mean"))
    assert not (tmp_path / "mean" / "shortlist.npz").exists()


def test_statistics_are_averaged_and_a_count_of_steps_is_the_last(make_model, tmp_path):
    files = [tmp_path / "1.keras", tmp_path / "2.keras"]
    sampling = {"share": 0.5, "schedule": "linear", "steps": 9}
    for number, file in enumerate(files, 1):
        model = make_model(scheduled_sampling=sampling, cell="batch-norm-lstm", attention="none")
        model.sampling.done.assign(4 * number)
        # Of one sentence of mean 1, and of three of mean 5: together four of mean 4.
        cell = model.decoder.recurrences[0].cell
        cell.counts.assign(np.full(cell.counts.shape, 2 * number - 1))
        cell.sums.assign(np.full(cell.sums.shape, {1: 1, 2: 15}[number]))
        model.save(file)
    mean = mean_model(files)
    cell = mean.decoder.recurrences[0].cell
    np.testing.assert_allclose(cell.sums / cell.counts, 4.0)
    assert int(mean.sampling.done) == 8 and mean.sampling.done.dtype == "int32"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"count": 3}, r"--count: expected 1 to 2, as many of the last epochs as .* has kept, received 3; change"),
        ({"by": "best", "count": 9}, r"--count: expected 1 to 2, as many of the best epochs as .*, received 9; change"),
        ({"count": 0}, r"--count: expected 1 to 2, .*, received 0; change --count"),
    ],
    ids=str,
)
def test_fewer_are_kept_than_asked_for(saved, tmp_path, options, told):
    """The fifth and the fourth are there, but of the last three not the third."""
    run, _ = saved
    with pytest.raises(UserError, match=f"^{told}"):
        average(run, str(tmp_path / "mean"), **options)
    assert not (tmp_path / "mean").exists()


def test_a_run_that_has_kept_none(saved, tmp_path):
    run, _ = saved
    for epoch in (2, 4, 5):
        epoch_file(run, epoch).unlink()
    config = dataclasses.replace(CONFIG, recipe=Recipe())
    config.write(run)
    with pytest.raises(UserError, match=r"^RUN: expected models of single epochs in .*/epochs, received none of the "):
        average(run, str(tmp_path / "mean"))


def test_what_exists_already_is_left_alone(saved, tmp_path):
    run, _ = saved
    with pytest.raises(UserError, match=rf"^--output: expected a new folder, received '{run}', which exists; choose"):
        average(run, run)
    with pytest.raises(UserError, match=r"^RUN: expected the folder of a training"):
        average(str(tmp_path), str(tmp_path / "mean"))
