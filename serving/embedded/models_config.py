"""Which models a server has: a YAML file that names them, where they lie, and labels of their versions."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserError
from pipeline.yaml_document import load_document


@dataclasses.dataclass(frozen=True)
class ModelSource:
    """A model to serve.

    Attributes:
        name: Its name in URLs.
        path: The export's folder, which holds <version>/saved_model.pb.
        labels: Versions that are served beside the newest one, by the labels that stand for them in URLs.
    """

    name: str
    path: str
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, word in (("--model-name", self.name), *(("label", label) for label in self.labels)):
            if not word or set(word) & set("/:?#% "):
                raise UserError(f"{kind}: expected a name without any of '/:?#% ', received {word!r}; choose another")


def read_models_config(path: str) -> tuple[ModelSource, ...]:
    """Reads which models to serve.

    Args:
        path: A YAML file with a list `models`, each of them with `name`, `path` and, if wanted, `labels`, which map a
            label to a version. A path that is not absolute counts from the file's folder.

    Returns:
        The models.

    Raises:
        UserError: The file cannot be read or does not say that.
    """
    try:
        document = load_document(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _refusal(path, f"({' '.join(str(error).split())})") from None
    if not isinstance(document, dict) or set(document) != {"models"} or not isinstance(document["models"], list):
        raise _refusal(path, "that has no list `models`, or more than it")
    sources = tuple(_source(path, entry) for entry in document["models"])
    names = [source.name for source in sources]
    if not names or len(set(names)) < len(names):
        raise _refusal(path, "with a name given twice" if names else "without models")
    return sources


def _source(path: str, entry: Any) -> ModelSource:
    labels = entry.get("labels", {}) if isinstance(entry, dict) else None
    if (
        not isinstance(labels, dict)
        or not {"name", "path"} <= set(entry) <= {"name", "path", "labels"}
        or not all(isinstance(text, str) for text in (entry["name"], entry["path"], *labels))
        or not all(type(version) is int and version >= 0 for version in labels.values())
    ):
        raise _refusal(path, f"with the model {entry!r}")
    return ModelSource(entry["name"], str(Path(path).parent / entry["path"]), labels)


def _refusal(path: str, fault: str) -> UserError:
    return UserError(
        f"--models-config: expected a YAML file with a list `models` of `name`, `path` and perhaps `labels`"
        f" (label: version), received {path!r} {fault}; correct it"
    )
