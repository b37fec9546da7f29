"""What happens around the epochs of a training."""

import dataclasses
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from models.run import MODEL_FILE
from pipeline.errors import UserError
from pipeline.files import write_beside

CHECKPOINT_FILE, METRICS_FILE = "checkpoint.npz", "metrics.jsonl"


@dataclasses.dataclass
class Progress:
    """Where a training stands.

    Attributes:
        epoch: Count of finished epochs.
        step: Count of finished batches of the next one.
        seconds: What they took.
        best: The best validation figure so far, the higher the better.
        best_epoch: The epoch that gave it; 0 before the first.
        halved_epoch: The last epoch after which the step size was halved; 0 before the first.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    best_epoch: int = 0
    halved_epoch: int = 0


class AverageWeights(keras.callbacks.Callback):
    """Puts the moving average of the weights into their place for the validation, and whatever comes after it.

    Keras's own puts them back before the callbacks that keep the best model run.
    """

    def on_test_begin(self, logs: Any = None) -> None:
        """Swaps them."""
        self.swap()

    def swap(self) -> None:
        """Puts each into the other's place; once more, and all is as before."""
        optimizer = self.model.optimizer
        averages = optimizer._model_variables_moving_average
        for variable, average in zip(optimizer._trainable_variables, averages, strict=True):
            value = np.array(variable)
            variable.assign(average)
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
    of real tokens; `perplexity` and `val_perplexity`; `learning_rate` and `gradient_norm` of the last batch; `seconds`,
    and `seconds_left`, by this epoch's, until the last.

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
        optimizer = self.model.optimizer
        logs |= {"learning_rate": float(optimizer.learning_rate), "gradient_norm": float(optimizer.gradient_norm)}
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
        figure = logs["val_bleu"] if self.best_by == "bleu" else -logs["val_loss"]
        if figure > self.progress.best:
            self.progress.best, self.progress.best_epoch = float(figure), epoch + 1
            with write_beside(self.run / MODEL_FILE) as path:
                self.model.save(path)
        if self.patience and epoch + 1 - self.progress.best_epoch >= self.patience:
            self.model.stop_training = True


class MetricsLog(keras.callbacks.Callback):
    """Writes a line for each epoch to `metrics.jsonl`; a resumed run takes back what came after its checkpoint.

    Args:
        run: The run's folder.
        progress: Where the training stands.
    """

    def __init__(self, run: Path, progress: Progress):
        super().__init__()
        self.path = run / METRICS_FILE
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.rows = [json.loads(line) for line in lines][: progress.epoch]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the line."""
        assert logs is not None
        self.rows.append({"epoch": epoch + 1, **{name: float(value) for name, value in sorted(logs.items())}})
        with write_beside(self.path) as path:
            path.write_text("".join(json.dumps(row) + "\n" for row in self.rows))


class Checkpoint(keras.callbacks.Callback):
    """Writes all that an exact continuation needs, in one file that replaces the one before.

    That is after each epoch, after every so many batches of one, and when a signal asks for an end.

    Keras's own backup leaves out the random state of dropout, the best figure and the epoch's loss so far.

    Args:
        run: The run's folder.
        progress: Where the training stands.
        every: Batches of an epoch from one checkpoint to the next; 0 for none but at its end.
        signals: The signals so far.
    """

    def __init__(self, run: Path, progress: Progress, every: int = 0, signals: Sequence[int] = ()):
        super().__init__()
        self.path, self.progress, self.every, self.signals = run / CHECKPOINT_FILE, progress, every, signals

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Puts back the loss so far, which Keras has just set to nothing."""
        if self.progress.step:
            with np.load(self.path) as arrays:
                for name, variable in _figures(self.model):
                    variable.assign(arrays[name])

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Writes a checkpoint, if it is time.

        Raises:
            SystemExit: A signal asks for it.
        """
        self.progress.step += 1
        # After the last batch, the epoch's end is as near.
        if batch + 1 < self.params["steps"]:
            if self.signals or (self.every and self.progress.step % self.every == 0):
                self._write()
            self._end_if_asked()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the checkpoint.

        Raises:
            SystemExit: A signal asks for it.
        """
        self.progress.epoch, self.progress.step, self.progress.seconds = epoch + 1, 0, 0.0
        self._write()
        self._end_if_asked()

    def _write(self) -> None:
        if keras.backend.backend() == "jax":
            # Within an epoch, it holds them apart from the variables.
            self.model.jax_state_sync()
        arrays: dict[str, Any] = {name: np.asarray(variable.value) for name, variable in _variables(self.model)}
        with write_beside(self.path) as path, path.open("wb") as file:
            np.savez(file, progress=np.array(json.dumps(dataclasses.asdict(self.progress))), **arrays)

    def _end_if_asked(self) -> None:
        if self.signals:
            name = signal.Signals(self.signals[0]).name
            at = f"epoch {self.progress.epoch}" + (f" and {self.progress.step} batches" if self.progress.step else "")
            print(f"{self.path.parent}: ended by {name} after {at}; --resume goes on", file=sys.stderr)
            # As a shell tells of a process that a signal has ended.
            raise SystemExit(128 + self.signals[0])


def restore(run: Path, model: keras.Model) -> Progress:
    """Puts a compiled model back where the checkpoint of its run left it; without one, nothing changes.

    Raises:
        UserError: The checkpoint is of a model with other parts or sizes.
    """
    path = run / CHECKPOINT_FILE
    if not path.exists():
        return Progress()
    model.optimizer.build(model.trainable_variables)
    with np.load(path) as arrays:
        variables = dict(_variables(model))
        differing = {name for name in variables if name not in arrays or arrays[name].shape != variables[name].shape}
        if differing or len(arrays.files) != len(variables) + 1:
            raise UserError(
                f"--resume: expected the settings that {path} was made with, received others (they differ at"
                f" {', '.join(sorted(differing)) or 'the count of weights'}); train with those or choose a new --output"
            )
        for name, variable in variables.items():
            variable.assign(arrays[name])
        return Progress(**json.loads(str(arrays["progress"])))


def _variables(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """All state of a training by name: weights, the random state of dropout, the optimizer's, the epoch's figures."""
    for kind, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
        for number, variable in enumerate(variables):
            # Not by path, in which Keras counts the seed generators and optimizers of the whole process.
            yield f"{kind}/{number}/{variable.name}", variable
    yield from _figures(model)


def _figures(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """The sums that an epoch's figures are made of."""
    for metric in model.metrics:
        for variable in metric.variables:
            yield f"metric/{metric.name}/{variable.name}", variable
