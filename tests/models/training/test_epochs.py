import keras
import pytest

from models.training.callbacks import MetricsLog, read_metrics
from models.training.checkpoint import Progress
from models.training.epochs import KeepEpochs, epoch_file, ranked

# Validation loss and BLEU; the second and the fourth are as good by BLEU.
EPOCHS = [(2.0, 10.0), (1.5, 30.0), (1.2, 20.0), (1.3, 30.0), (1.4, 5.0), (1.1, 25.0)]
KEPT = {
    ("bleu", 0): [set()] * 6,
    ("bleu", 1): [{1}, {2}, {2, 3}, {2, 4}, {2, 5}, {2, 6}],
    ("bleu", 2): [{1}, {1, 2}, {2, 3}, {2, 3, 4}, {2, 4, 5}, {2, 4, 5, 6}],
    ("loss", 1): [{1}, {2}, {3}, {3, 4}, {3, 5}, {6}],
}


@pytest.fixture
def train(make_model, tmp_path):
    """Runs the callbacks over epochs, the first after those of the checkpoint; returns the epochs kept after each."""
    model = make_model(attention="none")

    def train(best_by, count, first=0, end=6):
        progress = Progress(epoch=first)
        log, keep = MetricsLog(tmp_path, progress), KeepEpochs(tmp_path, progress, best_by, count)
        keep.set_model(model)
        keep.on_train_begin()
        found = [kept(tmp_path)]
        for epoch in range(first, end):
            model.decoder.output_bias.assign([epoch + 1.0] * 11)
            loss, bleu = EPOCHS[epoch]
            for callback in (log, keep):
                callback.on_epoch_end(epoch, {"val_loss": loss, "val_bleu": bleu})
            found.append(kept(tmp_path))
        return found

    return train


def kept(run):
    folder = epoch_file(run, 1).parent
    return {int(path.stem) for path in folder.iterdir()} if folder.exists() else set()


@pytest.mark.parametrize(("best_by", "count"), KEPT)
def test_the_last_and_the_best_are_kept(train, tmp_path, best_by, count):
    assert train(best_by, count) == [set(), *KEPT[best_by, count]]
    assert epoch_file(tmp_path, 1).parent.exists() == bool(count)
    for epoch in kept(tmp_path):
        model = keras.saving.load_model(epoch_file(tmp_path, epoch), compile=False)
        assert model.decoder.output_bias.numpy().tolist() == [epoch] * 11


def test_what_came_after_the_checkpoint_is_taken_back(train, tmp_path):
    """Of a run that is killed after its fifth epoch, before the checkpoint, and within the writing of another model."""
    train("bleu", 2, end=5)
    (epoch_file(tmp_path, 5).parent / ".6.keras.x").mkdir()
    (epoch_file(tmp_path, 5).parent / ".6.keras.x" / "6.keras").touch()
    assert train("bleu", 2, first=4) == [{2, 4}, *KEPT["bleu", 2][4:]]


@pytest.mark.parametrize(
    ("count", "before", "after"), [(0, set(), set()), (1, {2, 5}, {2, 6}), (3, {2, 4, 5}, {2, 4, 5, 6})]
)
def test_a_resume_with_another_count(train, count, before, after):
    """More than before are kept from then on: the third, now among the best three, and the first are gone."""
    assert train("bleu", 2, end=5)[-1] == {2, 4, 5}
    assert train("bleu", count, first=5) == [before, after]


def test_the_ranking(train, tmp_path):
    train("bleu", 0)
    rows = read_metrics(tmp_path)
    assert ranked(rows, "last", "bleu") == ranked(rows, "last", "loss") == [6, 5, 4, 3, 2, 1]
    assert ranked(rows, "best", "bleu") == [2, 4, 6, 3, 1, 5]
    assert ranked(rows, "best", "loss") == [6, 3, 4, 5, 2, 1]
