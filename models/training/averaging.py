"""One model of several epochs: the mean of their weights."""

import itertools
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from models.config import TrainingConfig
from models.run import AVERAGE_FILE, MODEL_FILE, SHORTLIST_FILE, SOURCE_SUBWORDS, TARGET_SUBWORDS, RunConfig
from models.seq2seq import Seq2Seq
from models.training.callbacks import read_metrics
from models.training.epochs import EPOCHS_FOLDER, epoch_file, ranked
from pipeline.errors import UserError
from pipeline.files import write_beside


def average(run: str, output: str, by: Literal["last", "best"] = "last", count: int | None = None) -> list[int]:
    """Makes a run whose weights are the mean of those of some epochs of another, as it stands in `average.json`.

    Args:
        run: The run's folder.
        output: The new run's folder.
        by: Which epochs, the last or the best by `training.best_by`.
        count: How many; by default as many as `training.keep` has kept.

    Returns:
        The epochs, in their order.

    Raises:
        UserError: `run` is no run, or keeps fewer epochs; `output` exists already.
    """
    config = RunConfig.read_from(run)
    epochs = _choose(run, config.recipe.training, by, count)
    if Path(output).exists():
        raise UserError(f"--output: expected a new folder, received {output!r}, which exists; choose another")
    model = mean_model([epoch_file(run, epoch) for epoch in epochs])
    with write_beside(output) as folder:
        folder.mkdir()
        config.write(folder)
        for name in (SOURCE_SUBWORDS, TARGET_SUBWORDS, SHORTLIST_FILE):
            if (Path(run) / name).exists():
                shutil.copyfile(Path(run) / name, folder / name)
        (folder / AVERAGE_FILE).write_text(json.dumps({"run": run, "by": by, "epochs": epochs}, indent=2) + "\n")
        model.save(folder / MODEL_FILE)
    return epochs


def _choose(run: str, training: TrainingConfig, by: Literal["last", "best"], count: int | None) -> list[int]:
    """The `count` last or best epochs, in their order: all must have been kept, none is passed over."""
    ranking = ranked(read_metrics(Path(run)), by, training.best_by)
    kept = list(itertools.takewhile(lambda epoch: epoch_file(run, epoch).exists(), ranking))
    if not kept:
        raise UserError(
            f"RUN: expected models of single epochs in {Path(run) / EPOCHS_FOLDER}, received none of the {by}; train"
            " with --training.keep"
        )
    count = training.keep if count is None else count
    if not 1 <= count <= len(kept):
        raise UserError(
            f"--count: expected 1 to {len(kept)}, as many of the {by} epochs as {run!r} has kept, received {count};"
            " change --count, or train with a larger --training.keep"
        )
    return sorted(kept[:count])


def mean_model(files: Sequence[Path]) -> Seq2Seq:
    """Loads several models of the same parts as one, with the means of their weights (Izmailov 2018).

    Statistics that batch normalization keeps are averaged too: they are sums, whose means tell of all the models'
    sentences together. A pass over the data alone would give those of the mean weights. A count of steps, of use to
    training alone, stays that of the last file.
    """
    model = _load(files[-1])
    sums = [np.zeros(weight.shape) for weight in model.weights]
    for file in files:
        for total, weight in zip(sums, _load(file).weights, strict=True):
            total += keras.ops.convert_to_numpy(weight)
    for weight, total in zip(model.weights, sums, strict=True):
        if keras.backend.is_float_dtype(weight.dtype):
            weight.assign(total / len(files))
    return model


def _load(file: Path) -> Seq2Seq:
    return keras.saving.load_model(file, compile=False)
