"""How fast a training step could be at most: its matrix products at the machine's full rate, and its memory."""

import json
import time
from collections.abc import Callable
from typing import NamedTuple

from models.config import ModelConfig

_FLOAT_BYTES = 4
_PRODUCT_SIZE = 2048
_MEMORY_FLOATS = 2**26
_REPETITIONS = 10


class Lengths(NamedTuple):
    """The means of a batch: its count of pairs, and the tokens of a source and of a target, END included."""

    pairs: float
    source: float
    target: float


class Rates(NamedTuple):
    """What the machine does at best: floating-point operations and bytes of memory a second."""

    flops: float
    bytes: float


def forward_flops(config: ModelConfig, vocab_size: int, lengths: Lengths) -> float:
    """Counts the operations of all matrix products that a batch takes forwards.

    A product of `(m, k)` and `(k, n)` is `2 m k n` operations. Looking up embeddings is none.

    Args:
        config: Sizes of an LSTM model of one layer with additive attention and a projection as readout.
        vocab_size: Count of target ids.
        lengths: The batch; padding is not counted.
    """
    encoder, decoder = config.encoder_units, config.decoder_units
    embedding, attention = config.embedding_size, config.attention_units
    # Each direction has half the units and four gates.
    source_token = 2 * 4 * (encoder // 2) * (embedding + encoder // 2) + encoder * (attention + 4 * decoder)
    pair_of_tokens = attention + encoder + 4 * decoder
    target_token = (
        4 * decoder * (embedding + decoder)
        + (decoder + (embedding if config.attention_query == "state-and-input" else 0)) * attention
        + (decoder + encoder + embedding) * config.readout_units
        + config.readout_units * vocab_size
    )
    bridges = 2 * encoder * decoder
    a_pair = lengths.source * source_token + lengths.target * (target_token + lengths.source * pair_of_tokens) + bridges
    return 2 * lengths.pairs * a_pair


def step_bytes(parameters: int, vocab_size: int, lengths: Lengths) -> float:
    """Counts the bytes of one pass over weights, gradients, Adam's two moments, and the logits."""
    return _FLOAT_BYTES * (4 * parameters + lengths.pairs * lengths.target * vocab_size)


def tokens_per_second(config: ModelConfig, vocab_size: int, parameters: int, lengths: Lengths, rates: Rates) -> float:
    """The limit of training: source and target tokens a second, END included; backwards costs twice as much."""
    seconds = 3 * forward_flops(config, vocab_size, lengths) / rates.flops
    seconds += step_bytes(parameters, vocab_size, lengths) / rates.bytes
    return lengths.pairs * (lengths.source + lengths.target) / seconds


def measure_rates() -> Rates:
    """Measures one large product, and adding one large array to another, with TensorFlow."""
    import tensorflow as tf

    left, right = (tf.random.normal((_PRODUCT_SIZE, _PRODUCT_SIZE)) for _ in range(2))
    total, addend = tf.Variable(tf.zeros(_MEMORY_FLOATS)), tf.ones(_MEMORY_FLOATS)
    product_seconds = _best_seconds(lambda: tf.matmul(left, right))
    add_seconds = _best_seconds(lambda: total.assign_add(addend, read_value=False))
    # Two arrays are read, and one is written.
    return Rates(2 * _PRODUCT_SIZE**3 / product_seconds, 3 * _FLOAT_BYTES * _MEMORY_FLOATS / add_seconds)


def _best_seconds(run: Callable[[], object]) -> float:
    run()
    seconds = []
    for _ in range(_REPETITIONS):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


if __name__ == "__main__":
    print(json.dumps(measure_rates()._asdict()))
