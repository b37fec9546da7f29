"""What decides about the files of each stage: a job takes up those that the same settings, inputs and versions made."""

import dataclasses
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from pipeline.cleaning import rules
from pipeline.config import PreprocessConfig
from pipeline.corpora.intake import Intake
from pipeline.job.work_folder import fingerprint
from pipeline.schema import Subwords

_PACKAGES = ("sentencepiece", "tensorflow", "tensorflow-text")
# Where a data set lies and what made it: it is the same.
_PLACES = {"output", "workers", "memory"}
# What ends the job, or not.
_ENDING = {"max_rejected"}
# What is asked after the shards of text are written.
_LATER = {"vocab_size", "joint_vocabulary", "model_type", "character_coverage", "subword_sample", "max_pieces"}
_LATER |= {"subword_threads", "subwords", "user_symbols"}


def settings(config: PreprocessConfig, others: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    """The settings that decide about a data set, as the manifest tells them.

    Args:
        config: The settings.
        others: Names of more that do not decide; a new setting is one that does.
    """
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in _PLACES | others}


def versions(config: PreprocessConfig, packages: Sequence[str] = _PACKAGES) -> dict[str, str]:
    """The versions of Python, of packages, and of those that the rules of cleaning need."""
    names = (*packages, *rules.packages(config.cleaning))
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def of_text(config: PreprocessConfig, intake: Intake) -> str:
    """The fingerprint of the shards of clean text."""
    made_by = versions(config, ["keras-nmt"])
    decides = settings(config, _ENDING | _LATER)
    return fingerprint({**decides, "states": intake.states, "versions": made_by, "shards": intake.shards})


def of_subwords(config: PreprocessConfig, text: str) -> str:
    """The fingerprint of the SentencePiece models.

    Args:
        config: The settings.
        text: That of the text.
    """
    given = [_state(path) for path in config.subwords]
    decides = {"settings": settings(config, _ENDING), "text": text, "given": given}
    return fingerprint(decides | {"versions": versions(config)})


def of_records(config: PreprocessConfig, text: str, subwords: tuple[Subwords, Subwords]) -> str:
    """The fingerprint of the shards of records.

    Args:
        config: The settings.
        text: That of the text.
        subwords: The models of both sides.
    """
    models = [side.fingerprint for side in subwords]
    decides = {"text": text, "subwords": models, "settings": settings(config, _ENDING)}
    return fingerprint(decides | {"versions": versions(config)})


def _state(path: str) -> list[Any]:
    """What tells whether a file is another one."""
    if not os.path.exists(path):
        return [path]
    found = os.stat(path)
    return [path, found.st_size, found.st_mtime_ns]
