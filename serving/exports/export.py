"""A run as a SavedModel that TF Serving serves."""

import dataclasses
import importlib.metadata
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf
from tqdm import tqdm

from models.config import DecodingConfig
from models.run import RunConfig
from pipeline.errors import UserError
from pipeline.files import write_beside
from serving.exports.card import describe
from serving.exports.export_folder import EXPORT_FILE, next_version
from serving.exports.release_config import SIGNATURES, SignatureName, WeightKind
from serving.exports.tf_serving_configs import write_configs
from serving.graph.translator import Translator

FORMAT = 1
_VERSIONED = ("keras-nmt", "tensorflow", "tensorflow-text", "keras", "sacrebleu")


def export(
    run: str,
    output: str,
    ensemble: Sequence[str] = (),
    checks: Sequence[Callable[[Path, Translator], None]] = (),
    weights: WeightKind = "float32",
    signatures: Sequence[SignatureName] = SIGNATURES,
) -> str:
    """Writes the best model of a run as the next version of an export.

    Args:
        run: The run's folder.
        output: The export's folder; TF Serving is pointed at it.
        ensemble: Runs whose best models translate together with it.
        checks: Called with the written folder and what it holds, before it becomes a version; an error keeps it out.
        weights: How large matrices are stored.
        signatures: What it answers: `serving_default` always, and `align` only where the model can.

    Returns:
        The path of the new version, `output/<version>`, with `saved_model.pb` and `export.json`. Beside it lie files of
        settings for TensorFlow Serving, which are left alone if they have been there.

    Raises:
        UserError: A run is not whole, or of other subwords than the first.
    """
    config, translator = RunConfig.read_from(run), Translator.from_run(run, ensemble, weights)
    version = next_version(output)
    card = {
        "format": FORMAT,
        "languages": {"source": config.source_language, "target": config.target_language},
        "source_fingerprint": config.source_fingerprint,
        "target_fingerprint": config.target_fingerprint,
        "data_fingerprint": config.data_fingerprint,
        "protected": config.protected,
        "run": run,
        "recipe": dataclasses.asdict(config.recipe),
        "ensemble": [
            {"run": other, "recipe": dataclasses.asdict(RunConfig.read_from(other).recipe)} for other in ensemble
        ],
        "weights": weights,
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONED},
    }
    functions = {"serving_default": translator.translate}
    functions |= {
        name: getattr(translator, name)
        for name in signatures
        if name not in functions and (name != "align" or translator.attends)
    }
    # As what is traced: a function would be traced anew while it is saved.
    traced = {
        name: function.get_concrete_function()
        for name, function in tqdm(functions.items(), desc="trace", unit="signature", disable=None)
    }
    with write_beside(version) as folder:
        # Without gradients, which a service has no use for and which are functions of the graph, too.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(translator.held(), str(folder), signatures=traced, options=options)
        card |= describe(folder, run)
        (folder / EXPORT_FILE).write_text(json.dumps(card, indent=2) + "\n")
        for check in checks:
            check(folder, translator)
    write_configs(output)
    return str(version)


def exported_decoding(version: Path) -> dict[str, int | float]:
    """The settings of search that a version was exported with.

    Raises:
        UserError: It was not made by `export`.
    """
    try:
        told = json.loads((version / EXPORT_FILE).read_text())["recipe"]["decoding"]
        # What a setting of later is by default, an export of before does.
        return dataclasses.asdict(DecodingConfig()) | told
    except FileNotFoundError:
        raise UserError(
            f"EXPORT: expected a version made by `nmt export`, received {str(version)!r}, which holds no {EXPORT_FILE};"
            " export the run anew"
        ) from None
