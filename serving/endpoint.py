"""A model to translate with, wherever it is: a run, an export, or a server."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from models.run import CONFIG_FILE
from pipeline.errors import UserError
from serving.client import URL_SCHEMES, Client
from serving.fingerprint import folder_fingerprint, runs_fingerprint, served_fingerprint

# Seconds for one request of long texts: who waits for lines on stdout would only ask again.
ANSWER_TIMEOUT = 3600.0

Translate = Callable[[Sequence[str]], list[str]]


class Endpoint(NamedTuple):
    """A model ready to translate.

    Attributes:
        translate: Translates texts, in order and in number.
        decoding: The settings of its search; of a server's model they are not known.
        fingerprint: Gives what is equal for equal models, and most likely differs for others.
    """

    translate: Translate
    decoding: dict[str, Any]
    fingerprint: Callable[[], str]

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Translates texts, in order and in number."""
        return self.translate(texts)


def open_model(
    model: str,
    beam_size: int | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    ensemble: Sequence[str] = (),
) -> Endpoint:
    """Opens a model; TensorFlow is loaded for a folder and for gRPC alone.

    Args:
        model: The folder of a run or of an export, or the URL of a served model.
        beam_size: Instead of the recipe's, as are the next two; a run can take any, an export only its own.
        temperature: See `DecodingConfig`.
        seed: See `DecodingConfig`.
        ensemble: Runs whose models translate together with that of a run.

    Raises:
        UserError: There is no such model, its search is fixed at other settings, or the runs have other subwords.
    """
    settings = {"beam_size": beam_size, "temperature": temperature, "seed": seed}
    given = {name: value for name, value in settings.items() if value is not None}
    for name, value in given.items():
        if value < (least := 1 if name == "beam_size" else 0):
            option = _option(name)
            raise UserError(f"{option}: expected at least {least}, received {value}; change {option}")
    if model.startswith(URL_SCHEMES):
        for name, value in given.items():
            raise _fixed(name, value, "the URL of a served model, whose search is fixed at export")
        _require_one(ensemble, "the URL of a served model")
        client = Client(model, timeout=ANSWER_TIMEOUT)
        return Endpoint(client.translate, {"url": model}, lambda: served_fingerprint(client))
    if (Path(model) / CONFIG_FILE).exists():
        return _open_run(model, ensemble, given)
    return _open_export(model, ensemble, given)


def _open_run(run: str, ensemble: Sequence[str], settings: Mapping[str, Any]) -> Endpoint:
    import tensorflow as tf

    from serving.translator import Translator

    translator = Translator.from_run(run, ensemble, **settings)

    def translate(texts: Sequence[str]) -> list[str]:
        try:
            translations = translator.translate(tf.constant(list(texts), tf.string))["translation"]
        except tf.errors.InvalidArgumentError as error:
            raise _refusal(error) from None
        return [line.decode() for line in translations.numpy()]

    return Endpoint(translate, dataclasses.asdict(translator.decoding), lambda: runs_fingerprint([run, *ensemble]))


def _open_export(export: str, ensemble: Sequence[str], settings: Mapping[str, Any]) -> Endpoint:
    from serving.export import exported_decoding
    from serving.servable import newest_version

    version = newest_version(export)
    _require_one(ensemble, "an export")
    decoding = exported_decoding(version)
    for name, value in settings.items():
        if value != decoding[name]:
            raise _fixed(name, value, f"an export with {_option(name)} {decoding[name]}")
    return open_version(version)


def open_version(version: Path) -> Endpoint:
    """Opens one version of an export.

    Args:
        version: The folder EXPORT/<version>.

    Raises:
        UserError: It was not made by `nmt export`.
    """
    import numpy as np

    from serving.export import exported_decoding
    from serving.servable import Servable
    from serving.status import StatusError

    decoding = exported_decoding(version)
    servable = Servable(version, timeout=24 * 3600)

    def translate(texts: Sequence[str]) -> list[str]:
        rows = np.array([text.encode() for text in texts], object)
        try:
            translations = servable.run("serving_default", {"text": rows})["translation"]
        except StatusError as error:
            raise _refusal(error) from None
        return [line.decode() for line in translations]

    return Endpoint(translate, decoding, lambda: folder_fingerprint(version))


def _refusal(error: Exception) -> Exception:
    """A text that the model's graph refuses is a user's mistake, told in the graph's words; other errors stay."""
    told = re.search(r"\[(text: [^\]]*)\]", str(error))
    return UserError(told[1]) if told else error


def _fixed(name: str, value: Any, found: str) -> UserError:
    return UserError(
        f"{_option(name)}: expected none, as MODEL is {found}, received {value}; give a run, or train with"
        f" --decoding.{name} and export again"
    )


def _require_one(ensemble: Sequence[str], found: str) -> None:
    """Refuses an ensemble with what is no run."""
    if ensemble:
        raise UserError(
            f"--ensemble: expected none, as MODEL is {found}, received {' '.join(ensemble)}; give a run, or export one"
            " with --ensemble"
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
