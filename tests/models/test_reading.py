"""Trainings that read a data set in reverse, or with other pieces in every epoch."""

import dataclasses
import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models.config import BatchingConfig, DecodingConfig, ModelConfig, Recipe, TrainingConfig
from models.run import RunConfig, load_shortlist
from models.training.checkpoint import Checkpoint
from models.training.train import train
from pipeline import records
from pipeline.errors import UserError
from pipeline.files import file_sha256
from pipeline.reading.parsing import parse
from pipeline.schema import Manifest
from pipeline.tokenizer import Tokenizer

RECIPE = Recipe(
    BatchingConfig(size=8, shuffle_buffer=16),
    ModelConfig(
        cell="gru",
        encoder="unidirectional",
        encoder_units=6,
        decoder_units=6,
        embedding_size=5,
        attention="none",
        readout="linear",
        dropout=0.3,
    ),
    TrainingConfig(epochs=2, learning_rate=0.01, checkpoint_every=2),
    DecodingConfig(beam_size=2, shortlist=20, max_length_offset=5),
)
DRAWN = dataclasses.replace(RECIPE, batching=dataclasses.replace(RECIPE.batching, subword_regularization=0.3))


def figures(run):
    rows = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    return [{name: row[name] for name in ("epoch", "loss", "val_loss", "val_bleu")} for row in rows]


def require_same_checkpoints(one, other):
    with np.load(one / "checkpoint.npz") as found, np.load(other / "checkpoint.npz") as expected:
        for name in sorted(set(expected.files) - {"progress"}):
            np.testing.assert_array_equal(found[name], expected[name], name)


class Killed(Exception):
    pass


@pytest.mark.slow
def test_drawn_pieces_are_trained_on_and_not_validated_on(data, tmp_path):
    one = dataclasses.replace(RECIPE.training, epochs=1)
    # So that both have the same weights as they are validated.
    still = dataclasses.replace(one, learning_rate=1e-12, schedule="constant")
    found = {}
    for name, recipe in (("own", RECIPE), ("drawn", DRAWN)):
        train(dataclasses.replace(recipe, training=still), data, str(tmp_path / name))
        found[name] = figures(tmp_path / name)[0]
    assert found["own"]["loss"] != pytest.approx(found["drawn"]["loss"], rel=1e-4)
    assert found["own"]["val_loss"] == pytest.approx(found["drawn"]["val_loss"], rel=1e-6)
    with pytest.raises(UserError, match=r"^--resume: .*\(batching\.subword_regularization: 0\.3 there, 0\.0 here\)"):
        train(dataclasses.replace(RECIPE, training=still), data, str(tmp_path / "drawn"), resume=True)


@pytest.fixture(scope="module")
def bilingual(data, tmp_path_factory):
    """The data set, with languages."""
    folder = shutil.copytree(data, tmp_path_factory.mktemp("bilingual") / "data")
    languages = {"source_language": "en", "target_language": "de"}
    dataclasses.replace(Manifest.read_from(folder), settings=languages).write(folder)
    return str(folder)


@pytest.fixture(scope="module")
def run_in_reverse(bilingual, tmp_path_factory):
    """Trains a recipe in reverse, once."""

    @functools.cache
    def trained(recipe):
        run = tmp_path_factory.mktemp("runs") / "run"
        train(recipe, bilingual, str(run), reverse=True)
        return run

    return trained


@pytest.fixture(scope="module")
def exchanged(bilingual, tmp_path_factory):
    """The data set, made from German to English."""
    folder = Path(shutil.copytree(bilingual, tmp_path_factory.mktemp("exchanged") / "data"))
    manifest, splits = Manifest.read_from(folder).reversed(), {}
    for name, split in manifest.splits.items():
        [shard] = split.shards
        pairs = [
            [side.to_list()[0] for side in parse(record[None])]
            for record in tf.data.TFRecordDataset(str(folder / shard.file))
        ]
        (folder / shard.file).write_bytes(b"".join(records.frame(records.serialize(*pair[::-1])) for pair in pairs))
        shard = dataclasses.replace(shard, sha256=file_sha256(folder / shard.file))
        splits[name] = dataclasses.replace(split, shards=(shard,))
    dataclasses.replace(manifest, splits=splits).write(folder)
    return str(folder)


@pytest.mark.slow
def test_a_run_with_drawn_pieces_goes_on_to_the_same_losses(bilingual, run_in_reverse, tmp_path, monkeypatch):
    whole, run, write, written = run_in_reverse(DRAWN), tmp_path / "run", Checkpoint._write, []

    def write_and_die(self):
        write(self)
        written.append((self.progress.epoch, self.progress.step))
        if written[-1] == (1, 2):
            raise Killed

    monkeypatch.setattr(Checkpoint, "_write", write_and_die)
    with pytest.raises(Killed):
        train(DRAWN, bilingual, str(run), reverse=True)
    monkeypatch.undo()
    tf.random.set_seed(77)
    train(DRAWN, bilingual, str(run), resume=True, reverse=True)
    assert figures(run) == figures(whole)
    require_same_checkpoints(run, whole)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [RECIPE, DRAWN], ids=["own pieces", "drawn"])
def test_in_reverse_a_data_set_is_that_of_the_other_direction(run_in_reverse, bilingual, exchanged, tmp_path, recipe):
    run, other = run_in_reverse(recipe), tmp_path / "other"
    train(recipe, exchanged, str(other))
    assert figures(run) == figures(other)
    require_same_checkpoints(run, other)
    config, manifest = RunConfig.read_from(run), Manifest.read_from(bilingual)
    assert (config.source_language, config.target_language, config.reverse) == ("de", "en", True)
    changed = config.changed_from(RunConfig.read_from(other))
    assert changed.keys() == {"reverse", "data_fingerprint"}
    for name, side in (("source", manifest.target), ("target", manifest.source)):
        assert getattr(config, f"{name}_fingerprint") == side.fingerprint
        assert getattr(config, f"{name}_vocab_size") == side.vocab_size
        assert Tokenizer.read(run / f"{name}.spm").fingerprint == side.fingerprint
    found, expected = (load_shortlist(each, recipe.decoding) for each in (run, other))
    np.testing.assert_array_equal(found.translations, expected.translations)
    with pytest.raises(UserError, match=r"^--resume: expected .*, received others \(.*reverse: True there, False here"):
        train(recipe, bilingual, str(run), resume=True)
