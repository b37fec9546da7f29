"""The encoder: source tokens to a sequence of states and a summary."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from models.config import ModelConfig
from models.embedding import Embedding
from models.recurrent.cell import State
from models.recurrent.loops import take
from models.recurrent.recurrence import Recurrence
from models.side import Side
from pipeline.schema import PAD_ID


class Encoded(NamedTuple):
    """A source as the encoder leaves it.

    Attributes:
        values: The top layer's outputs, `(batch, src_len, encoder_units)`.
        mask: `(batch, src_len)`, bool, True = real token.
        states: Each layer's state after the last real token of each direction, each part `(batch, encoder_units)`.
    """

    values: Any
    mask: Any
    states: tuple[State, ...]

    @property
    def summary(self) -> Any:
        """The top layer's last h, `(batch, encoder_units)`."""
        return self.states[-1][0]


def take_steps(x: Any, steps: Any) -> Any:
    """Takes of each sentence the given steps: `x (time, batch, units)`, `steps (n, batch)` to `(n, batch, units)`."""
    batch = ops.shape(x)[1]
    rows = steps * batch + ops.arange(batch, dtype=steps.dtype)
    return take(ops.reshape(x, (-1, x.shape[-1])), rows)


@keras.saving.register_keras_serializable(package="keras_nmt")
class Encoder(Side):
    """Recurrent layers over the source, in one or in both directions (Schuster and Paliwal 1997).

    A source is read up to its last real token: the backward direction turns each sentence round within its own length,
    so that padding comes last for both and no result depends on it. Two directions have half the units each, side by
    side, or all of them each, and are added.
    """

    def __init__(self, embedding: Embedding, config: ModelConfig, **kwargs: Any):
        super().__init__(embedding, config, **kwargs)
        self.layers_by_depth = [self._directions(depth) for depth in range(config.encoder_layers)]

    def _directions(self, depth: int) -> list[Recurrence]:
        encoder, units = self.config.encoder, self.config.encoder_units
        if encoder == "unidirectional" or (encoder == "first-bidirectional" and depth):
            return [self.recurrence(units, f"forward_{depth}")]
        units = units if self.config.encoder_merge == "sum" else units // 2
        return [self.recurrence(units, f"{way}_{depth}") for way in ("forward", "backward")]

    def build(self, ids_shape: Any = None) -> None:
        """Makes the weights."""
        self.embedding.build_once()
        width = self.embedding.units
        for directions in self.layers_by_depth:
            for recurrence in directions:
                recurrence.build(width)
            width = self.config.encoder_units
        self.built = True

    def call(self, source_ids: Any, training: bool = False) -> Encoded:
        """Reads `source_ids (batch, src_len)`, PAD after END."""
        mask = ops.not_equal(source_ids, PAD_ID)
        lengths = ops.sum(ops.cast(mask, "int32"), axis=1)
        steps = ops.arange(ops.shape(source_ids)[1], dtype="int32")[:, None]
        turned = ops.where(steps < lengths, lengths - 1 - steps, steps)
        last = ops.maximum(lengths - 1, 0)[None]

        outputs, states = self.drop(self.embedding(ops.transpose(source_ids)), training), []
        if self.config.source_order == "backwards":
            outputs = take_steps(outputs, turned)
        for depth, (forward, *backward) in enumerate(self.layers_by_depth):
            inputs = self.dropout(outputs, training=training) if depth else outputs
            runs = [self._run(forward, inputs, lengths, training)]
            runs += [self._run(recurrence, take_steps(inputs, turned), lengths, training) for recurrence in backward]
            ends = [[take_steps(part, last)[0] for part in states] for states in runs]
            states.append(tuple(map(self._merge, zip(*ends, strict=True))))
            merged = self._merge([runs[0][0], *(take_steps(states[0], turned) for states in runs[1:])])
            outputs = merged + outputs if self.config.residual and depth else merged
        return Encoded(ops.transpose(outputs, (1, 0, 2)), mask, tuple(states))

    def _merge(self, directions: Sequence[Any]) -> Any:
        """Both directions, each `(..., units)`, as one."""
        if self.config.encoder_merge == "sum":
            return functools.reduce(ops.add, directions)
        return ops.concatenate(directions, axis=-1)

    @staticmethod
    def _run(recurrence: Recurrence, inputs: Any, lengths: Any, training: bool) -> State:
        zeros = ops.zeros((ops.shape(inputs)[1], recurrence.units), inputs.dtype)
        state = recurrence.first_state((zeros,) * recurrence.cell.state_parts)
        states, _ = recurrence(inputs, state, training=training, lengths=lengths)
        return states
