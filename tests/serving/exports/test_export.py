import contextlib
import dataclasses
import json
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models.run import RunConfig, load_model
from pipeline.reading.parsing import parse
from pipeline.schema import Manifest
from pipeline.tokenizer import Tokenizer
from serving.embedded.status import Code, StatusError
from serving.exports.check import broken_in_process, broken_rules, examine, nodes, read_graph
from serving.exports.export import export as make_export
from serving.exports.export import exported_decoding
from serving.exports.release_config import SIGNATURES
from serving.exports.tf_serving_configs import CONFIGS
from serving.graph.decode_options import OPTIONS
from serving.graph.translator import Translator
from serving.servable import Servable
from tests.serving.conftest import export_alone


@pytest.fixture(scope="module")
def plain_export(plain_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain-export")
    export_alone(plain_run, folder, signatures=("nbest", "align"))
    return folder / "export"


def test_nothing_that_the_server_refuses(export):
    graph = read_graph(export / "1")
    assert "SentencepieceTokenizeOp" in {node.op for node in nodes(graph)}, "the functions were not looked into"
    assert broken_rules(graph) == []


def shape(info):
    return [dim.size for dim in info.tensor_shape.dim]


def test_signatures(export):
    signatures = dict(read_graph(export / "1").signature_def)
    del signatures["__saved_model_init_op"]
    found = {
        name: [
            {alias: (tf.dtypes.as_dtype(info.dtype).name, shape(info)) for alias, info in side.items()}
            for side in (signature.inputs, signature.outputs)
        ]
        for name, signature in signatures.items()
    }
    assert found == {
        "serving_default": [{"text": ("string", [-1])}, {"translation": ("string", [-1])}],
        "nbest": [
            {"text": ("string", [-1])},
            {"translations": ("string", [-1, 3]), "scores": ("float32", [-1, 3]), "lengths": ("int32", [-1, 3])},
        ],
        "align": [{"text": ("string", [-1])}, {"translation": ("string", [-1]), "alignment": ("string", [-1])}],
        "score": [
            {"text": ("string", [-1]), "target": ("string", [-1])},
            {
                "log_probability": ("float32", [-1]),
                "pieces": ("int32", [-1]),
                "piece_log_probabilities": ("string", [-1]),
            },
        ],
        "prefix": [{"text": ("string", [-1]), "prefix": ("string", [-1])}, {"translation": ("string", [-1])}],
        "decode": [
            {"text": ("string", [-1])}
            | {name: ("int32" if kind is int else "float32", [-1]) for name, kind in OPTIONS.items()},
            {"translation": ("string", [-1]), "score": ("float32", [-1]), "length": ("int32", [-1])},
        ],
    }
    for signature in signatures.values():
        assert signature.method_name == "tensorflow/serving/predict"
        for info in [*signature.inputs.values(), *signature.outputs.values()]:
            assert info.WhichOneof("encoding") == "name", "neither sparse nor ragged"
            assert not info.tensor_shape.unknown_rank


@pytest.mark.parametrize("count", [0, 1, 3, 65])
def test_the_first_dimension_is_the_batch(servable, sentences, count):
    texts = np.array([text.encode() for text in sentences[:count]], object)
    assert servable.run("serving_default", {"text": texts})["translation"].shape == (count,)
    assert {value.shape for value in servable.run("nbest", {"text": texts}).values()} == {(count, 3)}


@pytest.mark.parametrize("shape", [(), (2, 2)])
def test_a_batch_of_another_rank_is_an_error(servable, shape):
    for name in ("serving_default", "nbest"):
        with pytest.raises(StatusError, match="is not compatible with expected shape") as caught:
            servable.run(name, {"text": np.full(shape, b"one", object)})
        assert caught.value.code == Code.INVALID_ARGUMENT


def test_the_variables_are_the_parameters_and_nothing_else(export, run):
    values = [variable.numpy() for variable in load_model(run).trainable_variables]
    reader = tf.train.load_checkpoint(str(export / "1" / "variables" / "variables"))
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    assert len(names) == len(values)
    for name in names:
        np.testing.assert_array_equal(reader.get_tensor(name), values[int(name.split("/")[1])])
    # Beside them there is the description of the objects: its length in 7 bits a byte, the length's checksum, itself.
    description = len(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
    (file,) = (export / "1" / "variables").glob("variables.data*")
    overhead = -(-description.bit_length() // 7) + 4 + description
    assert file.stat().st_size == sum(value.nbytes for value in values) + overhead


def embedded_subwords(meta_graph) -> set[bytes]:
    return {node.attr["model"].s for node in nodes(meta_graph) if node.op == "SentencepieceOp"}


def test_nothing_of_the_data_set_is_needed(export, data):
    files = [path for path in (export / "1").rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not [path for path in files if str(data).encode() in path.read_bytes()]


def test_the_subwords_of_the_data_set_are_embedded(export, run, data):
    expected = (data / "joint.spm").read_bytes()
    assert (run / "source.spm").read_bytes() == (run / "target.spm").read_bytes() == expected
    assert embedded_subwords(read_graph(export / "1")) == {expected}


def test_the_ids_are_those_of_the_records(run, data):
    """Tokenizer and bytes as in the graph, on the raw lines, against what the Beam job has written."""
    manifest = Manifest.read_from(data)
    files = [str(data / shard.file) for split in manifest.splits.values() for shard in split.shards]
    written = [ids.to_list() for ids in parse(tf.constant(list(tf.data.TFRecordDataset(files).as_numpy_iterator())))]
    tokenizer = Tokenizer.read(run / "source.spm", RunConfig.read_from(run).source_fingerprint)
    sides = [(data.parent / name).read_bytes().splitlines() for name in ("source.txt", "target.txt")]
    found = [tokenizer.tokenize(tf.constant(lines)).to_list() for lines in sides]
    assert len(written[0]) == manifest.read == 500
    assert sorted(zip(*written, strict=True)) == sorted(zip(*found, strict=True))


def test_the_card_beside_the_model(export, run):
    card, config = json.loads((export / "1" / "export.json").read_text()), RunConfig.read_from(run)
    assert (card["format"], card["source_fingerprint"]) == (1, config.source_fingerprint)
    assert card["data_fingerprint"] == config.data_fingerprint
    assert card["languages"] == {"source": "en", "target": "de"}
    assert card["recipe"]["model"]["attention"] == "additive"
    assert (card["run"], card["ensemble"]) == (str(export.parent / "run"), [])
    assert not Path(card["run"]).exists()
    assert card["versions"]["tensorflow"] == tf.__version__
    assert card["limits"] == {
        "text_pieces": 20_000,
        "beam_size": 10,
        "part_pieces": 40,
        "translated_part_pieces": "1.5 * part_pieces + 10",
    }
    assert {"SentencepieceTokenizeOp", "SentencepieceDetokenizeOp", "While"} <= set(card["operations"])
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    # The first of those with the highest BLEU.
    best = max(rows, key=lambda row: row["val_bleu"])
    told = card["validation"]
    assert (told["epoch"], told["bleu"], told["loss"]) == (best["epoch"], best["val_bleu"], best["val_loss"])
    assert told["bleu"] > 50
    version = f"version:{card['versions']['sacrebleu']}"
    assert told["signature"] == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|{version}"
    assert exported_decoding(export / "1")["beam_size"] == config.recipe.decoding.beam_size == 3


def test_an_ensemble_is_one_graph_and_translates_as_its_runs(run, other_run, translator, sentences, tmp_path):
    exported = []

    def keep(folder, translator):
        exported.append(translator)

    signatures = ("nbest", "align")
    version = Path(make_export(str(run), str(tmp_path), [str(other_run)], [keep], signatures=signatures))
    assert broken_rules(read_graph(version)) == []
    texts, (expected,) = sentences[:80], exported
    servable = Servable(version)
    try:
        rows = np.array([text.encode() for text in texts], object)
        translations = servable.run("serving_default", {"text": rows})["translation"].tolist()
        scores = servable.run("nbest", {"text": rows})["scores"]
    finally:
        servable.close()
    assert translations == expected.translate(tf.constant(texts))["translation"].numpy().tolist()
    np.testing.assert_allclose(scores, expected.nbest(tf.constant(texts))["scores"], rtol=1e-4, atol=1e-5)
    alone = translator.nbest(tf.constant(texts))["scores"].numpy()
    assert np.abs(scores - alone).max() > 0.01, "the other run had no say"
    card = json.loads((version / "export.json").read_text())
    recipes = [dataclasses.asdict(RunConfig.read_from(each).recipe) for each in (run, other_run)]
    assert (card["format"], card["run"], card["recipe"]) == (1, str(run), recipes[0])
    assert card["ensemble"] == [{"run": str(other_run), "recipe": recipes[1]}]
    assert exported_decoding(version) == recipes[0]["decoding"]


def test_what_was_not_asked_for_is_not_in_the_file(export, plain_export):
    """A SavedModel also holds the functions of the object that is saved, signatures or not."""
    exports = (export, {"serving_default", *SIGNATURES}), (plain_export, {"serving_default", "nbest"})
    for version, names in ((folder / "1", names) for folder, names in exports):
        objects = read_graph(version).object_graph_def.nodes
        children = [each for node in objects for each in node.children]
        kinds = {(objects[each.node_id].WhichOneof("kind"), each.local_name) for each in children}
        # Beside the signatures there are those of the tokenizers' resources.
        assert {name for kind, name in kinds if kind == "bare_concrete_function"} == {*names, "trace_0"}
        own = {"_create_resource", "_initialize", "_destroy_resource"}
        assert {name for kind, name in kinds if kind == "function"} == own


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Lets no file of this process grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.slow
def test_a_failure_leaves_nothing_and_versions_count_up(plain_run, tmp_path):
    for name in ("2", "7", "notes", "v12", "\u0663\u0661"):
        (tmp_path / name).mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises((tf.errors.OpError, OSError), match="File too large"), largest_file(50_000):
        make_export(str(plain_run), str(tmp_path), signatures=())
    assert sorted(tmp_path.iterdir()) == before
    assert make_export(str(plain_run), str(tmp_path), signatures=()) == str(tmp_path / "8")
    assert {path.name for path in (tmp_path / "8").iterdir()} >= {"saved_model.pb", "export.json", "variables"}
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "8", *(tmp_path / name for name in CONFIGS)])


@pytest.mark.slow
def test_a_model_of_other_parts_exports(plain_export, plain_run):
    graph = read_graph(plain_export / "1")
    assert broken_rules(graph) == []
    assert embedded_subwords(graph) == {(plain_run / f"{side}.spm").read_bytes() for side in ("source", "target")}
    assert len(embedded_subwords(graph)) == 2
    assert shape(graph.signature_def["nbest"].outputs["scores"]) == [-1, 1]
    assert "align" not in graph.signature_def


@pytest.fixture(scope="module")
def texts(sentences, hostile):
    # The line of 10,000 words has a test of its own.
    return [*(text.encode() for text in sentences), *(line for line in hostile if len(line) < 1_000)]


@pytest.fixture(scope="module")
def answer(export, plain_export, texts, tmp_path_factory):
    """What fresh processes say, elsewhere than the project, of exports whose runs are gone."""
    exports = {"attention": export, "plain": plain_export}
    with contextlib.chdir(tmp_path_factory.mktemp("elsewhere")):
        return {kind: examine(folder / "1", texts) for kind, folder in exports.items()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["attention", "plain"])
def test_an_export_stands_alone_and_translates_as_its_run(answer, translator, plain_run, texts, kind):
    translator = translator if kind == "attention" else Translator.from_run(plain_run)
    expected = [line.decode() for line in translator.translate(tf.constant(texts))["translation"].numpy()]
    assert len(expected) > 200
    best, nbest = (answer[kind]["signatures"][name]["texts"] for name in ("serving_default", "nbest"))
    assert best["translation"]["values"] == expected
    n_best = translator.nbest(tf.constant(texts))
    assert nbest["translations"]["values"] == [
        [line.decode() for line in row] for row in n_best["translations"].numpy()
    ]
    np.testing.assert_allclose(nbest["scores"]["values"], n_best["scores"], rtol=1e-4, atol=1e-5)
    assert nbest["lengths"]["values"] == n_best["lengths"].numpy().tolist()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["attention", "plain"])
def test_the_server_has_every_operation(answer, kind, texts):
    assert {"tensorflow", "tensorflow_text"} <= set(answer[kind]["modules"])
    assert not {"pipeline", "models", "serving", "sentencepiece", "apache_beam"} & set(answer[kind]["modules"])
    assert answer[kind]["unregistered"] == []
    assert broken_in_process(answer[kind]) == []
