"""A model to translate with, wherever it is: a run, an export, or a server."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from models.run import CONFIG_FILE
from pipeline.errors import UserError
from serving.client import Client

# Seconds for one request of long texts: who waits for lines on stdout would only ask again.
ANSWER_TIMEOUT = 3600.0

Translate = Callable[[Sequence[str]], list[str]]


class Endpoint(NamedTuple):
    """A model ready to translate.

    Attributes:
        translate: Translates texts, in order and in number.
        decoding: The settings of its search; of a server's model they are not known.
    """

    translate: Translate
    decoding: dict[str, Any]

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Translates texts, in order and in number."""
        return self.translate(texts)


def open_model(model: str, beam_size: int | None = None) -> Endpoint:
    """Opens a model; TensorFlow is loaded for a folder alone.

    Args:
        model: The folder of a run or of an export, or the URL of a served model.
        beam_size: Instead of the recipe's; a run can take any, an export only its own.

    Raises:
        UserError: There is no such model, or its beam is fixed at another size.
    """
    if beam_size is not None and beam_size < 1:
        raise UserError(f"--beam-size: expected at least 1, received {beam_size}; change --beam-size")
    if model.startswith(("http://", "https://")):
        if beam_size is not None:
            raise _fixed(beam_size, "the URL of a served model, whose beam is fixed at export")
        return Endpoint(Client(model, timeout=ANSWER_TIMEOUT).translate, {"url": model})
    if (Path(model) / CONFIG_FILE).exists():
        return _open_run(model, beam_size)
    return _open_export(model, beam_size)


def _open_run(run: str, beam_size: int | None) -> Endpoint:
    import tensorflow as tf

    from serving.translator import Translator

    translator = Translator.from_run(run, beam_size)

    def translate(texts: Sequence[str]) -> list[str]:
        try:
            translations = translator.translate(tf.constant(list(texts), tf.string))["translation"]
        except tf.errors.InvalidArgumentError as error:
            raise _refusal(error) from None
        return [line.decode() for line in translations.numpy()]

    return Endpoint(translate, dataclasses.asdict(translator.decoding))


def _open_export(export: str, beam_size: int | None) -> Endpoint:
    import numpy as np

    from serving.export import exported_decoding
    from serving.servable import Servable, newest_version
    from serving.status import StatusError

    version = newest_version(export)
    decoding = exported_decoding(version)
    if beam_size is not None and beam_size != decoding["beam_size"]:
        raise _fixed(beam_size, f"an export with a beam of {decoding['beam_size']}")
    servable = Servable(version, timeout=24 * 3600)

    def translate(texts: Sequence[str]) -> list[str]:
        rows = np.array([text.encode() for text in texts], object)
        try:
            translations = servable.run("serving_default", {"text": rows})["translation"]
        except StatusError as error:
            raise _refusal(error) from None
        return [line.decode() for line in translations]

    return Endpoint(translate, decoding)


def _refusal(error: Exception) -> Exception:
    """A text that the model's graph refuses is a user's mistake, told in the graph's words; other errors stay."""
    told = re.search(r"\[(text: [^\]]*)\]", str(error))
    return UserError(told[1]) if told else error


def _fixed(beam_size: int, found: str) -> UserError:
    return UserError(
        f"--beam-size: expected none, as MODEL is {found}, received {beam_size}; give a run, or train with"
        " --decoding.beam_size and export again"
    )
