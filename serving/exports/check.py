"""Whether TensorFlow Serving would serve an export: all that can be told without the server itself."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from pipeline.errors import UserError
from serving.exports import standalone
from serving.graph.translator import Translator

# Scores so close may change places on another device.
TIE = 1e-4
SAMPLES = (
    "",
    " ",
    "One.",
    "Is 3.5 more than 2?",
    '"Quoted", (bracketed) & <tagged>',
    "Grüße, Ωmega, 東京 \U0001f600",
    "no word of any language: xqzt",
    " ".join(["a longer text, which may be divided,"] * 12),
)
_REFUSED_PREFIXES = ("Xla", "PyFunc", "EagerPyFunc", "Addons>")


def check_export(version: Path, translator: Translator, texts: Sequence[str] = SAMPLES) -> None:
    """Loads a version in a fresh process, without this project, and holds it to TensorFlow Serving's rules.

    Args:
        version: The folder that holds `saved_model.pb`.
        translator: What was exported; the version has to translate alike.
        texts: What is translated.

    Raises:
        UserError: A rule is broken.
    """
    encoded = [text.encode(errors="replace") for text in texts]
    broken = broken_rules(read_graph(version))
    if not broken:
        try:
            found = examine(version, encoded)
        except RuntimeError as error:
            broken = [f"the model loads and runs without this project: {error}"]
        else:
            broken = [*broken_in_process(found), *_differences(found, translator, encoded)]
    if broken:
        told = "; ".join(" ".join(rule.split()) for rule in broken)
        raise UserError(
            f"--check: expected an export that TensorFlow Serving serves, received one that breaks rules ({told}); no"
            " version was made; use the versions of TensorFlow and of this project that setup.py names"
        )


def read_graph(version: Path) -> meta_graph_pb2.MetaGraphDef:
    """Reads the one graph of a SavedModel."""
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((version / "saved_model.pb").read_bytes())
    (meta_graph,) = saved_model.meta_graphs
    return meta_graph


def nodes(meta_graph: meta_graph_pb2.MetaGraphDef) -> list[Any]:
    """All nodes, of the graph and of its functions."""
    library = meta_graph.graph_def.library.function
    return [*meta_graph.graph_def.node, *(node for function in library for node in function.node_def)]


def refused_ops(meta_graph: meta_graph_pb2.MetaGraphDef) -> set[str]:
    """The operations, and the mark of a compiled function, that TensorFlow Serving would refuse to load or to run."""
    things = [*nodes(meta_graph), *meta_graph.graph_def.library.function]
    found = {"_XlaMustCompile" for thing in things if thing.attr["_XlaMustCompile"].b}
    ops = {node.op for node in nodes(meta_graph)}
    return found | {op for op in ops if op.startswith(_REFUSED_PREFIXES) or "Cudnn" in op}


def broken_rules(meta_graph: meta_graph_pb2.MetaGraphDef) -> list[str]:
    """The rules that a graph and its signatures break, each in words; none for a good one."""
    broken = [f"no {op} in the graph" for op in sorted(refused_ops(meta_graph))]
    signatures = {name: each for name, each in meta_graph.signature_def.items() if name != "__saved_model_init_op"}
    if "serving_default" not in signatures:
        broken.append("there is a signature serving_default")
    for name, signature in sorted(signatures.items()):
        broken += [f"signature {name}: {rule}" for rule in _broken_by_signature(signature)]
    return broken


def _broken_by_signature(signature: meta_graph_pb2.SignatureDef) -> Iterator[str]:
    if signature.method_name != "tensorflow/serving/predict":
        yield f"its method is tensorflow/serving/predict, not {signature.method_name!r}"
    if tf.string.as_datatype_enum not in {info.dtype for info in signature.inputs.values()}:
        yield "an input is a string"
    for side in (signature.inputs, signature.outputs):
        for name, info in sorted(side.items()):
            if info.WhichOneof("encoding") != "name":
                yield f"{name} is dense, neither ragged nor sparse"
    for name, info in sorted(signature.inputs.items()):
        if _shape(info) != [-1]:
            yield f"input {name} is [batch], not {_shape(info)}"
    for name, info in sorted(signature.outputs.items()):
        shape = _shape(info)
        if not shape or shape[0] != -1 or len(shape) > 2 or -1 in shape[1:]:
            yield f"output {name} is [batch] or [batch, K] with K fixed, not {shape}"


def _shape(info: meta_graph_pb2.TensorInfo) -> list[int] | None:
    return None if info.tensor_shape.unknown_rank else [dim.size for dim in info.tensor_shape.dim]


def examine(version: Path, texts: Sequence[bytes]) -> dict[str, Any]:
    """Runs `serving.exports.standalone` on a version.

    Args:
        version: The folder that holds `saved_model.pb`.
        texts: What its signatures are run on.

    Returns:
        See `serving.exports.standalone.examine`.

    Raises:
        RuntimeError: The process failed; the message is its last line.
    """
    request = {"folder": str(version.absolute()), "texts": [base64.b64encode(text).decode() for text in texts]}
    done = subprocess.run(
        # Isolated, so that neither the working folder nor PYTHONPATH brings this project in.
        [sys.executable, "-I", str(Path(standalone.__file__).absolute())],
        input=json.dumps(request),
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def broken_in_process(found: dict[str, Any]) -> list[str]:
    """The rules that a model breaks as it runs, each in words.

    Args:
        found: What `examine` gave.
    """
    broken = [f"the server has the operation {op}" for op in found["unregistered"]]
    for name, runs in found["signatures"].items():
        for rows, outputs in ((runs["count"], runs["texts"]), (0, runs["none"])):
            broken += [
                f"signature {name}: output {alias} has as many rows as there are texts, {rows}, not {value['shape']}"
                for alias, value in outputs.items()
                if value["shape"][:1] != [rows]
            ]
        broken += [
            f"signature {name}: output {alias} is UTF-8, or its name ends in _bytes"
            for alias, value in runs["texts"].items()
            if not alias.endswith("_bytes") and any("\udc80" <= char <= "\udcff" for char in _as_text(value))
        ]
    return broken


def _as_text(value: dict[str, Any]) -> str:
    return json.dumps(value["values"], ensure_ascii=False)


def _differences(found: dict[str, Any], translator: Translator, texts: Sequence[bytes]) -> list[str]:
    """Where a version is not what was exported: in the size of its weights, or in a translation."""
    parameters = sum(variable.numpy().nbytes for variable in translator.variables)
    broken = []
    if found["parameters"] != parameters:
        broken.append(f"it holds the {parameters} bytes of the model's weights once, not {found['parameters']}")
    rows = tf.constant(list(texts), tf.string)
    expected = [text.decode() for text in translator.translate(rows)["translation"].numpy()]
    # `decode` is run with the exported options.
    told = [
        found["signatures"][name]["texts"]["translation"]["values"]
        for name in sorted(found["signatures"].keys() & {"serving_default", "decode"})
    ]
    if any(translations != expected for translations in told):
        # They take a graph of their own, which a good export has no use for.
        scores = translator.nbest(rows)["scores"].numpy()
        broken += [
            f"it translates as its run does: {text.decode()!r} became {its!r}, not {mine!r}"
            for translations in told
            for text, mine, its, score in zip(texts, expected, translations, scores, strict=True)
            if mine != its and not _tied(score)
        ]
    return broken[:3]


def _tied(scores: np.ndarray) -> bool:
    """Whether the best two of some hypotheses, `(beam,)`, may change places."""
    return len(scores) > 1 and bool(scores[0] - scores[1] < TIE)
