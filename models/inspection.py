"""What a model does over one sentence, step by step."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from models.attention.alignment import attention_weights
from models.recurrent.recurrence import Recurrence
from models.seq2seq import Seq2Seq
from pipeline.schema import PAD_ID


class Trace(NamedTuple):
    """A recurrent layer over a sentence, in the order of the sentence.

    Attributes:
        name: The layer's.
        state: Its output after each step, `(steps, units)`.
        gates: How far each gate was open, from 0 to 1, by its name, `(steps, units)`.
    """

    name: str
    state: np.ndarray
    gates: dict[str, np.ndarray]


class Observation(NamedTuple):
    """A model over a sentence and its translation.

    Attributes:
        encoder: Its layers.
        decoder: Its layers.
        attention: The weights of each step, the mean of all heads, `(tgt_len, src_len)`; None without attention.
    """

    encoder: list[Trace]
    decoder: list[Trace]
    attention: np.ndarray | None


def observe(model: Seq2Seq, source_ids: np.ndarray, target_ids: np.ndarray) -> Observation:
    """Runs a model over a sentence and its translation, and notes what it does.

    Args:
        model: The model.
        source_ids: `(src_len,)`, END included.
        target_ids: The translation, `(tgt_len,)`, END included.
    """
    encoder_layers = [layer for directions in model.encoder.layers_by_depth for layer in directions]
    decoder_layers = model.decoder.recurrences
    with contextlib.ExitStack() as stack:
        steps = {
            layer.path: stack.enter_context(_noted(layer.cell, "step")) for layer in (*encoder_layers, *decoder_layers)
        }
        stack.enter_context(_uncompiled())
        attention = attend(model, source_ids[None], target_ids[None])
    turned = model.config.source_order == "backwards"
    return Observation(
        [_trace(layer, steps[layer.path], layer.name.startswith("backward") != turned) for layer in encoder_layers],
        [_trace(layer, steps[layer.path], False) for layer in decoder_layers],
        attention[0],
    )


def attend(model: Seq2Seq, source_ids: np.ndarray, target_ids: np.ndarray) -> list[np.ndarray | None]:
    """Runs a model over sentences and their translations, and notes what it attends to.

    Args:
        model: The model.
        source_ids: `(batch, src_len)`, PAD after END.
        target_ids: The translations, `(batch, tgt_len)`, PAD after END.

    Returns:
        Of each sentence the weights of each step, the mean of all heads, `(tgt_len, src_len)` without padding; None
        without attention.
    """
    weights = attention_weights(model, source_ids, target_ids)
    if isinstance(weights, tuple):
        return [None] * len(source_ids)
    source_lengths, target_lengths = (np.count_nonzero(ids != PAD_ID, axis=1) for ids in (source_ids, target_ids))
    return [
        rows[:steps, :pieces]
        for rows, steps, pieces in zip(np.asarray(weights, "float32"), target_lengths, source_lengths, strict=True)
    ]


def _uncompiled() -> contextlib.AbstractContextManager[Any]:
    """Makes loops run step by step, as on TensorFlow; in those that JAX compiles, nothing has a value to note."""
    if keras.backend.backend() != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.disable_jit()


@contextlib.contextmanager
def _noted(layer: keras.layers.Layer, method: str) -> Iterator[list[Any]]:
    """Notes what a method returns."""
    results: list[Any] = []
    original = getattr(layer, method)

    def noted(*arguments: Any) -> Any:
        results.append(original(*arguments))
        return results[-1]

    setattr(layer, method, noted)
    try:
        yield results
    finally:
        delattr(layer, method)


def _trace(layer: Recurrence, steps: list[Any], from_last_to_first: bool) -> Trace:
    steps = steps[::-1] if from_last_to_first else steps
    state = np.array([np.ravel(after[0]) for after, _ in steps])
    gates = {}
    if names := layer.cell.gate_names:
        openings = np.array([np.ravel(kept[0]) for _, kept in steps])
        gates = dict(zip(names, np.split(openings, len(names), axis=1), strict=True))
    return Trace(layer.name, state, gates)
