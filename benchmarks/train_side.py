"""One training by Keras, ours or of Keras's own layers, whose speed is printed as one line of JSON."""

import dataclasses
import json
import sys
from typing import Literal

import keras

from benchmarks.clock import Clock
from benchmarks.command import run_command
from benchmarks.keras_peer import build_keras_model
from benchmarks.places import RECIPE
from models.config import Recipe
from models.training.optimizers import build_optimizer
from models.training.train import build_model
from nmt_arguments import bind
from pipeline.reading.dataset import batches
from pipeline.schema import PAD_ID, SOURCE_IDS, TRAIN, Manifest

# More than any benchmark reads.
_EPOCHS = 1000


def shipped_recipe(name: str) -> Recipe:
    """The settings of a shipped recipe."""
    found: list[Recipe] = []

    def take(recipe: str, settings: Recipe, /) -> None:
        found.append(settings)

    bind(take, "benchmark", [name])()
    return found[0]


def compile_model(side: str, recipe: Recipe, manifest: Manifest, steps: int) -> keras.Model:
    """Makes and compiles the model of a side; XLA stays off, as it would compile anew for each pair of lengths."""
    if side == "ours":
        model: keras.Model = build_model(recipe, manifest, steps)
        model.compile(optimizer=build_optimizer(recipe.training, steps), jit_compile=False)
        return model
    model = build_keras_model(recipe.model, manifest.target.vocab_size)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD_ID)
    optimizer = keras.optimizers.Adam(recipe.training.learning_rate, global_clipnorm=recipe.training.clip_norm)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    return model


def train_side(side: Literal["ours", "keras"], /, *, data: str, steps: int, warmup_steps: int, seed: int) -> None:
    """Trains some steps and prints the speed of all but the first.

    Tokens are the real ones of both sides, END included, counted in a first pass over the same batches.

    Args:
        side: `ours`, or `keras` for its own layers.
        data: Folder of the data set.
        steps: Steps that are measured.
        warmup_steps: Steps before them.
        seed: Decides weights, dropout and the order of batches.
    """
    recipe, manifest, total = shipped_recipe(RECIPE), Manifest.read_from(data), warmup_steps + steps
    dataset = batches(data, TRAIN, **dataclasses.asdict(recipe.batching), seed=seed, epochs=_EPOCHS)
    sums = {"pairs": 0, "source": 0, "target": 0}
    for inputs, target_ids in dataset.skip(warmup_steps).take(steps).as_numpy_iterator():
        sums["pairs"] += len(target_ids)
        sums["source"] += int((inputs[SOURCE_IDS] != PAD_ID).sum())
        sums["target"] += int((target_ids != PAD_ID).sum())
    keras.utils.set_random_seed(seed)
    model, clock = compile_model(side, recipe, manifest, total), Clock()
    model.fit(dataset, steps_per_epoch=total, epochs=1, callbacks=[clock], shuffle=False, verbose=0)
    measurement = {
        "tokens_per_second": (sums["source"] + sums["target"]) / (clock.times[total] - clock.times[warmup_steps]),
        "parameters": model.count_params(),
        "means": (sums["pairs"] / steps, sums["source"] / sums["pairs"], sums["target"] / sums["pairs"]),
    }
    print(json.dumps(measurement))


if __name__ == "__main__":
    sys.exit(run_command(train_side))
