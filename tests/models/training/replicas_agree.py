"""Run by `test_distribution.py` in a process with two logical devices: a step of two replicas against one of one."""

import keras
import numpy as np
import tensorflow as tf

from models.config import ModelConfig, TrainingConfig
from models.dropout import Dropout
from models.seq2seq import Seq2Seq
from models.training.optimizers import build_optimizer
from models.training.replicas import Seeds
from pipeline.reading.dataset import in_pieces
from pipeline.schema import DECODER_INPUT_IDS, SOURCE_IDS, START_ID

VOCAB, ROWS, LENGTH = 40, 8, 20
CONFIG = ModelConfig(
    cell="lstm",
    encoder="unidirectional",
    encoder_units=8,
    decoder_units=8,
    embedding_size=6,
    attention_units=5,
    dropout=0.0,
    word_dropout=0.0,
)


def batch(lengths: list[int]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """As long on both sides."""
    draw = np.random.default_rng(1)
    ids = np.where(np.arange(LENGTH) < np.array(lengths)[:, None], draw.integers(4, VOCAB, (ROWS, LENGTH)), 0)
    starts = np.full((ROWS, 1), START_ID)
    inputs = {SOURCE_IDS: ids, DECODER_INPUT_IDS: np.concatenate([starts, ids[:, :-1]], axis=1)}
    return tf.nest.map_structure(lambda array: array.astype("int32"), (inputs, ids))


def made(training: TrainingConfig, eagerly: bool = False) -> Seq2Seq:
    keras.utils.set_random_seed(3)
    model = Seq2Seq(CONFIG, VOCAB, VOCAB, 0.1)
    model.build()
    model.compile(optimizer=build_optimizer(training, 3), run_eagerly=eagerly)
    model.optimizer.build(model.trainable_variables)
    return model


def fed(batches: list) -> tf.data.Dataset:
    ids = tf.TensorSpec([None, None], tf.int32)
    return tf.data.Dataset.from_generator(
        lambda: batches, output_signature=(dict.fromkeys((SOURCE_IDS, DECODER_INPUT_IDS), ids), ids)
    )


def steps_of_two(strategy: tf.distribute.Strategy, batches: list, training: TrainingConfig) -> tuple[Seq2Seq, dict]:
    """A model of two replicas after a step on each batch, and what it tells of them."""
    with strategy.scope():
        model = made(training)
    pieces = strategy.distribute_datasets_from_function(lambda _: in_pieces(fed(batches), 2))
    return model, model.fit(pieces, steps_per_epoch=len(batches), shuffle=False, verbose=0).history


def check_steps(strategy: tf.distribute.Strategy, batches: list, training: TrainingConfig) -> None:
    """The loss, the norm of the gradient before it is clipped, and the weights after two steps."""
    one = made(training, eagerly=True)
    alone = one.fit(fed(batches), steps_per_epoch=len(batches), shuffle=False, verbose=0).history
    two, together = steps_of_two(strategy, batches, training)
    np.testing.assert_allclose(alone["loss"], together["loss"], rtol=1e-6)
    assert alone["target_tokens"] == together["target_tokens"] == [np.count_nonzero([ids for _, ids in batches])]
    norms = [np.array(model.optimizer.gradient_norm) for model in (one, two)]
    assert norms[0] > training.clip_norm
    np.testing.assert_allclose(*norms, rtol=1e-5)
    for mine, its in zip(one.trainable_variables, two.trainable_variables, strict=True):
        np.testing.assert_allclose(np.array(mine), np.array(its), atol=2e-6)


def check_masks(strategy: tf.distribute.Strategy) -> None:
    """Each replica draws masks of its own, the first those of a model by itself, and they go on from step to step."""
    with strategy.scope():
        keras.utils.set_random_seed(1)
        layer = Dropout(0.5)
    keras.utils.set_random_seed(1)
    alone = Dropout(0.5)
    assert isinstance(layer.seeds, Seeds)
    run = tf.function(lambda: strategy.run(lambda: layer(tf.ones([4, 50]), training=True)), autograph=False)
    drawn = [[mask.numpy() for mask in strategy.experimental_local_results(run())] for _ in range(2)]
    for first, second in drawn:
        assert 0.3 < np.mean(first > 0) < 0.7 and 0.3 < np.mean(second > 0) < 0.7
        assert 0.3 < np.mean(first != second) < 0.7
        np.testing.assert_array_equal(first, alone(tf.ones([4, 50]), training=True))
    assert (drawn[0][0] != drawn[1][0]).any() and (drawn[0][1] != drawn[1][1]).any()


def check_accumulation(strategy: tf.distribute.Strategy) -> None:
    """Why it is refused beside replicas: Keras sums gradients within a branch."""
    try:
        steps_of_two(strategy, [batch([9] * ROWS)] * 2, TrainingConfig(accumulation=2))
    except RuntimeError as error:
        assert "merge_call" in str(error)
    else:
        raise AssertionError("Keras can accumulate among replicas: refuse it no more")


if __name__ == "__main__":
    [cpu] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    common = {"learning_rate": 0.01, "clip_norm": 0.01}
    # One replica has 5 tokens and the other 80; then one has none.
    unequal = [batch([2, 1, 1, 1, 20, 20, 20, 20]), batch([0, 0, 0, 0, 9, 1, 20, 2])]
    check_steps(mirrored, unequal, TrainingConfig(**common))
    check_steps(mirrored, unequal, TrainingConfig(**common, optimizer="sgd", momentum=0.9, average_momentum=0.5))
    check_steps(mirrored, unequal, TrainingConfig(**common, optimizer="adafactor", weight_decay=0.1))
    check_masks(mirrored)
    check_accumulation(mirrored)
