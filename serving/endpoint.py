"""A model to translate with, wherever it is: a run, an export, or a server."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from models.run import CONFIG_FILE
from pipeline.errors import UserError
from serving.client import URL_SCHEMES, Client
from serving.exports.export_folder import newest_version
from serving.exports.fingerprint import folder_fingerprint, runs_fingerprint, served_fingerprint
from serving.graph.decode_options import OPTIONS, filled

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
        beam_size: Instead of the recipe's, as are the next two; a run can take any, an export as many as it has been
            made for.
        temperature: See `DecodingConfig`.
        seed: See `DecodingConfig`.
        ensemble: Runs whose models translate together with that of a run.

    Raises:
        UserError: There is no such model, it cannot search so, or the runs have other subwords.
    """
    settings = {"beam_size": beam_size, "temperature": temperature, "seed": seed}
    given = {name: value for name, value in settings.items() if value is not None}
    for name, value in given.items():
        if value < (least := 1 if name == "beam_size" else 0):
            option = _option(name)
            raise UserError(f"{option}: expected at least {least}, received {value}; change {option}")
    if model.startswith(URL_SCHEMES):
        _require_one(ensemble, "the URL of a served model")
        client = Client(model, timeout=ANSWER_TIMEOUT)

        def translate(texts: Sequence[str]) -> list[str]:
            return client.decode(texts, **given) if given else client.translate(texts)

        return Endpoint(translate, {"url": model} | given, lambda: served_fingerprint(client))
    if (Path(model) / CONFIG_FILE).exists():
        return _open_run(model, ensemble, given)
    return _open_export(model, ensemble, given)


def _open_run(run: str, ensemble: Sequence[str], settings: Mapping[str, Any]) -> Endpoint:
    import tensorflow as tf

    from serving.graph.translator import Translator

    translator = Translator.from_run(run, ensemble, **settings)

    def translate(texts: Sequence[str]) -> list[str]:
        try:
            translations = translator.translate(tf.constant(list(texts), tf.string))["translation"]
        except tf.errors.InvalidArgumentError as error:
            raise _refusal(error) from None
        return [line.decode() for line in translations.numpy()]

    return Endpoint(translate, dataclasses.asdict(translator.decoding), lambda: runs_fingerprint([run, *ensemble]))


def _open_export(export: str, ensemble: Sequence[str], settings: Mapping[str, Any]) -> Endpoint:
    version = newest_version(export)
    _require_one(ensemble, "an export")
    # Not before, as it loads TensorFlow.
    from serving.exports.export import exported_decoding

    decoding = exported_decoding(version)
    widest = max(decoding["beam_size"], decoding["max_beam_size"])
    if (beam_size := settings.get("beam_size", 1)) > widest:
        raise UserError(
            f"--beam-size: expected at most {widest}, as MODEL is an export made for that, received {beam_size}; give a"
            " run, or train with --decoding.max_beam_size and export again"
        )
    return open_version(version, {name: value for name, value in settings.items() if value != decoding[name]})


def open_version(version: Path, settings: Mapping[str, Any] | None = None) -> Endpoint:
    """Opens one version of an export.

    Args:
        version: The folder EXPORT/<version>.
        settings: Options of `decode` that are not as they were exported; by default all are.

    Raises:
        UserError: It was not made by `nmt export`, or by an earlier one that knew no options.
    """
    import numpy as np

    from serving.embedded.status import StatusError
    from serving.exports.export import exported_decoding
    from serving.servable import Servable

    decoding = exported_decoding(version)
    servable = Servable(version, timeout=24 * 3600)
    options = filled(settings) if settings else {}
    if options and "decode" not in servable.signatures:
        name, value = next(iter(dict(settings or {}).items()))
        raise UserError(
            f"{_option(name)}: expected none, as MODEL is an export without the signature decode, received {value};"
            " export the run anew"
        )

    def translate(texts: Sequence[str]) -> list[str]:
        rows = {"text": np.array([text.encode() for text in texts], object)}
        for name, value in options.items():
            rows[name] = np.full(len(texts), value, np.int32 if OPTIONS[name] is int else np.float32)
        try:
            translations = servable.run("decode" if options else "serving_default", rows)["translation"]
        except StatusError as error:
            raise _refusal(error) from None
        return [line.decode() for line in translations]

    return Endpoint(translate, decoding | dict(settings or {}), lambda: folder_fingerprint(version))


def _refusal(error: Exception) -> Exception:
    """A text or option that the model's graph refuses is a user's mistake, told in its words; other errors stay."""
    told = re.search(r"\[([a-z_]+: expected [^\]]*)\]", str(error))
    return UserError(told[1]) if told else error


def _require_one(ensemble: Sequence[str], found: str) -> None:
    """Refuses an ensemble with what is no run."""
    if ensemble:
        raise UserError(
            f"--ensemble: expected none, as MODEL is {found}, received {' '.join(ensemble)}; give a run, or export one"
            " with --ensemble"
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
