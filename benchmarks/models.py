"""The models of both sides, each trained once, alone on the machine, and kept with how it went."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import NamedTuple

import sacrebleu

from benchmarks import corpus, opennmt
from benchmarks.command import run_command
from benchmarks.corpus import TARGET, VALID_SPLIT
from benchmarks.places import RECIPE, Places
from benchmarks.rounds import measure, module, run
from pipeline.errors import UserError
from pipeline.files import write_beside

OURS, THEIRS = "ours", opennmt.NAME
CURVE_FILE = "curve.json"
_RUN, _EXPORT, _TIMES = "run", "export", "times.json"


class Point(NamedTuple):
    """A moment of a training: minutes since its beginning, and its model's validation BLEU with a beam of 5."""

    minutes: float
    val_bleu: float


@dataclasses.dataclass(frozen=True)
class Curve:
    """How a training went.

    Attributes:
        points: At the end of each epoch.
    """

    points: list[Point]

    def write(self, folder: Path) -> None:
        """Writes it beside the model."""
        with write_beside(folder / CURVE_FILE) as path:
            path.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    @classmethod
    def read_from(cls, places: Places, side: str) -> "Curve":
        """Reads the curve of a side.

        Raises:
            UserError: It has not been trained, or the curve is of another version.
        """
        path = model_folder(places, side) / CURVE_FILE
        if not path.exists():
            raise UserError(f"--work: expected {path}, which is not there; run `make bench-models` first")
        fields = json.loads(path.read_text())
        if set(fields) != {"points"}:
            raise UserError(f"--work: expected the points of a training in {path}, received others; remove its folder")
        return cls([Point(*point) for point in fields["points"]])


def model_folder(places: Places, side: str) -> Path:
    """The folder of a side's model."""
    return places.below("models") / side


def our_export(places: Places) -> Path:
    """Our model, as `nmt serve` takes it."""
    return model_folder(places, OURS) / _EXPORT


def their_checkpoint(places: Places) -> Path:
    """The peer's model after its last step."""
    (last,) = model_folder(places, THEIRS).glob("*.pt")
    return last


def bench_models(places: Places, /, *, epochs: int | None = None, steps: int = 4530) -> None:
    """Trains OpenNMT-py and ours, one after the other, and keeps the models; a side that is there is left alone.

    Args:
        epochs: Our epochs; by default the recipe's.
        steps: Steps of OpenNMT-py; 453 are an epoch.
    """
    corpus.prepare(places)
    opennmt.install(places)
    for side in (THEIRS, OURS):
        folder = model_folder(places, side)
        if folder.exists():
            print(f"{side}: {folder} is there already; remove it to train anew")
        else:
            with write_beside(folder) as beside:
                beside.mkdir()
                _train_theirs(places, beside, steps) if side == THEIRS else _train_ours(places, beside, epochs)
        # Apart from the training: what fails here costs no training, and its time is not counted.
        if not (folder / CURVE_FILE).exists():
            (_score_theirs if side == THEIRS else _score_ours)(places, folder).write(folder)
        _print(side, Curve.read_from(places, side))


def _print(side: str, curve: Curve) -> None:
    print(f"{side}: validation BLEU with a beam of 5 over time:")
    for minutes, val_bleu in curve.points:
        print(f"  {minutes:6.1f} min  {val_bleu:5.1f}")


def _train_theirs(places: Places, folder: Path, steps: int) -> None:
    every = max(1, steps // 10)
    command = opennmt.training(places, folder, steps, warmup_steps=0, seed=1, save_every=every)
    trained = measure(command, places.log("models-opennmt"))
    (folder / _TIMES).write_text(json.dumps(trained))


def _score_theirs(places: Places, folder: Path) -> Curve:
    seconds = json.loads((folder / _TIMES).read_text())["checkpoint_seconds"]
    checkpoints = {int(step): opennmt.checkpoint(folder, int(step)) for step in seconds}
    points = [
        Point(seconds[str(step)] / 60, _their_validation_bleu(places, checkpoint, folder))
        for step, checkpoint in checkpoints.items()
    ]
    for step, checkpoint in checkpoints.items():
        if step != max(checkpoints):
            checkpoint.unlink()
    return Curve(points)


def _their_validation_bleu(places: Places, checkpoint: Path, folder: Path) -> float:
    output = folder / f"{checkpoint.stem}.{VALID_SPLIT}.txt"
    measure(
        opennmt.translation(places, checkpoint, places.pieces / VALID_SPLIT, output, 64), places.log("models-translate")
    )
    texts = corpus.detokenize(places, output.read_text(encoding="utf-8").splitlines())
    return sacrebleu.corpus_bleu(texts, [corpus.lines(places, VALID_SPLIT, TARGET)]).score


def _train_ours(places: Places, folder: Path, epochs: int | None) -> None:
    options = [] if epochs is None else ["--training.epochs", epochs]
    command = module("nmt", "train", RECIPE, "--data", places.data, "--output", folder / _RUN, *options)
    run(command, places.log("models-ours"))


def _score_ours(places: Places, folder: Path) -> Curve:
    log = places.log("models-ours")
    if not (folder / _EXPORT).exists():
        run(module("nmt", "export", folder / _RUN, "--output", folder / _EXPORT), log)
    points, minutes = [], 0.0
    for line in (folder / _RUN / "metrics.jsonl").read_text().splitlines():
        epoch = json.loads(line)
        minutes += epoch["seconds"] / 60
        points.append(Point(minutes, epoch["val_bleu"]))
    return Curve(points)


if __name__ == "__main__":
    sys.exit(run_command(bench_models))
