"""The epochs of a run: how good they were, and the models that are kept of them."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras

from models.training.callbacks import figure, read_metrics
from models.training.checkpoint import Progress
from pipeline.files import write_beside

EPOCHS_FOLDER = "epochs"


def epoch_file(run: str | Path, epoch: int) -> Path:
    """Where the model of an epoch is kept."""
    return Path(run) / EPOCHS_FOLDER / f"{epoch}.keras"


def ranked(rows: Sequence[Mapping[str, Any]], by: Literal["last", "best"], best_by: str) -> list[int]:
    """Puts the epochs of a run in order.

    Args:
        rows: From `read_metrics`.
        by: `last`, the latest first, or `best`, the best first; of equals, the earlier.
        best_by: `bleu` or `loss`.
    """
    ranking = rows[::-1] if by == "last" else sorted(rows, key=lambda row: -figure(row, best_by))
    return [row["epoch"] for row in ranking]


class KeepEpochs(keras.callbacks.Callback):
    """Keeps the models of the last so many epochs and of the best so many, and removes the others.

    Args:
        run: The run's folder, to whose `metrics.jsonl` an epoch has to be added before.
        progress: Where the training stands.
        best_by: `bleu` or `loss`.
        count: How many of either; 0 keeps none.
    """

    def __init__(self, run: Path, progress: Progress, best_by: str, count: int):
        super().__init__()
        self.run, self.progress, self.best_by, self.count = run, progress, best_by, count

    def on_train_begin(self, logs: Any = None) -> None:
        """Removes what was kept after the checkpoint, and what a resume with a smaller count no longer keeps."""
        self._remove_all_but(self._kept(self.progress.epoch))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keeps the epoch's model."""
        kept = self._kept(epoch + 1)
        if epoch + 1 in kept:
            with write_beside(epoch_file(self.run, epoch + 1)) as path:
                self.model.save(path)
        self._remove_all_but(kept)

    def _kept(self, finished: int) -> set[int]:
        """Of so many epochs, those to keep."""
        rows = read_metrics(self.run)[:finished]
        last, best = ranked(rows, "last", self.best_by), ranked(rows, "best", self.best_by)
        return {*last[: self.count], *best[: self.count]}

    def _remove_all_but(self, kept: set[int]) -> None:
        names = {epoch_file(self.run, epoch).name for epoch in kept}
        for path in (self.run / EPOCHS_FOLDER).glob("*"):
            if path.is_dir():
                # What a process has left that was killed as it wrote.
                shutil.rmtree(path)
            elif path.name not in names:
                path.unlink()
