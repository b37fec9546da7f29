"""Recurrences: a cell, its weights and, for a decoder, attention, run over time.

The loop carries only what must be sequential. The input projection of all steps is one matrix product before it, and
the gradient of every weight is one matrix product over all steps after the backward loop.
"""

from typing import Any, NamedTuple

import keras
from keras import ops, tree

from models.attention import (
    AdditiveAttention,
    AdditiveWeights,
    Memory,
    Reading,
    additive_read,
    additive_read_gradient,
    keys_gradient,
)
from models.cells import CELLS, Cell, State
from models.loops import linear, linear_gradient, scan, stack, with_gradient


class Weights(NamedTuple):
    """What a step multiplies with; `context_kernel` and `attention` are empty tuples without attention.

    Attributes:
        recurrent_kernel: `(units, gates * units)`.
        context_kernel: `(encoder_units, gates * units)`.
        attention: An `AdditiveWeights`.
    """

    recurrent_kernel: Any
    context_kernel: Any = ()
    attention: Any = ()


def step(
    cell: Cell, weights: Weights, memory: Memory | tuple[()], projected: Any, state: State
) -> tuple[State, Reading | tuple[()], tuple[Any, ...]]:
    """One step, the definition that training unrolls and search calls.

    With attention, the context is read with the state before the step and enters the cell (Bahdanau 2015, section
    A.2.2).

    Args:
        cell: The cell.
        weights: Its weights.
        memory: What attention reads; an empty tuple without attention.
        projected: The input's contribution, `(..., gates * units)`; with attention `(batch, n, gates * units)`.
        state: The state before the step, each part `(..., units)`.

    Returns:
        The new state, the reading (an empty tuple without attention), and what the cell's gradient needs.
    """
    reading: Reading | tuple[()] = ()
    if memory:
        reading = additive_read(weights.attention, memory, state[0])
        projected = projected + linear(reading.context, weights.context_kernel)
    state, kept = cell.step(projected, linear(state[0], weights.recurrent_kernel), state)
    return state, reading, kept


def unroll(cell: Cell, weights: Weights, memory: Memory | tuple[()], projected: Any, state: State) -> tuple[State, Any]:
    """Runs `step` over all steps, with a gradient of its own.

    Args:
        cell: The cell.
        weights: Its weights.
        memory: What attention reads; an empty tuple without attention.
        projected: The inputs' contribution, `(steps, ..., gates * units)`; with attention `(steps, batch, 1, ...)`.
        state: The initial state, each part `(..., units)`.

    Returns:
        The states, each part `(steps, ..., units)`, and the contexts `(steps, batch, 1, encoder_units)` (an empty
        tuple without attention).
    """

    def forward(weights: Weights, memory: Memory | tuple[()], projected: Any, initial: State) -> tuple[Any, Any]:
        def run(before: State, projected: Any) -> tuple[State, Any]:
            state, reading, kept = step(cell, weights, memory, projected, before)
            return state, (state, before, reading, kept)

        _, (states, *rows) = scan(run, initial, projected)

        def backward(d_outputs: Any) -> tuple[Any, ...]:
            return _unroll_gradient(cell, weights, memory, initial, (*d_outputs, *rows))

        readings = rows[1]
        return (stack(states), stack(readings.context) if memory else ()), backward

    return with_gradient(forward)(weights, memory, projected, state)


def _unroll_gradient(cell: Cell, weights: Weights, memory: Memory | tuple[()], initial: State, xs: Any) -> tuple:
    """The backward loop of `unroll`, then the gradients of the weights: those of its arguments, in their order."""
    recurrent_back = ops.transpose(weights.recurrent_kernel)
    context_back = ops.transpose(weights.context_kernel) if memory else ()
    query_back = ops.transpose(weights.attention.query_kernel) if memory else ()

    def run(carry: Any, xs: Any) -> tuple[Any, Any]:
        d_state, sums = carry
        d_states, d_contexts, before, reading, kept = xs
        d_state = tuple(map(ops.add, d_state, d_states))
        d_projected, d_recurrent, d_state = cell.gradient(kept, before, d_state)
        d_h = d_state[0] + linear(d_recurrent, recurrent_back)
        d_context, d_query = (), ()
        if memory:
            d_context = d_contexts + linear(d_projected, context_back)
            d_query, *d_sums = additive_read_gradient(weights.attention, memory, reading, d_context)
            d_h = d_h + linear(d_query, query_back)
            sums = tuple(map(ops.add, sums, d_sums))
        # A cell that adds its two products has one gradient for both; it is stored once.
        d_recurrent = () if d_recurrent is d_projected else d_recurrent
        return ((d_h, *d_state[1:]), sums), (d_projected, d_recurrent, d_context, d_query)

    sums = ()
    if memory:
        sums = tuple(map(ops.zeros_like, (weights.attention.score_kernel, memory.keys[..., :1], memory.keys)))
    d_state = tree.map_structure(ops.zeros_like, initial)
    (d_initial, sums), d_rows = scan(run, (d_state, sums), xs, reverse=True)

    d_projected, d_recurrent, d_contexts, d_queries = stack(d_rows)
    _, _, before, readings, _ = xs
    states = stack(before[0])
    d_recurrent = d_projected if isinstance(d_recurrent, tuple) else d_recurrent
    d_weights = Weights(linear_gradient(states, d_recurrent))
    if not memory:
        return d_weights, (), d_projected, d_initial
    d_score_kernel, *d_scores = sums
    d_keys = keys_gradient(weights.attention, *d_scores)
    d_weights = Weights(
        d_weights.recurrent_kernel,
        linear_gradient(stack(readings.context), d_projected),
        AdditiveWeights(linear_gradient(states, d_queries), d_score_kernel),
    )
    d_values = ops.einsum("tbns,tbnm->bsm", stack(readings.weights), d_contexts)
    return d_weights, Memory(d_keys, d_values, None), d_projected, d_initial


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
        cell: `simple`, `lstm` or `gru`.
        units: Width of the state.
        attention: Reads a memory before every step; none by default.
        forget_bias: Initial bias of the LSTM's forget gate (Gers 1999).
    """

    def __init__(
        self,
        cell: str,
        units: int,
        attention: AdditiveAttention | None = None,
        forget_bias: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.cell: Cell = CELLS[cell]()
        self.units, self.attention = units, attention
        self.forget_bias = forget_bias

    def build(self, inputs_units: int, values_units: int = 0) -> None:
        """Makes the weights for inputs `(..., inputs_units)` and a memory of `values_units`."""
        gates, width = self.cell.gates, self.cell.gates * self.units
        glorot, orthogonal = (
            PerGate(initializer, gates)
            for initializer in (keras.initializers.GlorotUniform, keras.initializers.Orthogonal)
        )
        bias = self.cell.initial_bias(self.units, self.forget_bias)
        self.kernel = self.add_weight(name="kernel", shape=(inputs_units, width), initializer=glorot)
        self.bias = self.add_weight(name="bias", shape=(width,), initializer=lambda shape, dtype: ops.cast(bias, dtype))
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, width), initializer=orthogonal
        )
        if self.attention:
            self.attention.build(self.units, values_units)
            self.context_kernel = self.add_weight(
                name="context_kernel", shape=(values_units, width), initializer=glorot
            )
        self.built = True

    def call(self, inputs: Any, state: State, memory: Memory | tuple[()] = ()) -> tuple[State, Any]:
        """Runs over all steps.

        Args:
            inputs: `(steps, ..., inputs_units)`; with attention `(steps, batch, 1, inputs_units)`.
            state: The initial state, each part `(..., units)`.
            memory: What attention reads.

        Returns:
            The states, each part `(steps, ..., units)`, and the contexts `(steps, batch, 1, encoder_units)` (an empty
            tuple without attention).
        """
        return unroll(self.cell, self._weights(), memory, self._project(inputs), state)

    def step(self, inputs: Any, state: State, memory: Memory | tuple[()] = ()) -> tuple[State, Any]:
        """Runs one step.

        Args:
            inputs: `(batch, n, inputs_units)`; n is the beam.
            state: Each part `(batch, n, units)`.
            memory: What attention reads.

        Returns:
            The new state, and the reading (an empty tuple without attention).
        """
        state, reading, _ = step(self.cell, self._weights(), memory, self._project(inputs), state)
        return state, reading

    def _project(self, inputs: Any) -> Any:
        return linear(inputs, self.kernel) + self.bias

    def _weights(self) -> Weights:
        recurrent_kernel = ops.convert_to_tensor(self.recurrent_kernel)
        if not self.attention:
            return Weights(recurrent_kernel)
        return Weights(recurrent_kernel, ops.convert_to_tensor(self.context_kernel), self.attention.reading_weights())
