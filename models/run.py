"""The folder that a training leaves: settings, best model, subwords, shortlist, logs."""

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.config import BatchingConfig, DecodingConfig, ModelConfig, Recipe, TrainingConfig
from pipeline.errors import UserError
from pipeline.files import write_beside

if TYPE_CHECKING:
    from models.decoding.shortlist import Shortlist
    from models.seq2seq import Seq2Seq

CONFIG_FILE, MODEL_FILE = "config.json", "best.keras"
SOURCE_SUBWORDS, TARGET_SUBWORDS, SHORTLIST_FILE = "source.spm", "target.spm", "shortlist.npz"
AVERAGE_FILE = "average.json"
FORMAT = 4


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What a run was made with.

    Attributes:
        recipe: The settings.
        source_fingerprint: SHA-256 of the source subwords.
        target_fingerprint: SHA-256 of the target subwords.
        source_vocab_size: Count of source ids.
        target_vocab_size: Count of target ids.
        data_fingerprint: SHA-256 over the data set's shards.
        protected: The pattern of what placeholders stand for, see `pipeline.protected`; empty if there are none.
        format: The version of this layout, and of what the model's weights mean.
        source_language: The source language's tag, if the data set tells it.
        target_language: The target language's.
        reverse: Whether the data set's target is the run's source, and its source the run's target.
    """

    recipe: Recipe
    source_fingerprint: str
    target_fingerprint: str
    source_vocab_size: int
    target_vocab_size: int
    data_fingerprint: str
    protected: str = ""
    format: int = FORMAT
    source_language: str | None = None
    target_language: str | None = None
    reverse: bool = False

    def write(self, run: str | Path) -> None:
        """Writes `config.json` into the run's folder, whole or not at all."""
        with write_beside(Path(run) / CONFIG_FILE) as path:
            path.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    def changed_from(self, other: "RunConfig") -> dict[str, tuple[Any, Any]]:
        """What differs, by name: the other's, and what is here."""
        before, now = (_named(dataclasses.asdict(each)) for each in (other, self))
        return {name: (before[name], value) for name, value in now.items() if value != before[name]}

    @classmethod
    def read_from(cls, run: str | Path) -> "RunConfig":
        """Reads the settings of a run.

        Raises:
            UserError: The folder is no run, or one of another format.
        """
        path = Path(run) / CONFIG_FILE
        try:
            fields = json.loads(path.read_text())
        except ValueError:
            raise UserError(f"RUN: expected settings in {path}, received a damaged file; train anew") from None
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"RUN: expected the folder of a training, received {str(run)!r}, which holds no {CONFIG_FILE}; make one"
                f" with `nmt train RECIPE --data DATA --output {run}`"
            ) from None
        found = fields.get("format") if isinstance(fields, dict) else None
        if found != FORMAT:
            raise UserError(f"RUN: expected a run of format {FORMAT}, received {found!r} in {path}; train anew")
        sections = {
            "batching": BatchingConfig,
            "model": ModelConfig,
            "training": TrainingConfig,
            "decoding": DecodingConfig,
        }
        recipe = Recipe(**{name: section(**fields["recipe"][name]) for name, section in sections.items()})
        return cls(**{**fields, "recipe": recipe})


def _named(settings: dict[str, Any]) -> dict[str, Any]:
    """A run's settings, each by the name that it has on the command line."""
    sections = settings.pop("recipe")
    return settings | {f"{name}.{key}": value for name, section in sections.items() for key, value in section.items()}


def load_shortlist(run: str | Path, decoding: DecodingConfig) -> "Shortlist | None":
    """Loads the shortlist of a run, or None if the settings want none.

    Raises:
        UserError: It is missing or damaged.
    """
    if not decoding.shortlist:
        return None
    from models.decoding.shortlist import Shortlist

    path = Path(run) / SHORTLIST_FILE
    try:
        return Shortlist.read(path)
    except FileNotFoundError:
        raise UserError(
            f"RUN: expected a shortlist in {path}, which is not there; `nmt train --resume` makes it again"
        ) from None
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile):
        raise UserError(
            f"RUN: expected a shortlist in {path}, received a damaged file; remove it, and `nmt train --resume`"
            " makes it again"
        ) from None


def load_model(run: str | Path) -> "Seq2Seq":
    """Loads the best model of a run.

    Raises:
        UserError: No epoch is finished yet.
    """
    import keras

    from models import seq2seq  # noqa: F401  (registers the classes that the file names

    path = Path(run) / MODEL_FILE
    if not path.exists():
        raise UserError(
            f"RUN: expected a run with a finished epoch, received {str(run)!r} without {MODEL_FILE}; train on"
        )
    return keras.saving.load_model(path, compile=False)


def start_from(run: str, model: "Seq2Seq", config: RunConfig) -> None:
    """Puts the best weights of another run into a new model, whose settings are `config`.

    Raises:
        UserError: The run is none, has no finished epoch, or is of another model or other subwords.
    """
    other = RunConfig.read_from(run)
    for name, mine, its in (
        ("parts and sizes of the model", config.recipe.model.without_drops(), other.recipe.model.without_drops()),
        ("source subwords", config.source_fingerprint, other.source_fingerprint),
        ("target subwords", config.target_fingerprint, other.target_fingerprint),
    ):
        if mine != its:
            raise UserError(
                f"training.start_from: expected a run of the same {name}, received {run!r}, which has others; train"
                " with its recipe and its data set, or start from nothing"
            )
    start = load_model(run)
    # Of the sides alone: where scheduled sampling stands is no weight to start from.
    for mine, its in ((model.encoder, start.encoder), (model.decoder, start.decoder)):
        for weight, value in zip(mine.weights, its.weights, strict=True):
            weight.assign(value)
