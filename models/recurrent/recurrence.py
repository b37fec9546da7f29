"""Recurrent layers: a cell, its weights and, for a decoder, attention."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from models.attention.base import Attention, Memory
from models.dropout import Dropout
from models.recurrent.cell import Cell, State
from models.recurrent.cells import CELLS
from models.recurrent.loops import linear
from models.recurrent.unroll import Projected, Weights, step, unroll

RECURRENT_INITIALIZERS = {
    "orthogonal": keras.initializers.Orthogonal,
    "identity": keras.initializers.Identity,
    "glorot": keras.initializers.GlorotUniform,
}


class PerGate(keras.initializers.Initializer):
    """A matrix for each gate from an initializer of its own, side by side: `(inputs, gates * units)`.

    Drawn as one matrix, each gate's part would be smaller for a cell with more gates.
    """

    def __init__(self, initializer: type[keras.initializers.Initializer], gates: int):
        self.initializers = [initializer() for _ in range(gates)]

    def __call__(self, shape: tuple[int, int], dtype: Any = None) -> Any:
        """The kernel of `shape`."""
        gate_shape = (shape[0], shape[1] // len(self.initializers))
        return ops.concatenate([initializer(gate_shape, dtype) for initializer in self.initializers], axis=1)


@keras.saving.register_keras_serializable(package="keras_nmt")
class Recurrence(keras.layers.Layer):
    """One recurrent layer: a cell, its weights and, for a decoder, attention.

    Args:
        cell: A key of `CELLS`.
        units: Width of the state.
        attention: Reads a memory before every step; none by default.
        forget_bias: Initial bias of the LSTM's forget gate (Gers 1999).
        recurrent_initializer: Of the kernel of each gate, `orthogonal`, `identity` (Le 2015) or `glorot`.
        weight_drop: Share of the recurrent kernel that is dropped in training, the same in all steps (Merity 2018).
        norm_penalty: Of a gradient that vanishes or explodes (Pascanu 2013); see `unroll`.
    """

    def __init__(
        self,
        cell: str,
        units: int,
        attention: Attention | None = None,
        forget_bias: float = 1.0,
        recurrent_initializer: str = "orthogonal",
        weight_drop: float = 0.0,
        norm_penalty: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.cell: Cell = CELLS[cell](name="cell")
        self.units, self.attention = units, attention
        self.forget_bias, self.recurrent_initializer = forget_bias, recurrent_initializer
        self.weight_drop, self.norm_penalty = Dropout(weight_drop), norm_penalty

    def build(self, inputs_units: int, values_units: int = 0) -> None:
        """Makes the weights for inputs `(..., inputs_units)` and a memory of `values_units`."""
        width, recurrent_width = self.cell.gates * self.units, self.cell.recurrent_gates * self.units
        # One for each kernel: an initializer draws the same again and again.
        of_inputs, of_context = (PerGate(keras.initializers.GlorotUniform, self.cell.gates) for _ in range(2))
        self.kernel = self.add_weight(name="kernel", shape=(inputs_units, width), initializer=of_inputs)
        if self.cell.has_bias:
            bias = self.cell.initial_bias(self.units, self.forget_bias)
            self.bias = self.add_weight(
                name="bias", shape=(width,), initializer=lambda shape, dtype: ops.cast(bias, dtype)
            )
        if recurrent_width:
            initializer = PerGate(RECURRENT_INITIALIZERS[self.recurrent_initializer], self.cell.recurrent_gates)
            self.recurrent_kernel = self.add_weight(
                name="recurrent_kernel", shape=(self.units, recurrent_width), initializer=initializer
            )
        self.cell.build(self.units, self.forget_bias)
        if self.attention:
            self.attention.build(self.units, values_units, inputs_units)
            self.context_kernel = self.add_weight(
                name="context_kernel", shape=(values_units, width), initializer=of_context
            )
        self.built = True

    def remember(self, values: Any, mask: Any) -> Memory | tuple[()]:
        """What attention reads of a source: `values (batch, src_len, encoder_units)`, `mask (batch, src_len)`."""
        if not self.attention:
            return ()
        memory = self.attention.remember(values, mask)
        return memory._replace(gates=linear(memory.values, self.context_kernel))

    def first_state(self, state: State, memory: Any = ()) -> State:
        """The state before the first step: the cell's, its memo, and what attention notes before its first reading."""
        noted = self.attention.first_memo(memory) if self.attention else ()
        return (*state, *self.cell.first_memo(state[0]), *noted)

    def call(
        self,
        inputs: Any,
        state: State,
        memory: Memory | tuple[()] = (),
        training: bool = False,
        lengths: Any = (),
    ) -> tuple[State, Any]:
        """Runs over all steps.

        Args:
            inputs: `(steps, ..., inputs_units)`; with attention `(steps, batch, 1, inputs_units)`.
            state: From `first_state`.
            memory: From `remember`.
            training: Whether to drop weights, and to go by what the batch's sentences have in common.
            lengths: In training, those of the sentences, `(batch,)`.

        Returns:
            The states, each part `(steps, ..., units)`, and the contexts `(steps, batch, 1, encoder_units)` (an empty
            tuple without attention).
        """
        cell, weights, penalty = self.cell, self._weights(training), self.norm_penalty if training else 0.0
        if training:
            own, rest = cell.state_parts, cell.state_parts + cell.memo_parts
            state = (*state[:own], *cell.training_memo(state[own:rest], lengths), *state[rest:])
        states, contexts, kept = unroll(cell, self.attention, weights, memory, self._project(inputs), state, penalty)
        if training:
            cell.note(kept)
        return states, contexts

    def stepper(self, training: bool = False) -> Callable[..., tuple[State, Any]]:
        """Makes one step, for which the weights are put together once; `training` is that of `call`.

        Returns:
            From inputs `(batch, n, inputs_units)`, n being the beam, the state, each part `(batch, n, units)`, and the
            memory to the new state and the weights of the reading `(batch, n, src_len)` (an empty tuple without
            attention).
        """
        weights = self._weights(training)

        def run(inputs: Any, state: State, memory: Any = ()) -> tuple[State, Any]:
            state, reading, _ = step(self.cell, self.attention, weights, memory, self._project(inputs), state)
            return state, reading.weights if reading else ()

        return run

    def _project(self, inputs: Any) -> Projected:
        gates = linear(inputs, self.kernel, self.bias if self.cell.has_bias else None)
        return Projected(gates, self.attention.ask(inputs) if self.attention else ())

    def _weights(self, training: bool) -> Weights:
        kernels = []
        if self.cell.recurrent_gates:
            kernels = [self.weight_drop(ops.convert_to_tensor(self.recurrent_kernel), training=training)]
        if self.attention and self.attention.has_query_kernel:
            kernels = [*kernels, self.attention.query_kernel]
        state_kernel = ops.concatenate(kernels, axis=1) if kernels else ()
        return Weights(state_kernel, self.attention.scoring_kernel() if self.attention else ())
