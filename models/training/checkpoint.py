"""Where a training stands, and the file from which it goes on."""

import contextlib
import dataclasses
import json
import math
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.errors import UserError
from pipeline.files import write_beside

CHECKPOINT_FILE = "checkpoint.npz"


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
        arrays: dict[str, Any] = {name: np.asarray(variable) for name, variable in _variables(self.model)}
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


@contextlib.contextmanager
def undone(model: keras.Model) -> Iterator[None]:
    """Puts a compiled model back where it was, whatever training happens within."""
    before = {name: np.array(variable) for name, variable in _variables(model)}
    try:
        yield
    finally:
        for name, variable in _variables(model):
            variable.assign(before[name])


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
