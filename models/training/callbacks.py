"""What happens around the epochs of a training."""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from models.run import MODEL_FILE
from models.training.checkpoint import CHECKPOINT_FILE, Progress
from models.training.optimizers import without_scale
from pipeline.errors import UserError
from pipeline.files import write_beside

METRICS_FILE = "metrics.jsonl"


class AverageWeights(keras.callbacks.Callback):
    """Puts the moving average of the weights into their place for the validation, and whatever comes after it.

    Keras's own puts them back before the callbacks that keep the best model run.
    """

    def on_test_begin(self, logs: Any = None) -> None:
        """Swaps them."""
        self.swap()

    def swap(self) -> None:
        """Puts each into the other's place; once more, and all is as before."""
        optimizer = without_scale(self.model.optimizer)
        averages = optimizer._model_variables_moving_average
        for variable, average in zip(optimizer._trainable_variables, averages, strict=True):
            # On the devices: each host checks what comes from its memory against that of the others.
            value = ops.copy(variable)
            variable.assign(ops.convert_to_tensor(average))
            average.assign(value)


class FiniteLoss(keras.callbacks.Callback):
    """Stops a training whose loss is no longer a number.

    Args:
        run: The run's folder.
        progress: Where the training stands.
    """

    def __init__(self, run: Path, progress: Progress):
        super().__init__()
        self.checkpoint, self.progress = run / CHECKPOINT_FILE, progress

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks the loss so far.

        Raises:
            UserError: The loss is infinite or not a number.
        """
        self._check((logs or {})["loss"], f"epoch {self.progress.epoch + 1}, batch {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks the validation loss, the first to tell of a bad last step, before anything is written.

        Raises:
            UserError: The loss is infinite or not a number.
        """
        self._check((logs or {})["val_loss"], f"the validation of epoch {epoch + 1}")

    def _check(self, loss: Any, at: str) -> None:
        if math.isfinite(loss := float(loss)):
            return
        good = f"{self.checkpoint} holds epoch {self.progress.epoch}" if self.progress.epoch else "there is none yet"
        raise UserError(
            f"training: expected a finite loss, received {loss} in {at}; lower --training.learning_rate or"
            f" --training.clip_norm and train anew into another --output (last good checkpoint: {good})"
        )


class AllBatches(keras.callbacks.Callback):
    """Refuses an epoch that has had fewer batches than the data set holds; Keras only warns.

    Args:
        progress: Where the training stands.
        steps: Batches of an epoch.
    """

    def __init__(self, progress: Progress, steps: int):
        super().__init__()
        self.progress, self.steps = progress, steps

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Counts, before anything is written.

        Raises:
            UserError: There were fewer.
        """
        if self.progress.step != self.steps:
            raise UserError(
                f"--data: expected {self.steps} batches in epoch {epoch + 1}, received {self.progress.step}; a shard"
                " has become shorter: bring it back, and --resume goes on"
            )


class Figures(keras.callbacks.Callback):
    """Adds to an epoch's logs what people ask of it.

    Of the training alone `source_tokens_per_second`, `target_tokens_per_second` and, of both, `tokens_per_second`, all
    of real tokens; `perplexity` and `val_perplexity`; `learning_rate` and `gradient_norm` of the last batch;
    `compilations` of the training step since the start; `seconds`, and `seconds_left`, by this epoch's, until the last.

    Args:
        progress: Where the training stands.
        epochs: Of the whole training.
    """

    def __init__(self, progress: Progress, epochs: int):
        super().__init__()
        self.progress, self.epochs = progress, epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts the clock, or lets it go on."""
        self.begin = time.perf_counter() - self.progress.seconds

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Notes the time."""
        self.progress.seconds = time.perf_counter() - self.begin

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the figures."""
        assert logs is not None
        for side in ("source", "target"):
            logs.pop(f"val_{side}_tokens", None)
            logs[f"{side}_tokens_per_second"] = logs.pop(f"{side}_tokens") / self.progress.seconds
        logs["tokens_per_second"] = logs["source_tokens_per_second"] + logs["target_tokens_per_second"]
        for kind in ("", "val_"):
            if f"{kind}loss" in logs:
                logs[f"{kind}perplexity"] = float(np.exp(logs[f"{kind}loss"]))
        optimizer = without_scale(self.model.optimizer)
        logs |= {
            "compilations": self.model.compilations,
            "learning_rate": float(optimizer.learning_rate),
            "gradient_norm": float(np.array(optimizer.gradient_norm)),
        }
        logs["seconds"] = time.perf_counter() - self.begin
        logs["seconds_left"] = logs["seconds"] * (self.epochs - epoch - 1)


class HalveOnPlateau(keras.callbacks.Callback):
    """Halves the step size when no epoch has been better for a while, since the last time too.

    Keras's own forgets on a resume how long it has waited.

    Args:
        progress: Where the training stands.
        epochs: How long that is.
    """

    def __init__(self, progress: Progress, epochs: int):
        super().__init__()
        self.progress, self.epochs = progress, epochs

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Halves it, or does not."""
        if epoch + 1 - max(self.progress.best_epoch, self.progress.halved_epoch) >= self.epochs:
            self.progress.halved_epoch = epoch + 1
            optimizer = self.model.optimizer
            optimizer.learning_rate = float(optimizer.learning_rate) / 2


class ValidationBleu(keras.callbacks.Callback):
    """Adds `val_bleu` to an epoch's logs.

    Args:
        score: Translates the validation sentences with the model as it is and returns their BLEU.
    """

    def __init__(self, score: Callable[[], float]):
        super().__init__()
        self.score = score

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the figure."""
        assert logs is not None
        logs["val_bleu"] = self.score()


def figure(logs: Mapping[str, Any], best_by: str) -> float:
    """What epochs are compared by, the higher the better: `bleu` or `loss`."""
    return float(logs["val_bleu"] if best_by == "bleu" else -logs["val_loss"])


class BestModel(keras.callbacks.Callback):
    """Keeps the model of the best epoch, and stops when none has been better for a while.

    Args:
        run: The run's folder.
        progress: Where the training stands.
        best_by: `bleu` or `loss`.
        patience: Epochs without a better one after which to stop; 0 never stops.
    """

    def __init__(self, run: Path, progress: Progress, best_by: str, patience: int):
        super().__init__()
        self.run, self.progress, self.best_by, self.patience = run, progress, best_by, patience

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compares the epoch with the best."""
        assert logs is not None
        found = figure(logs, self.best_by)
        if found > self.progress.best:
            self.progress.best, self.progress.best_epoch = found, epoch + 1
            with write_beside(self.run / MODEL_FILE) as path:
                self.model.save(path)
        if self.patience and epoch + 1 - self.progress.best_epoch >= self.patience:
            self.model.stop_training = True


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's `metrics.jsonl`, an epoch each; none if there is no such file."""
    path = run / METRICS_FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class MetricsLog(keras.callbacks.Callback):
    """Writes a line for each epoch to `metrics.jsonl`; a resumed run takes back what came after its checkpoint.

    Args:
        run: The run's folder.
        progress: Where the training stands.
    """

    def __init__(self, run: Path, progress: Progress):
        super().__init__()
        self.path, self.rows = run / METRICS_FILE, read_metrics(run)[: progress.epoch]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the line."""
        assert logs is not None
        self.rows.append({"epoch": epoch + 1, **{name: float(value) for name, value in sorted(logs.items())}})
        with write_beside(self.path) as path:
            path.write_text("".join(json.dumps(row) + "\n" for row in self.rows))
