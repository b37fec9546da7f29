"""What a recurrent cell is."""

from typing import Any

import keras
import numpy as np
from keras import ops

State = tuple[Any, ...]


def lstm_bias(units: int, forget_bias: float) -> np.ndarray:
    """The first bias of the gates i, f, o and g, `(4 * units,)`."""
    return np.repeat([0.0, forget_bias, 0.0, 0.0], units)


class Cell(keras.layers.Layer):
    """What one step does to the state.

    The recurrence computes the products: `projected`, what the input contributes, `(..., gates * units)`, and
    `recurrent`, what the last state contributes, `(..., recurrent_gates * units)`. A cell that needs more than these
    has weights of its own.

    Attributes:
        gates: Parts of `projected`.
        recurrent_gates: Parts of `recurrent`; with 0 there is no such product, and `recurrent` is an empty tuple.
        state_parts: Parts of the state, each `(..., units)`; the first is the output h.
        memo_parts: What else goes from step to step, `(..., any)`; it stands after these parts.
        has_bias: Whether `projected` has a bias.
        has_gradient: Whether there is a `gradient`; else the step is differentiated automatically.
        gate_names: Of the gates that stand, side by side, in the first part of what a step keeps.
    """

    gates = 1
    recurrent_gates = 1
    state_parts = 1
    memo_parts = 0
    has_bias = True
    has_gradient = False
    gate_names: tuple[str, ...] = ()

    def build(self, units: int, forget_bias: float = 0.0) -> None:
        """Makes the cell's own weights; the arguments are those of `initial_bias`."""
        self.built = True

    def initial_bias(self, units: int, forget_bias: float) -> Any:
        """The bias of `projected` to start from, `(gates * units,)`; `forget_bias` is that of a forget gate."""
        return np.zeros(self.gates * units)

    def add_bias(self, values: Any) -> Any:
        """Makes a bias of the cell's own that starts from `values (width,)`."""
        return self.add_weight(
            name="bias", shape=values.shape, initializer=lambda shape, dtype: ops.cast(values, dtype)
        )

    def first_memo(self, h: Any) -> tuple[Any, ...]:
        """What stands after the parts of the state before the first step, whose h is given."""
        return ()

    def training_memo(self, memo: tuple[Any, ...], lengths: Any) -> tuple[Any, ...]:
        """A first memo for a training on sentences of these lengths, `(batch,)`."""
        return memo

    def step(self, projected: Any, recurrent: Any, state: State) -> tuple[State, tuple[Any, ...]]:
        """One step: the new state, and what `gradient` and `note` need kept."""
        raise NotImplementedError

    def note(self, kept: tuple[Any, ...]) -> None:
        """Learns, after a training's steps, of what they kept, each part `(steps, ...)`."""

    def gradient(self, kept: tuple[Any, ...], previous: State, d_state: State) -> tuple[Any, Any, State]:
        """Gradients of `projected`, of `recurrent`, and of the part of `previous` not reached through `recurrent`."""
        raise NotImplementedError
