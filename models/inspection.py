"""What a model does over one sentence, step by step; on TensorFlow, where a step can be watched as it runs."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from models.recurrence import Recurrence
from models.seq2seq import Seq2Seq
from pipeline.schema import DECODER_INPUT_IDS, SOURCE_IDS


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


def observe(model: Seq2Seq, source_ids: np.ndarray, decoder_input_ids: np.ndarray) -> Observation:
    """Runs a model over a sentence, and notes what it does.

    Args:
        model: The model.
        source_ids: `(src_len,)`, END included.
        decoder_input_ids: START and the translation without its last id, `(tgt_len,)`.
    """
    decoder = model.decoder
    encoder_layers = [layer for directions in model.encoder.layers_by_depth for layer in directions]
    attention = decoder.attention_above or decoder.recurrences[0].attention
    with contextlib.ExitStack() as stack:
        steps = {
            layer.path: stack.enter_context(_noted(layer.cell, "step"))
            for layer in (*encoder_layers, *decoder.recurrences)
        }
        readings = stack.enter_context(_noted(attention, "read")) if attention else []
        model({SOURCE_IDS: source_ids[None], DECODER_INPUT_IDS: decoder_input_ids[None]})
    weights = [np.reshape(reading.weights, (-1, len(source_ids))).mean(axis=0) for reading in readings]
    turned = model.config.source_order == "backwards"
    weights = [row[::-1] for row in weights] if turned else weights
    return Observation(
        [_trace(layer, steps[layer.path], layer.name.startswith("backward") != turned) for layer in encoder_layers],
        [_trace(layer, steps[layer.path], False) for layer in decoder.recurrences],
        np.array(weights) if attention else None,
    )


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
