"""The training of a recipe on a data set."""

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from models.config import Recipe, TrainingConfig
from models.decoding.shortlist import learn
from models.run import (
    MODEL_FILE,
    SHORTLIST_FILE,
    SOURCE_SUBWORDS,
    TARGET_SUBWORDS,
    RunConfig,
    start_from,
)
from models.seq2seq import Seq2Seq
from models.training import signals
from models.training.callbacks import (
    AllBatches,
    AverageWeights,
    BestModel,
    Figures,
    FiniteLoss,
    HalveOnPlateau,
    MetricsLog,
    ValidationBleu,
)
from models.training.checkpoint import CHECKPOINT_FILE, Checkpoint, Progress, restore, undone
from models.training.claim import claimed
from models.training.distribution import Devices, join, require_what_devices_do
from models.training.epochs import KeepEpochs
from models.training.failures import failures_told
from models.training.optimizers import build_optimizer
from models.training.page import write_report
from models.training.sample_log import SampleLog
from models.training.samples import Samples
from models.training.validation import Searcher, scorer, validation_batches
from models.training.word_vectors import put_vectors
from pipeline.errors import UserError
from pipeline.files import write_beside
from pipeline.reading.dataset import Survey, batches, pairs, survey
from pipeline.schema import DECODER_INPUT_IDS, SOURCE_IDS, TRAIN, UNK_ID, VALID, Manifest
from pipeline.tokenizer import Tokenizer

if keras.backend.backend() == "jax":
    # TensorFlow only reads data there, and must leave the memory of the GPUs alone.
    tf.config.set_visible_devices([], "GPU")


def train(
    recipe: Recipe, data: str, output: str, resume: bool = False, overwrite: bool = False, reverse: bool = False
) -> None:
    """Trains a model and leaves a run: settings, subwords, shortlist, best model, checkpoint, metrics, logs, report.

    Args:
        recipe: The settings.
        data: The folder of a data set.
        output: The run's folder.
        resume: Go on from the checkpoint in `output`, to the same losses as without the interruption; from the
            beginning if there is none yet.
        overwrite: Put this run in the place of one that `output` holds.
        reverse: Translate from the data set's target language to its source language.

    Raises:
        UserError: The data set is not whole, or does not fit the recipe; `output` holds a run already, or one of other
            settings.
        SystemExit: SIGTERM or SIGINT has come, and a checkpoint is written.
    """
    manifest, training = Manifest.read_from(data), recipe.training
    manifest = manifest.reversed() if reverse else manifest
    _require_joint_subwords(recipe, manifest)
    devices = join(training.distribution)
    require_what_devices_do(recipe, devices)
    tokenizers = source, target = [
        Tokenizer.read(Path(data) / side.file, side.fingerprint) for side in (manifest.source, manifest.target)
    ]
    epoch = survey(data, TRAIN, **dataclasses.asdict(recipe.batching), reverse=reverse)
    validation = validation_batches(data, recipe.batching, reverse)
    steps, config = epoch.batches * training.epochs, _run_config(recipe, manifest, reverse)
    keras.utils.set_random_seed(training.seed)
    with devices.building(), _computing_in(training.precision):
        model = build_model(recipe, manifest, steps)
        if not (resume and (Path(output) / CHECKPOINT_FILE).exists()):
            _put_first_weights(training, model, config, tokenizers)
        model.compile(optimizer=build_optimizer(training, steps), jit_compile=_compiles())
        model.optimizer.build(model.trainable_variables)
    # Search is that of a service: on one device, in float32.
    is_searched = devices.count == 1 and training.precision == "float32"
    searched = model if is_searched else build_model(recipe, manifest, steps)
    # Only now, as nothing that the user gave has been refused.
    with claimed(Path(output), resume, overwrite, config, devices) as run, devices.training():
        _write_what_search_needs(run, config, data, tokenizers)
        progress = restore(run, model)
        with devices.alone():
            searcher = Searcher(searched, run, recipe.decoding, _compiles())
            shown = pairs(data, VALID, reverse)
            samples = Samples(shown, searched, searcher.predict_on_batch, source, target, devices.alone)
            score = _shared_score(scorer(searcher, validation, run), model, searched, devices)
        if _is_over(training, progress):
            print(f"{output}: nothing left to do, best epoch {progress.best_epoch}", file=sys.stderr)
        else:
            with signals.noted() as noted, failures_told(data, Path(output), devices):
                _rehearse(model, epoch, devices)
                while not _is_over(training, progress):
                    callbacks = _callbacks(training, run, progress, epoch.batches, score, noted, samples, devices)
                    _fit(model, config, data, epoch, progress, validation, callbacks, devices)
                    # Keras leaves the moving average in the place of the weights.
                    progress = restore(run, model)
            best = f"{training.best_by} {abs(progress.best):.4g}"
            print(f"{output}: best epoch {progress.best_epoch}, {best}", file=sys.stderr)
        if not devices.host:
            _report(run, manifest, progress, samples)


def _fit(
    model: Seq2Seq,
    config: RunConfig,
    data: str,
    epoch: Survey,
    progress: Progress,
    validation: tf.data.Dataset,
    callbacks: list[keras.callbacks.Callback],
    devices: Devices,
) -> None:
    """Trains what is left: the rest of an epoch, which for Keras is an epoch of its own, or all epochs to come."""
    recipe, first, done = config.recipe, progress.epoch, progress.step
    end = first + 1 if done else recipe.training.epochs
    left = batches(
        data,
        TRAIN,
        **dataclasses.asdict(recipe.batching),
        reverse=config.reverse,
        seed=recipe.training.seed,
        first_epoch=first,
        first_batch=done,
        epochs=end - first,
    )
    model.fit(
        devices.share(left),
        initial_epoch=first,
        epochs=end,
        steps_per_epoch=epoch.batches - done,
        # Keras goes on in it where the validation before has ended.
        validation_data=devices.share(validation.repeat()),
        validation_steps=int(validation.cardinality()),
        callbacks=callbacks,
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,
    )


def _rehearse(model: Seq2Seq, epoch: Survey, devices: Devices) -> None:
    """Takes a step on a batch as large as the largest, and undoes it: a lack of memory shows at once."""
    rows, source_length, target_length = epoch.largest
    source_ids, target_ids = (tf.fill([rows, length], UNK_ID) for length in (source_length, target_length))
    # Of the same kind as the batches to come, so that they need no graph of their own.
    shapes = tf.TensorSpec([None, None], tf.int32)
    batch = tf.data.Dataset.from_generator(
        lambda: [({SOURCE_IDS: source_ids, DECODER_INPUT_IDS: target_ids}, target_ids)],
        output_signature=({SOURCE_IDS: shapes, DECODER_INPUT_IDS: shapes}, shapes),
    )
    with undone(model):
        model.fit(devices.share(batch), steps_per_epoch=1, shuffle=False, verbose=0)


def _shared_score(
    score: Callable[[], float], model: Seq2Seq, searched: Seq2Seq, devices: Devices
) -> Callable[[], float]:
    """The score as the first host finds it, with the weights of `model` put into the model that is searched."""

    def shared() -> float:
        if searched is not model:
            for mine, its in zip(searched.variables, model.variables, strict=True):
                mine.assign(np.array(its))
        with devices.alone():
            found = 0.0 if devices.host else score()
        return devices.agree(found)

    return shared


def _write_what_search_needs(run: Path, config: RunConfig, data: str, tokenizers: Sequence[Tokenizer]) -> None:
    for tokenizer, name in zip(tokenizers, (SOURCE_SUBWORDS, TARGET_SUBWORDS), strict=True):
        with write_beside(run / name) as path:
            path.write_bytes(tokenizer.model)
    if config.recipe.decoding.shortlist and not (run / SHORTLIST_FILE).exists():
        source, target = tokenizers
        seen = pairs(data, TRAIN, config.reverse)
        learned = learn(seen, source.vocab_size, target.vocab_size, source.ids_in(target).numpy())
        learned.write(run / SHORTLIST_FILE)


def build_model(recipe: Recipe, manifest: Manifest, steps: int) -> Seq2Seq:
    """Makes the model of a recipe for a data set's vocabularies and a training of so many steps, with first weights."""
    training, sampling, truncation, refinement = recipe.training, None, None, None
    if training.own_tokens:
        sampling = {"share": training.own_tokens, "schedule": training.own_tokens_schedule, "steps": steps}
    if training.truncation_every:
        truncation = {"every": training.truncation_every, "reach": training.truncation_reach}
    if training.refinement_samples:
        refinement = {"samples": training.refinement_samples, "likelihood": training.refinement_likelihood}
    model = Seq2Seq(
        recipe.model,
        manifest.source.vocab_size,
        manifest.target.vocab_size,
        training.label_smoothing,
        training.z_loss,
        sampling,
        truncation,
        refinement,
        name="seq2seq",
    )
    model.build()
    return model


def _put_first_weights(
    training: TrainingConfig, model: Seq2Seq, config: RunConfig, tokenizers: Sequence[Tokenizer]
) -> None:
    """Puts what has been learned elsewhere in the place of the first weights, where the settings say so."""
    if training.start_from:
        start_from(training.start_from, model, config)
    for name, side, tokenizer in zip(("source", "target"), (model.encoder, model.decoder), tokenizers, strict=True):
        if path := getattr(training, f"{name}_vectors"):
            pieces = tokenizer.spell(range(tokenizer.vocab_size))
            put_vectors(f"training.{name}_vectors", path, side.embedding, pieces)


def _compiles() -> bool:
    # On TensorFlow, XLA refuses loops over lengths that are known only at run time.
    return keras.backend.backend() != "tensorflow"


def _run_config(recipe: Recipe, manifest: Manifest, reverse: bool) -> RunConfig:
    return RunConfig(
        recipe=recipe,
        source_fingerprint=manifest.source.fingerprint,
        target_fingerprint=manifest.target.fingerprint,
        source_vocab_size=manifest.source.vocab_size,
        target_vocab_size=manifest.target.vocab_size,
        data_fingerprint=manifest.fingerprint,
        protected=manifest.protected,
        # Data sets of before do not have them.
        source_language=manifest.settings.get("source_language"),
        target_language=manifest.settings.get("target_language"),
        reverse=reverse,
    )


@contextlib.contextmanager
def _computing_in(precision: str) -> Iterator[None]:
    """Within it, models compute in that precision, with weights in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _require_joint_subwords(recipe: Recipe, manifest: Manifest) -> None:
    """Refuses a source embedding that is to serve as the target's, but has other subwords."""
    if recipe.model.tie_embeddings == "three-way" and manifest.source.fingerprint != manifest.target.fingerprint:
        raise UserError(
            "model.tie_embeddings: expected none or two-way for languages with subwords of their own, received"
            " 'three-way'; override --model.tie_embeddings, or make the data set anew with a joint vocabulary"
        )


def _is_over(training: TrainingConfig, progress: Progress) -> bool:
    gave_up = bool(training.patience) and progress.epoch - progress.best_epoch >= training.patience
    return gave_up or progress.epoch >= training.epochs


def _callbacks(
    training: TrainingConfig,
    run: Path,
    progress: Progress,
    steps: int,
    score: Callable[[], float],
    noted: Sequence[int],
    samples: Samples,
    devices: Devices,
) -> list[keras.callbacks.Callback]:
    """The callbacks, each after those whose figures it uses; the checkpoint comes last, when all else is written."""
    average = AverageWeights()
    back = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: average.swap())
    averages = bool(training.average_momentum)
    return [
        *[average] * averages,
        AllBatches(progress, steps),
        FiniteLoss(run, progress),
        ValidationBleu(score),
        Figures(progress, training.epochs),
        BestModel(run, progress, training.best_by, training.patience),
        *[HalveOnPlateau(progress, training.plateau_epochs)] * (training.schedule == "plateau"),
        MetricsLog(run, progress),
        KeepEpochs(run, progress, training.best_by, training.keep),
        keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False),
        *[SampleLog(run / "tensorboard" / "samples", samples)] * (not devices.host),
        *[back] * averages,
        Checkpoint(run, progress, training.checkpoint_every, noted),
    ]


def _report(run: Path, manifest: Manifest, progress: Progress, samples: Samples) -> None:
    """Writes the report of a training that is over; of its model, the best weights are left."""
    samples.model.load_weights(run / MODEL_FILE)
    write_report(run, manifest, progress.best_epoch, samples.translate())
