import dataclasses
import errno
import functools
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import sacrebleu
import tensorflow as tf

from models.config import BatchingConfig, DecodingConfig, ModelConfig, Recipe, TrainingConfig
from models.decoding.search import search
from models.run import RunConfig, load_model, load_shortlist
from models.seq2seq import Seq2Seq
from models.training import train as training
from models.training.callbacks import FiniteLoss
from models.training.checkpoint import Checkpoint
from models.training.distribution import OneDevice
from models.training.epochs import epoch_file
from models.training.optimizers import build_optimizer
from models.training.sample_log import SampleLog
from models.training.train import build_model, train
from models.training.validation import Searcher, scorer, validation_batches
from pipeline import records
from pipeline.errors import UserError
from pipeline.files import file_sha256
from pipeline.reading.dataset import Survey, batches, pairs, survey
from pipeline.schema import SOURCE_IDS, TRAIN, VALID, Manifest, Shard
from pipeline.tokenizer import Tokenizer

TINY = Recipe(
    BatchingConfig(size=8, shuffle_buffer=1000),
    ModelConfig(
        cell="gru",
        encoder="unidirectional",
        encoder_units=6,
        decoder_units=6,
        embedding_size=5,
        attention="none",
        readout="linear",
        dropout=0.3,
        word_dropout=0.1,
        weight_drop=0.1,
    ),
    TrainingConfig(
        epochs=3,
        learning_rate=0.01,
        warmup_steps=2,
        average_momentum=0.8,
        label_smoothing=0.1,
        z_loss=1e-4,
        own_tokens=0.5,
        keep=1,
    ),
    DecodingConfig(beam_size=2, shortlist=20, max_length_offset=5),
)
# Of the smallest graphs, for what is no matter of the model's.
PLAIN = Recipe(
    TINY.batching,
    dataclasses.replace(TINY.model, dropout=0.0, word_dropout=0.0, weight_drop=0.0),
    TrainingConfig(epochs=2, learning_rate=0.01, schedule="constant", warmup_steps=0, optimizer="sgd"),
    DecodingConfig(beam_size=1, max_length_factor=0.5, max_length_offset=3),
)
FIELDS = {
    *("epoch", "loss", "val_loss", "perplexity", "val_perplexity", "val_bleu", "learning_rate", "gradient_norm"),
    "compilations",
    *("source_tokens_per_second", "target_tokens_per_second", "tokens_per_second", "seconds", "seconds_left"),
}


def changed(section: str, recipe: Recipe = TINY, **settings) -> Recipe:
    return dataclasses.replace(recipe, **{section: dataclasses.replace(getattr(recipe, section), **settings)})


@pytest.fixture(scope="module")
def traced_after_epochs():
    """How often Python has run the loss after each epoch of `whole_run`: only while a graph of it is made."""
    return []


@pytest.fixture(scope="module")
def whole_run(data, tmp_path_factory, traced_after_epochs):
    """Three epochs without interruption."""
    run, traced = tmp_path_factory.mktemp("runs") / "whole", []
    compute_loss, write = Seq2Seq.compute_loss, Checkpoint.on_epoch_end

    # Keras looks at the names of its arguments.
    @functools.wraps(compute_loss)
    def counted(*arguments, **options):
        traced.append(arguments)
        return compute_loss(*arguments, **options)

    def write_and_count(self, epoch, logs=None):
        write(self, epoch, logs)
        traced_after_epochs.append(len(traced))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Seq2Seq, "compute_loss", counted)
        patch.setattr(Checkpoint, "on_epoch_end", write_and_count)
        train(TINY, data, str(run))
    return run


def metrics(run):
    return [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]


def figures(run):
    """The metrics that do not depend on the clock."""
    return [{name: row[name] for name in ("epoch", "loss", "val_loss", "val_bleu")} for row in metrics(run)]


def translations(model, shortlist, data):
    """Those of the validation sentences that stand in the middle of each quarter, by length."""
    tokenizer = Tokenizer.read(Path(data) / "target.spm")
    by_length = sorted((source for source, _ in pairs(data, VALID)), key=len)[1::2]
    found = [search(model, ids[None], TINY.decoding, shortlist=shortlist).ids[0, 0].numpy() for ids in by_length]
    return {tokenizer.text(ids) for ids in found}


def samples(run):
    """What was written of the samples for TensorBoard: step, tag and content, but for what a picture holds."""
    return [
        (event.step, value.tag, "" if value.tag.startswith("attention") else value.tensor.string_val[0].decode())
        for path in sorted((Path(run) / "tensorboard" / "samples").iterdir())
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    ]


def test_the_model_is_that_of_the_recipe(data):
    model = build_model(TINY, Manifest.read_from(data), 30)
    assert model.config == TINY.model
    assert (model.label_smoothing, model.z_loss) == (0.1, 1e-4)
    assert (model.sampling.share, model.sampling.schedule, model.sampling.steps) == (0.5, "inverse-sigmoid", 30)
    assert (model.truncation, model.refinement) == (None, None)
    assert build_model(changed("training", own_tokens=0.0), Manifest.read_from(data), 30).sampling is None
    refined = changed("training", refinement_samples=3, refinement_likelihood=0.5)
    refinement = build_model(refined, Manifest.read_from(data), 30).refinement
    assert (refinement.samples, refinement.likelihood) == (3, 0.5)
    model_settings = dataclasses.replace(TINY.model, weight_drop=0.0)
    training = dataclasses.replace(TINY.training, truncation_every=3, truncation_reach=5)
    cut = build_model(dataclasses.replace(TINY, model=model_settings, training=training), Manifest.read_from(data), 30)
    assert (cut.truncation.every, cut.truncation.reach) == (3, 5)


@pytest.mark.slow
def test_what_a_run_holds(whole_run, data):
    assert {path.name for path in whole_run.iterdir()} == {
        "config.json", "best.keras", "source.spm", "target.spm", "shortlist.npz", "metrics.jsonl", "checkpoint.npz",
        "tensorboard", "report.html", "epochs",
    }  # fmt: skip
    manifest, config = Manifest.read_from(data), RunConfig.read_from(whole_run)
    assert config.recipe == TINY
    assert (config.source_vocab_size, config.target_vocab_size) == (
        manifest.source.vocab_size,
        manifest.target.vocab_size,
    )
    assert Tokenizer.read(whole_run / "source.spm").fingerprint == config.source_fingerprint
    assert Tokenizer.read(whole_run / "target.spm").fingerprint == config.target_fingerprint
    assert {path.name for path in (whole_run / "tensorboard").iterdir()} == {"train", "validation", "samples"}
    best = load_model(whole_run), load_shortlist(whole_run, TINY.decoding)
    assert translations(*best, data) <= set(
        re.findall("<dd dir=.auto.>(.*)</dd>", (whole_run / "report.html").read_text("utf-8"))
    )


@pytest.mark.slow
def test_the_average_is_kept_and_training_goes_on_from_the_weights(whole_run):
    model = keras.saving.load_model(epoch_file(whole_run, 3), compile=False)
    kept = [weight.numpy() for weight in model.trainable_variables]
    with np.load(whole_run / "checkpoint.npz") as arrays:
        averages = [array for name, array in arrays.items() if name.endswith("_average")]
        last = [array for name, array in arrays.items() if name.startswith("model/")]
    assert len(averages) == len(kept)
    for average, weight in zip(averages, kept, strict=True):
        np.testing.assert_array_equal(average, weight)
        assert not any(np.array_equal(average, other) for other in last if np.ptp(average) > 0)


@pytest.mark.slow
def test_nothing_is_traced_after_the_first_epoch(whole_run, traced_after_epochs):
    assert traced_after_epochs[0] > 0
    assert traced_after_epochs == traced_after_epochs[:1] * 3


@pytest.mark.slow
def test_a_line_of_metrics_for_each_epoch(whole_run, data):
    rows, split = metrics(whole_run), Manifest.read_from(data).splits[TRAIN]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for row in rows:
        assert row.keys() == FIELDS
        seconds = (split.source_tokens + split.target_tokens) / row["tokens_per_second"]
        assert 0 < seconds < row["seconds"] < 600
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["val_loss"] < rows[0]["val_loss"] < np.log(300)


@pytest.mark.slow
def test_the_best_model_is_the_one_of_the_best_epoch(whole_run, data):
    model, tokenizer = load_model(whole_run), Tokenizer.read(whole_run / "target.spm")
    best = max(metrics(whole_run), key=lambda row: row["val_bleu"])
    plan = dataclasses.asdict(TINY.batching)
    total, count, hypotheses, references = 0.0, 0, [], []
    shortlist = load_shortlist(whole_run, TINY.decoding)
    for inputs, targets in batches(data, VALID, **plan):
        tokens = np.count_nonzero(targets)
        total += tokens * float(model.compute_loss(inputs, targets, model(inputs), training=False))
        count += tokens
        ids = search(model, inputs[SOURCE_IDS], TINY.decoding, shortlist=shortlist).ids[:, 0]
        for texts, rows in ((hypotheses, ids), (references, targets)):
            decoded = tokenizer.detokenize(tf.RaggedTensor.from_tensor(rows))
            texts += [text.decode() for text in decoded.numpy()]
    assert total / count == pytest.approx(best["val_loss"], rel=1e-4)
    assert sacrebleu.corpus_bleu(hypotheses, [references]).score == pytest.approx(best["val_bleu"], abs=1e-6)
    assert len(references) == 8


class Killed(Exception):
    pass


@pytest.mark.slow
def test_a_resumed_run_keeps_the_epochs_of_an_uninterrupted_one(whole_run, data, tmp_path, monkeypatch, capsys):
    run, write = tmp_path / "run", Checkpoint._write

    def die_after_an_epoch(self):
        # All but the checkpoint of the second epoch is written.
        if self.progress.epoch == 2:
            raise Killed
        write(self)

    monkeypatch.setattr(Checkpoint, "_write", die_after_an_epoch)
    with pytest.raises(Killed):
        train(TINY, data, str(run))
    assert (run / "epochs" / "2.keras").exists()
    monkeypatch.undo()
    train(TINY, data, str(run), resume=True)
    kept = sorted(path.name for path in (whole_run / "epochs").iterdir())
    best = max(metrics(whole_run), key=lambda row: row["val_bleu"])["epoch"]
    assert kept == sorted({"3.keras", f"{best}.keras"})
    assert sorted(path.name for path in (run / "epochs").iterdir()) == kept
    for name in kept:
        require_same_weights(run / "epochs" / name, whole_run / "epochs" / name)
    # The best one is also kept where it always is.
    require_same_weights(whole_run / "best.keras", epoch_file(whole_run, best))
    train(changed("training", keep=2), data, str(run), resume=True)
    assert "goes on with other settings (training.keep: 1 there, 2 here)" in capsys.readouterr().err


def require_same_weights(*paths):
    models = [keras.saving.load_model(path, compile=False) for path in paths]
    for found, expected in zip(*(model.weights for model in models), strict=True):
        np.testing.assert_array_equal(found, expected)


# Attention, an LSTM and both directions.
ATTENTIVE = changed(
    "training",
    changed(
        "model",
        cell="lstm",
        encoder="bidirectional",
        attention="additive",
        attention_units=8,
        attention_place="above",
        attention_query="state",
    ),
    epochs=2,
)


@pytest.fixture(scope="module")
def attentive_run(data, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "attentive"
    train(ATTENTIVE, data, str(run))
    return run


@pytest.mark.slow
def test_what_is_shown_of_a_run_does_not_change_it(attentive_run, data, tmp_path, monkeypatch):
    assert [tag for *_, tag, _ in samples(attentive_run)].count("attention of sample 1") == 2
    monkeypatch.setattr(SampleLog, "on_epoch_end", lambda *_: None)
    train(ATTENTIVE, data, str(tmp_path / "unseen"))
    assert not samples(tmp_path / "unseen")
    assert figures(attentive_run) == figures(tmp_path / "unseen")
    require_same_checkpoints(attentive_run, tmp_path / "unseen")


def require_same_checkpoints(run, other):
    with np.load(run / "checkpoint.npz") as found, np.load(other / "checkpoint.npz") as expected:
        assert found.files == expected.files
        for name in found.files:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@pytest.mark.slow
def test_resuming_a_finished_run_writes_its_report_alone(whole_run, data, capsys):
    report = (whole_run / "report.html").read_bytes()
    (whole_run / "report.html").unlink()
    before = {path: path.stat().st_mtime_ns for path in whole_run.iterdir() if path.suffix != ".spm"}
    del before[whole_run / "config.json"]
    train(TINY, data, str(whole_run), resume=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (whole_run / "report.html").read_bytes() == report
    assert "nothing left to do, best epoch" in capsys.readouterr().err


@pytest.mark.slow
def test_an_output_that_holds_a_run(whole_run, data):
    with pytest.raises(
        UserError, match=r"^--output: expected a new folder, received .*; add --resume to go on, or --overwrite"
    ):
        train(TINY, data, str(whole_run))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "setting", "value"),
    [
        ("training", "learning_rate", 0.02),
        ("training", "epochs", 9),
        ("model", "dropout", 0.2),
        ("batching", "size", 9),
    ],
)
def test_resuming_with_other_settings_tells_which(whole_run, data, section, setting, value):
    """Of a cosine, and of a rising share of own tokens, each step goes by the count of epochs."""
    before = getattr(getattr(TINY, section), setting)
    told = rf"received others \({section}\.{setting}: {before} there, {value} here\); use"
    with pytest.raises(
        UserError, match=rf"^--resume: expected the settings and the data set of .*config\.json, {told}"
    ):
        train(changed(section, **{setting: value}), data, str(whole_run), resume=True)


@pytest.mark.slow
def test_a_run_whose_steps_do_not_go_by_its_length_can_be_made_longer(data, tmp_path, capsys):
    short, long = (changed("training", PLAIN, epochs=n) for n in (1, 2))
    train(short, data, str(tmp_path / "longer"))
    train(long, data, str(tmp_path / "longer"), resume=True)
    assert "goes on with other settings (training.epochs: 1 there, 2 here)" in capsys.readouterr().err
    train(long, data, str(tmp_path / "long"))
    assert figures(tmp_path / "longer") == figures(tmp_path / "long")
    assert RunConfig.read_from(tmp_path / "longer").recipe == long
    with pytest.raises(UserError, match=r"^--overwrite: expected it without --resume"):
        train(long, data, str(tmp_path / "long"), resume=True, overwrite=True)
    (tmp_path / "long" / "left").touch()
    first, *_ = figures(tmp_path / "long")
    train(changed("training", short, seed=2), data, str(tmp_path / "long"), overwrite=True)
    [other] = figures(tmp_path / "long")
    assert not (tmp_path / "long" / "left").exists()
    # Nothing but the seed has changed.
    assert other["loss"] != first["loss"]


def in_precision(name):
    """A recipe without chance, whose model has attention."""
    training = {"optimizer": "adam", "average_momentum": 0.8, "schedule": "plateau", "plateau_epochs": 1}
    return changed("training", changed("model", PLAIN, attention="additive"), epochs=3, precision=name, **training)


@pytest.fixture(scope="module")
def float32_run(data, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "float32"
    train(in_precision("float32"), data, str(run))
    return run


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_other_precisions_learn_the_same_but_for_rounding(float32_run, data, tmp_path, precision):
    train(in_precision(precision), data, str(tmp_path / precision))
    one, other = ([row["loss"] for row in metrics(run)] for run in (float32_run, tmp_path / precision))
    assert one != other
    np.testing.assert_allclose(one, other, rtol=0.01)
    # What is kept is a model of float32, as a service searches.
    model = load_model(tmp_path / precision)
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}
    assert model.encoder.compute_dtype == keras.config.dtype_policy().compute_dtype == "float32"
    searcher = Searcher(model, tmp_path / precision, PLAIN.decoding, jit_compile=False)
    score = scorer(searcher, validation_batches(data, PLAIN.batching), tmp_path / precision)
    assert score() == pytest.approx(max(row["val_bleu"] for row in metrics(tmp_path / precision)))


@pytest.mark.slow
def test_the_largest_batch_is_tried_before_the_first_and_leaves_no_trace(whole_run, data, tmp_path, monkeypatch):
    """Without it, the figures are the same."""
    rehearse, seen, step = training._rehearse, [], Seq2Seq.train_step
    monkeypatch.setattr(training, "_rehearse", lambda model, epoch, devices: seen.append(epoch.largest))
    train(TINY, data, str(tmp_path / "run"))
    assert figures(tmp_path / "run") == figures(whole_run)
    shapes = [
        (*inputs[SOURCE_IDS].shape, targets.shape[1])
        for inputs, targets in batches(data, TRAIN, **dataclasses.asdict(TINY.batching))
    ]
    assert seen == [max(shapes, key=np.prod)]

    def watched(self, batch):
        shapes.append(batch[1].shape)
        return step(self, batch)

    monkeypatch.setattr(Seq2Seq, "train_step", watched)
    model = build_model(TINY, Manifest.read_from(data), 15)
    model.compile(optimizer=build_optimizer(TINY.training, 15), run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    before = [np.array(weight) for weight in (*model.variables, *model.optimizer.variables)]
    rehearse(model, Survey(5, (3, 4, 6)), OneDevice())
    assert shapes[-1] == (3, 6)
    for weight, value in zip((*model.variables, *model.optimizer.variables), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_batch_that_does_not_fit_shows_before_the_first_step(data, tmp_path, monkeypatch):
    def step(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "failed to allocate memory")

    monkeypatch.setattr(Seq2Seq, "train_step", step)
    with pytest.raises(UserError, match=r"^batching\.size: expected batches that fit the memory, received failed"):
        train(TINY, data, str(tmp_path / "run"))
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def with_validation_of(data, count, folder):
    """The data set with so many validation pairs."""
    shutil.copytree(data, folder)
    manifest = Manifest.read_from(folder)
    [shard] = manifest.splits[VALID].shards
    pairs = list(tf.data.TFRecordDataset(str(folder / shard.file)).as_numpy_iterator())[:count]
    (folder / shard.file).write_bytes(b"".join(map(records.frame, pairs)))
    shard = Shard(shard.file, count, file_sha256(folder / shard.file))
    split = dataclasses.replace(manifest.splits[VALID], shards=(shard,), records=count)
    dataclasses.replace(manifest, splits={**manifest.splits, VALID: split}).write(folder)
    return str(folder)


@pytest.mark.slow
def test_a_validation_set_of_one_sentence_and_of_none(data, tmp_path):
    recipe, run = changed("training", PLAIN, epochs=1), tmp_path / "run"
    with pytest.raises(UserError, match=r"^--data: expected pairs for valid, received none in"):
        train(recipe, with_validation_of(data, 0, tmp_path / "none"), str(run))
    assert not run.exists()
    train(recipe, with_validation_of(data, 1, tmp_path / "one"), str(run))
    [row] = metrics(run)
    assert np.isfinite(row["val_loss"]) and 0 <= row["val_bleu"] <= 100


def test_no_data_set(tmp_path):
    with pytest.raises(UserError, match=r"^--data: expected the folder of a data set"):
        train(TINY, str(tmp_path), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_what_is_refused_leaves_no_run(data, tmp_path):
    with pytest.raises(UserError, match=r"leave none"):
        train(changed("batching", max_source_length=1), data, str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_shortlist_is_what_model_1_learns_of_the_training_pairs(whole_run, data):
    tokenizers = [Tokenizer.read(whole_run / f"{side}.spm") for side in ("source", "target")]
    found = load_shortlist(whole_run, TINY.decoding)
    [source_ids], [target_ids] = (
        tokenizer.tokenize(tf.constant([text])).to_list()
        for tokenizer, text in zip(tokenizers, ("four", "vier"), strict=True)
    )
    assert set(target_ids) <= set(found.translations[source_ids].ravel().tolist())
    # A byte piece brings itself.
    byte = tokenizers[0].tokenize(tf.constant(["\x07"])).to_list()[0][-2]
    assert byte in found.translations[byte]
    assert load_shortlist(whole_run, DecodingConfig()) is None


def test_three_way_tying_needs_joint_subwords(data, tmp_path):
    recipe = changed("model", tie_embeddings="three-way", readout="projection", readout_units=5)
    with pytest.raises(
        UserError, match=r"^model\.tie_embeddings: expected none or two-way for languages with subwords"
    ):
        train(recipe, data, str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_resuming_on_other_data(whole_run, data, tmp_path):
    other = shutil.copytree(data, tmp_path / "data")
    manifest = Manifest.read_from(other)
    train_split = manifest.splits[TRAIN]
    shard = dataclasses.replace(train_split.shards[0], sha256=file_sha256(other / VALID), file=VALID)
    splits = {**manifest.splits, TRAIN: dataclasses.replace(train_split, shards=(shard,))}
    dataclasses.replace(manifest, splits=splits).write(other)
    with pytest.raises(UserError, match=r"^--resume: expected the settings and the data set of .*config\.json"):
        train(TINY, str(other), str(whole_run), resume=True)


@pytest.mark.slow
def test_a_loss_that_is_not_finite(data, tmp_path):
    run = tmp_path / "run"
    recipe = changed("training", PLAIN, learning_rate=1e38)
    with pytest.raises(UserError, match=r"^training: expected a finite loss, received .* in epoch [12], batch"):
        train(recipe, data, str(run))
    assert (run / "config.json").exists()


@pytest.mark.slow
def test_a_second_phase_starts_from_the_best_weights_of_the_first(whole_run, data, tmp_path):
    run = tmp_path / "run"
    settings = {"start_from": str(whole_run), "refinement_samples": 2, "learning_rate": 1e-12, "epochs": 1}
    recipe = dataclasses.replace(changed("training", **settings), model=dataclasses.replace(TINY.model, dropout=0.0))
    train(recipe, data, str(run))
    assert all(np.isfinite(row["loss"]) for row in metrics(run))
    for weight, value in zip(
        load_model(run).trainable_variables, load_model(whole_run).trainable_variables, strict=True
    ):
        np.testing.assert_allclose(weight, value, atol=1e-6)
    # With a checkpoint of its own, it needs the first run no more.
    gone = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, start_from=str(tmp_path / "gone")))
    dataclasses.replace(RunConfig.read_from(run), recipe=gone).write(run)
    train(gone, data, str(run), resume=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "named"), [({"decoder_units": 7}, "parts and sizes"), ({"cell": "lstm"}, "parts and sizes")], ids=str
)
def test_a_start_from_another_model_is_refused(whole_run, data, tmp_path, settings, named):
    recipe = changed("model", **settings)
    recipe = dataclasses.replace(recipe, training=dataclasses.replace(TINY.training, start_from=str(whole_run)))
    with pytest.raises(UserError, match=rf"^training\.start_from: expected a run of the same {named} of the model"):
        train(recipe, data, str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_start_from_other_subwords_is_refused(whole_run, data, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(whole_run, other)
    dataclasses.replace(RunConfig.read_from(other), source_fingerprint="0" * 64).write(other)
    with pytest.raises(UserError, match=r"^training\.start_from: expected a run of the same source subwords"):
        train(changed("training", start_from=str(other)), data, str(tmp_path / "run"))


@pytest.mark.slow
def test_embeddings_start_from_files_of_vectors(data, tmp_path, capsys):
    vectors = {"source": "one 1 2 3 4 5\nthree -1 0 0 0 2\n", "target": "eins 1 0 -1 0 1\n"}
    for side, text in vectors.items():
        (tmp_path / side).write_text(text)
    settings = {f"{side}_vectors": str(tmp_path / side) for side in vectors}
    train(changed("training", PLAIN, epochs=1, learning_rate=1e-9, **settings), data, str(tmp_path / "run"))
    printed = capsys.readouterr().err
    assert re.search(r"source: vectors of [12] of \d+ pieces", printed) and "target: vectors of 1 of" in printed
    model, subwords = load_model(tmp_path / "run"), Tokenizer.read(tmp_path / "run" / "target.spm")
    row = subwords.spell(range(subwords.vocab_size)).index("\u2581eins")
    vector = np.array([1, 0, -1, 0, 1], "float32")
    np.testing.assert_allclose(model.decoder.embedding.table[row], vector * 5**-0.5 / vector.std(), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "batch"), [(signal.SIGTERM, 2), (signal.SIGINT, 5)], ids=["within", "at its end"])
def test_a_signal_leaves_a_checkpoint_that_goes_on_to_the_same(
    whole_run, data, tmp_path, monkeypatch, capfd, number, batch
):
    """In the second epoch, after some of its five batches."""
    steps, run, before = 5, tmp_path / "run", signal.getsignal(number)
    assert survey(data, TRAIN, **dataclasses.asdict(TINY.batching)).batches == steps
    check, seen = FiniteLoss.on_train_batch_end, []

    def check_and_signal(self, number_of_batch, logs=None):
        check(self, number_of_batch, logs)
        seen.append(number_of_batch)
        if len(seen) == steps + batch:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(FiniteLoss, "on_train_batch_end", check_and_signal)
    with pytest.raises(SystemExit) as ended:
        train(TINY, data, str(run))
    assert ended.value.code == 128 + number and signal.getsignal(number) is before
    finished, after = (1, "1 and 2 batches") if batch < steps else (2, "2")
    assert f"ended by {number.name} after epoch {after}; --resume goes on" in capfd.readouterr().err
    monkeypatch.undo()
    # The same seed gives the same figures in another run.
    assert figures(run) == figures(whole_run)[:finished]
    # What was written after the checkpoint is taken back.
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "loss": 99.0}\n')
    train(TINY, data, str(run), resume=True)
    assert figures(run) == figures(whole_run)
    require_same_checkpoints(run, whole_run)
    # Each epoch's samples are there once, though two processes wrote them.
    assert samples(run) == samples(whole_run)
    assert [(step, tag) for step, tag, _ in samples(run)] == [
        (epoch, f"sample {number}") for epoch in range(3) for number in range(1, 5)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (Path.unlink, "the shards of .*data to stay as they were, received "),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "the shards of .*data to stay as they were, received "),
        (lambda path: path.write_bytes(b""), "5 batches in epoch [2-8], received [0-4]; a shard has become shorter"),
    ],
    ids=["gone", "cut", "empty"],
)
def test_a_shard_that_is_lost_within_a_run_is_told_and_the_checkpoint_stays(data, tmp_path, monkeypatch, damage, told):
    own, run, write = shutil.copytree(data, tmp_path / "data"), tmp_path / "run", Checkpoint.on_epoch_end
    # Pools of few pairs and many epochs, so that not all is read ahead.
    recipe = changed("training", changed("batching", PLAIN, shuffle_buffer=16), epochs=8)
    shard = own / Manifest.read_from(own).splits[TRAIN].shards[0].file
    kept = shard.read_bytes()

    def write_and_lose(self, epoch, logs=None):
        write(self, epoch, logs)
        if not epoch:
            damage(shard)

    monkeypatch.setattr(Checkpoint, "on_epoch_end", write_and_lose)
    with pytest.raises(UserError, match=rf"^--data: expected {told}"):
        train(recipe, str(own), str(run))
    monkeypatch.undo()
    shard.write_bytes(kept)
    with np.load(run / "checkpoint.npz") as arrays:
        assert 1 <= json.loads(str(arrays["progress"]))["epoch"] < 8
    # Whatever has been damaged, it goes on from there.
    if damage is Path.unlink:
        train(recipe, str(own), str(run), resume=True)
        assert [row["epoch"] for row in metrics(run)] == [*range(1, 9)]


@pytest.mark.slow
def test_a_full_disk_leaves_the_checkpoint_before(data, tmp_path, monkeypatch):
    write, written, run = np.savez, [], tmp_path / "run"

    def write_on_a_small_disk(file, **arrays):
        written.append(file)
        if len(written) == 2:
            file.write(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device", str(run))
        write(file, **arrays)

    monkeypatch.setattr(np, "savez", write_on_a_small_disk)
    with pytest.raises(OSError, match="No space left on device"):
        train(PLAIN, data, str(run))
    with np.load(run / "checkpoint.npz") as arrays:
        assert json.loads(str(arrays["progress"]))["epoch"] == 1
    assert not list(run.glob(".*"))


KILLED_WRITING = """
import os, pickle, signal, sys
import numpy as np
from models.training.train import train

write, written = np.savez, []

def write_half(file, **arrays):
    written.append(file)
    if len(written) == int(sys.argv[1]):
        file.write(b"half of it")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    write(file, **arrays)

np.savez = write_half
train(*pickle.loads(sys.stdin.buffer.read()))
"""


@pytest.mark.slow
def test_killed_and_resumed_is_uninterrupted(attentive_run, data, tmp_path):
    """In a process that is killed as it writes a checkpoint within an epoch."""
    recipe, run = changed("training", ATTENTIVE, checkpoint_every=2), tmp_path / "killed"
    # It has written the shortlist; after two and four of the five batches, at the epoch's end, and after two more.
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WRITING, "6"],
        input=pickle.dumps((recipe, data, str(run))),
        stdout=subprocess.DEVNULL,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    with np.load(run / "checkpoint.npz") as arrays:
        progress = json.loads(str(arrays["progress"]))
        assert (progress["epoch"], progress["step"]) == (1, 2)
    train(recipe, data, str(run), resume=True)
    assert figures(run) == figures(attentive_run)
    assert [row["epoch"] for row in metrics(run)] == [1, 2]
    require_same_checkpoints(run, attentive_run)
