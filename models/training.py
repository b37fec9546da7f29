"""The training of a recipe on a data set."""

import contextlib
import dataclasses
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import sacrebleu
import tensorflow as tf
from tqdm import tqdm

from models import signals
from models.callbacks import (
    AllBatches,
    AverageWeights,
    BestModel,
    Figures,
    FiniteLoss,
    HalveOnPlateau,
    MetricsLog,
    ValidationBleu,
)
from models.checkpoint import CHECKPOINT_FILE, Checkpoint, Progress, restore
from models.config import BatchingConfig, DecodingConfig, Recipe, TrainingConfig
from models.optimizers import build_optimizer
from models.report import write_report
from models.run import (
    CONFIG_FILE,
    MODEL_FILE,
    SHORTLIST_FILE,
    SOURCE_SUBWORDS,
    TARGET_SUBWORDS,
    RunConfig,
    load_shortlist,
    start_from,
)
from models.sample_log import SampleLog
from models.samples import Samples
from models.search import search
from models.seq2seq import Seq2Seq
from models.shortlist import learn
from models.word_vectors import put_vectors
from pipeline.dataset import batches, count_batches, pairs
from pipeline.errors import UserError
from pipeline.files import write_beside
from pipeline.schema import SOURCE_IDS, TRAIN, VALID, Manifest
from pipeline.tokenizer import Tokenizer


def train(recipe: Recipe, data: str, output: str, resume: bool = False, overwrite: bool = False) -> None:
    """Trains a model and leaves a run: settings, subwords, shortlist, best model, checkpoint, metrics, logs, report.

    Args:
        recipe: The settings.
        data: The folder of a data set.
        output: The run's folder.
        resume: Go on from the checkpoint in `output`, to the same losses as without the interruption; from the
            beginning if there is none yet.
        overwrite: Put this run in the place of one that `output` holds.

    Raises:
        UserError: The data set is not whole, or does not fit the recipe; `output` holds a run already, or one of other
            settings.
        SystemExit: SIGTERM or SIGINT has come, and a checkpoint is written.
    """
    manifest, run = Manifest.read_from(data), Path(output)
    _require_joint_subwords(recipe, manifest)
    tokenizers = [
        Tokenizer.read(Path(data) / side.file, side.fingerprint) for side in (manifest.source, manifest.target)
    ]
    steps = count_batches(data, TRAIN, **dataclasses.asdict(recipe.batching))
    validation = _validation(data, recipe.batching)
    all_steps, config = steps * recipe.training.epochs, _run_config(recipe, manifest)
    keras.utils.set_random_seed(recipe.training.seed)
    model = build_model(recipe, manifest, all_steps)
    if not (resume and (run / CHECKPOINT_FILE).exists()):
        _put_first_weights(recipe.training, model, config, tokenizers)
    # Only now, as nothing that the user gave has been refused.
    _claim(run, resume, overwrite, config)
    for tokenizer, name in zip(tokenizers, (SOURCE_SUBWORDS, TARGET_SUBWORDS), strict=True):
        with write_beside(run / name) as path:
            path.write_bytes(tokenizer.model)

    if recipe.decoding.shortlist and not (run / SHORTLIST_FILE).exists():
        source, target = tokenizers
        learned = learn(pairs(data, TRAIN), source.vocab_size, target.vocab_size, source.ids_in(target).numpy())
        learned.write(run / SHORTLIST_FILE)

    model.compile(optimizer=build_optimizer(recipe.training, all_steps), jit_compile=_compiles())
    progress = restore(run, model)
    searcher = Searcher(model, run, recipe.decoding)
    samples = Samples(pairs(data, VALID), model, searcher.predict_on_batch, *tokenizers)
    if _is_over(recipe.training, progress):
        print(f"{run}: nothing left to do, best epoch {progress.best_epoch}", file=sys.stderr)
        _report(run, manifest, progress, samples)
        return
    score = _scorer(searcher, validation, run)
    with signals.noted() as noted, _bad_luck_told(data, run):
        while not _is_over(recipe.training, progress):
            callbacks = _callbacks(recipe.training, run, progress, steps, score, noted, samples)
            _fit(model, recipe, data, steps, progress, validation, callbacks)
            # Keras leaves the moving average in the place of the weights.
            progress = restore(run, model)
    _report(run, manifest, progress, samples)
    print(
        f"{run}: best epoch {progress.best_epoch}, {recipe.training.best_by} {abs(progress.best):.4g}", file=sys.stderr
    )


def _fit(
    model: Seq2Seq,
    recipe: Recipe,
    data: str,
    steps: int,
    progress: Progress,
    validation: tf.data.Dataset,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Trains what is left: the rest of an epoch, which for Keras is an epoch of its own, or all epochs to come."""
    first, done = progress.epoch, progress.step
    end, seed = first + 1 if done else recipe.training.epochs, recipe.training.seed
    batching = dataclasses.asdict(recipe.batching)
    model.fit(
        batches(data, TRAIN, **batching, seed=seed, first_epoch=first, epochs=end - first).skip(done),
        initial_epoch=first,
        epochs=end,
        steps_per_epoch=steps - done,
        validation_data=validation,
        callbacks=callbacks,
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,
    )


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


def _run_config(recipe: Recipe, manifest: Manifest) -> RunConfig:
    return RunConfig(
        recipe=recipe,
        source_fingerprint=manifest.source.fingerprint,
        target_fingerprint=manifest.target.fingerprint,
        source_vocab_size=manifest.source.vocab_size,
        target_vocab_size=manifest.target.vocab_size,
        data_fingerprint=manifest.fingerprint,
    )


def _require_joint_subwords(recipe: Recipe, manifest: Manifest) -> None:
    """Refuses a source embedding that is to serve as the target's, but has other subwords."""
    if recipe.model.tie_embeddings == "three-way" and manifest.source.fingerprint != manifest.target.fingerprint:
        raise UserError(
            "model.tie_embeddings: expected none or two-way for languages with subwords of their own, received"
            " 'three-way'; override --model.tie_embeddings, or make the data set anew with a joint vocabulary"
        )


def _claim(run: Path, resume: bool, overwrite: bool, config: RunConfig) -> None:
    """Writes the settings into a new run's folder, or checks that a resumed run has those that make it the same."""
    exists = (run / CONFIG_FILE).exists()
    if resume and overwrite:
        raise UserError("--overwrite: expected it without --resume, received both; choose one")
    if exists and overwrite:
        shutil.rmtree(run)
    elif exists and not resume:
        raise UserError(
            f"--output: expected a new folder, received {str(run)!r}, which holds a run; add --resume to go on, or"
            " --overwrite to begin anew"
        )
    elif exists:
        changed = config.changed_from(RunConfig.read_from(run))
        told = "; ".join(f"{name}: {before} there, {now} here" for name, (before, now) in changed.items())
        if changed.keys() - _may_change(config.recipe.training):
            raise UserError(
                f"--resume: expected the settings and the data set of {run / CONFIG_FILE}, received others ({told});"
                " use the same or choose a new --output"
            )
        if changed:
            print(f"{run}: goes on with other settings ({told})", file=sys.stderr)
    config.write(run)


def _may_change(training: TrainingConfig) -> set[str]:
    """The settings that change only how long a run goes on, not what it has done so far."""
    goes_by_length = training.schedule == "cosine" or training.own_tokens
    return {"training.patience", "training.checkpoint_every"} | (set() if goes_by_length else {"training.epochs"})


def _validation(data: str, batching: BatchingConfig) -> tf.data.Dataset:
    """The validation batches: all pairs, however long, in the order of the file's lengths."""
    unlimited = dataclasses.asdict(dataclasses.replace(batching, max_source_length=10**6, max_target_length=10**6))
    count = count_batches(data, VALID, **unlimited)
    return batches(data, VALID, **unlimited).apply(tf.data.experimental.assert_cardinality(count)).cache()


@contextlib.contextmanager
def _bad_luck_told(data: str, run: Path) -> Iterator[None]:
    """Tells in a line what a training could not foresee.

    Raises:
        UserError: A shard has gone or is damaged, or a batch does not fit the memory.
    """
    try:
        yield
    except (tf.errors.NotFoundError, tf.errors.DataLossError) as error:
        raise UserError(
            f"--data: expected the shards of {data} to stay as they were, received {_first_line(error)}; bring them"
            f" back, and --resume goes on from {run / CHECKPOINT_FILE}"
        ) from error
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(
            f"batching.size: expected batches that fit the memory, received {_first_line(error)}; lower it, or"
            " --batching.max_source_length and --batching.max_target_length, and train into another --output"
        ) from error


def _first_line(error: tf.errors.OpError) -> str:
    # An operation's own words, without Keras's trace of the graph.
    lines = [line.strip() for line in str(error.message).splitlines()]
    return next((line for line in lines if line and not line.startswith(("Graph", "Detected"))), type(error).__name__)


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
        keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False),
        SampleLog(run / "tensorboard" / "samples", samples),
        *[back] * averages,
        Checkpoint(run, progress, training.checkpoint_every, noted),
    ]


def _report(run: Path, manifest: Manifest, progress: Progress, samples: Samples) -> None:
    """Writes the report of a training that is over; of its model, the best weights are left."""
    samples.model.load_weights(run / MODEL_FILE)
    write_report(run, manifest, progress.best_epoch, samples.translate())


class Searcher(keras.Model):
    """Search as a model, so that Keras compiles it on any backend."""

    def __init__(self, model: Seq2Seq, run: Path, decoding: DecodingConfig):
        super().__init__()
        self.model, shortlist = model, load_shortlist(run, decoding)
        self.search = lambda source_ids: search(model, source_ids, decoding, shortlist=shortlist)
        self.jit_compile = _compiles()
        self.built = True

    def call(self, source_ids: Any) -> Any:
        """Ids `(batch, max_length)` for `source_ids (batch, src_len)`."""
        return self.search(source_ids).ids[:, 0]


def _scorer(searcher: Searcher, validation: tf.data.Dataset, run: Path) -> Callable[[], float]:
    """BLEU of the translations of the validation pairs against their targets, as text."""
    tokenizer = Tokenizer.read(run / TARGET_SUBWORDS)

    def to_text(ids: Any) -> list[str]:
        return [line.decode() for line in tokenizer.detokenize(tf.RaggedTensor.from_tensor(ids)).numpy()]

    references = [line for _, target_ids in validation for line in to_text(target_ids)]

    def score() -> float:
        progress = tqdm(validation, desc="validation BLEU", unit="batch", leave=False, disable=None)
        hypotheses = [
            line for inputs, _ in progress for line in to_text(searcher.predict_on_batch(inputs[SOURCE_IDS].numpy()))
        ]
        return sacrebleu.corpus_bleu(hypotheses, [references]).score

    return score
