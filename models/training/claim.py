"""Whose an output folder is: a new run's, or that of the run that goes on in it."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from models.config import TrainingConfig
from models.run import AVERAGE_FILE, CONFIG_FILE, RunConfig
from models.training.checkpoint import CHECKPOINT_FILE
from models.training.distribution import Devices
from pipeline.errors import UserError


@contextlib.contextmanager
def claimed(run: Path, resume: bool, overwrite: bool, config: RunConfig, devices: Devices) -> Iterator[Path]:
    """The folder that this host writes to: the run's on the first one, and one that nobody keeps on the others.

    So each goes its way by files of its own, and none waits for what another writes.

    Args:
        run: The run's folder.
        resume: Whether the run in it is to go on.
        overwrite: Whether a new one is to be put in its place.
        config: The settings, which are written.
        devices: Among them this host's.

    Raises:
        UserError: The folder holds a run, and not one that goes on with these settings.
    """
    exists = (run / CONFIG_FILE).exists()
    _require_free(run, exists, resume, overwrite, config)
    with contextlib.ExitStack() as stack:
        # All have looked before one writes.
        devices.agree(0.0)
        own = run
        if devices.host:
            own = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            if resume and (run / CHECKPOINT_FILE).exists():
                shutil.copy(run / CHECKPOINT_FILE, own)
        elif exists and overwrite:
            shutil.rmtree(run)
        config.write(own)
        devices.agree(0.0)
        yield own


def _require_free(run: Path, exists: bool, resume: bool, overwrite: bool, config: RunConfig) -> None:
    """Refuses a folder that holds a run, but for a resumed run with the settings that make it the same."""
    if resume and overwrite:
        raise UserError("--overwrite: expected it without --resume, received both; choose one")
    if exists and not (resume or overwrite):
        raise UserError(
            f"--output: expected a new folder, received {str(run)!r}, which holds a run; add --resume to go on, or"
            " --overwrite to begin anew"
        )
    if not exists or overwrite:
        return
    if (run / AVERAGE_FILE).exists():
        raise UserError(
            f"--resume: expected a run that was trained, received {str(run)!r}, which `nmt average` made; train a new"
            f" one with --training.start_from {run}"
        )
    changed = config.changed_from(RunConfig.read_from(run))
    told = "; ".join(f"{name}: {before} there, {now} here" for name, (before, now) in changed.items())
    if changed.keys() - _may_change(config.recipe.training):
        raise UserError(
            f"--resume: expected the settings and the data set of {run / CONFIG_FILE}, received others ({told});"
            " use the same or choose a new --output"
        )
    if changed:
        print(f"{run}: goes on with other settings ({told})", file=sys.stderr)


def _may_change(training: TrainingConfig) -> set[str]:
    """The settings that change only how long a run goes on or what it is called, not what it has done so far."""
    goes_by_length = training.schedule == "cosine" or training.own_tokens
    always = {f"training.{name}" for name in ("patience", "checkpoint_every", "keep", "distribution")}
    always |= {"source_language", "target_language"}
    return always | (set() if goes_by_length else {"training.epochs"})
