"""A data set of English and German, from which a model learns to translate from German to English."""

import json

import pytest
import tensorflow as tf

from models.config import BatchingConfig, DecodingConfig, ModelConfig, Recipe, TrainingConfig
from models.run import RunConfig
from models.training.train import train
from pipeline.schema import Manifest
from serving.evaluate import evaluate, score
from serving.exports.export import export as make_export
from serving.graph.translator import Translator
from tests.serving.conftest import draw_pairs, draw_protected, make_data

pytestmark = pytest.mark.slow
RECIPE = Recipe(
    BatchingConfig(size=16, subword_regularization=0.05),
    ModelConfig(
        cell="gru",
        encoder_units=32,
        decoder_units=32,
        embedding_size=24,
        attention_units=24,
        readout_units=24,
        dropout=0.0,
    ),
    TrainingConfig(epochs=8, learning_rate=0.02, label_smoothing=0.0, clip_norm=5.0),
    DecodingConfig(beam_size=2, shortlist=20, max_source_length=60, max_length_factor=1.5),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The data set, with subwords for each side and with placeholders, and the run."""
    folder = tmp_path_factory.mktemp("reverse")
    data = make_data(folder, joint_vocabulary=False, protect=True)
    train(RECIPE, str(data), str(folder / "run"), reverse=True)
    return data, folder / "run"


@pytest.fixture(scope="module")
def translator_back(made):
    return Translator.from_run(made[1])


def test_it_trains_and_evaluates_from_the_target_to_the_source(made, translator_back, tmp_path):
    data, run = made
    config, manifest = RunConfig.read_from(run), Manifest.read_from(data)
    assert (config.source_language, config.target_language) == ("de", "en")
    assert config.source_fingerprint == manifest.target.fingerprint != manifest.source.fingerprint
    assert config.target_fingerprint == manifest.source.fingerprint
    pairs = draw_pairs(60, seed=9)
    for side, name in enumerate(("en", "de")):
        (tmp_path / name).write_text("".join(f"{pair[side]}\n" for pair in pairs))
    found = evaluate(str(run), str(tmp_path / "de"), str(tmp_path / "en"))
    english, german = zip(*pairs, strict=True)
    wrong = [line.decode() for line in translator_back.translate(tf.constant(english))["translation"].numpy()]
    assert found.bleu > 60 > 30 > score(wrong, german, 0, {}).bleu


def test_its_export_translates_and_names_the_languages(made, translator_back, tmp_path):
    _, run = made
    version = make_export(str(run), str(tmp_path), signatures=())
    card = json.loads((tmp_path / "1" / "export.json").read_text())
    assert card["languages"] == {"source": "de", "target": "en"}
    texts = tf.constant(["rot Katzen und vier", "rot {abc} Katzen"])
    translate = tf.saved_model.load(version).signatures["serving_default"]
    [(name, _)] = translate.structured_input_signature[1].items()
    exported = translate(**{name: texts})["translation"].numpy().tolist()
    assert exported == translator_back.translate(texts)["translation"].numpy().tolist()
    assert exported[0] == b"red cats and four" and b"{abc}" in exported[1]


def test_placeholders_come_where_they_belong(translator_back):
    pairs = draw_protected(30, seed=12)
    texts = tf.constant([target for _, target in pairs])
    found = [line.decode() for line in translator_back.translate(texts)["translation"].numpy()]
    exact = sum(translation == source for translation, (source, _) in zip(found, pairs, strict=True))
    assert exact > len(pairs) // 3
