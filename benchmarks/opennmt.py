"""The peer OpenNMT-py: its environment, and the commands that train it and translate with it."""

import json
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.corpus import SOURCE, TARGET, VOCABULARY
from benchmarks.places import Places
from pipeline.errors import UserError

NAME = "OpenNMT-py"
RELEASE = "OpenNMT-py==3.5.1"
_FOLDER = Path(__file__).resolve().parent
_REQUIREMENTS, _OPTIONS = _FOLDER / "opennmt-requirements.txt", _FOLDER / "opennmt.yaml"
_TRAIN, _TRANSLATE = _FOLDER / "opennmt_train.py", _FOLDER / "opennmt_translate.py"


def install(places: Places) -> None:
    """Makes the peer's environment in the work folder, if it is not there yet or its requirements have changed.

    Raises:
        UserError: A package could not be installed.
    """
    installed, wanted = _environment(places) / "installed.txt", f"{RELEASE}\n{_REQUIREMENTS.read_text()}"
    if installed.exists() and installed.read_text() == wanted:
        return
    print(f"installing {RELEASE} in {_environment(places)}", file=sys.stderr)
    venv.create(_environment(places), clear=True, with_pip=True)
    for packages in (["--requirement", str(_REQUIREMENTS)], ["--no-deps", RELEASE]):
        command = [python(places), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        if status := subprocess.run(command).returncode:
            raise UserError(f"--work: expected pip to install {packages[-1]}, received its exit status {status}")
    installed.write_text(wanted)


def python(places: Places) -> str:
    """The Python of the peer's environment."""
    return str(_environment(places) / "bin" / "python")


def training(places: Places, output: Path, steps: int, warmup_steps: int, seed: int, save_every: int) -> list[str]:
    """The command that trains the peer; see `opennmt_train.py` for what it prints.

    Args:
        places: Where the pieces lie.
        output: Folder for its checkpoints; see `checkpoint`.
        steps: Steps to train.
        warmup_steps: How many of them come before the measurement.
        seed: Decides weights, dropout and the order of batches.
        save_every: Steps from checkpoint to checkpoint; the last step has one in any case.
    """
    corpus = {f"path_{side}": str(places.pieces / f"train.{language}") for side, language in _SIDES}
    vocabulary = str(places.pieces / VOCABULARY)
    options = {
        "config": _OPTIONS,
        "data": json.dumps({"multi30k": corpus}),
        "src_vocab": vocabulary,
        "tgt_vocab": vocabulary,
        "save_model": output / "opennmt",
        "train_steps": steps,
        "save_checkpoint_steps": save_every,
        "seed": seed,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [python(places), "-W", "ignore", str(_TRAIN), str(warmup_steps), *words]


def checkpoint(output: Path, step: int) -> Path:
    """The checkpoint of a step, among those that `training` leaves."""
    return output / f"opennmt_step_{step}.pt"


def translation(places: Places, model: Path, source: Path, output: Path, sentences_at_once: int) -> list[str]:
    """The command that translates a file of pieces; see `opennmt_translate.py` for what it prints.

    Args:
        places: Where the environment lies.
        model: A checkpoint.
        source: Lines of pieces.
        output: File for as many lines of pieces.
        sentences_at_once: Sentences in a batch.
    """
    words = [str(_TRANSLATE), str(model), str(source), str(output), str(sentences_at_once)]
    return [python(places), "-W", "ignore", *words]


_SIDES = (("src", SOURCE), ("tgt", TARGET))


def _environment(places: Places) -> Path:
    return places.below("opennmt-environment")
