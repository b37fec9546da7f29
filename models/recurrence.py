"""Recurrences: a cell, its weights and, for a decoder, attention, run over time.

The loop carries only what must be sequential. The input projection of all steps is one matrix product before it, as is
what each position of the source could add to the gates, and the gradient of every weight is one matrix product over all
steps after the backward loop.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops, tree

from models.attention import Attention, Memory, Reading, mixture_gradient, read, softmax_gradient
from models.cells import CELLS, Cell, State
from models.loops import linear, linear_gradient, scan, stack, with_gradient


class Weights(NamedTuple):
    """What a step multiplies with; an empty tuple where there is nothing.

    Attributes:
        state_kernel: All that the last state is multiplied with in one product: `(units, gates * units)`, and where
            attention has a kernel for its query, that beside it, `(units, gates * units + query_width)`.
        score_kernel: What attention makes a score with.
    """

    state_kernel: Any
    score_kernel: Any = ()


class Projected(NamedTuple):
    """What the inputs contribute; computed for all steps in one product.

    Attributes:
        gates: `(..., gates * units)`; with attention `(..., batch, n, gates * units)`.
        query: To attention's query, `(..., batch, n, query_width)`; an empty tuple if nothing.
    """

    gates: Any
    query: Any = ()


def step(
    cell: Cell,
    attention: Attention | None,
    weights: Weights,
    memory: Any,
    projected: Projected,
    state: State,
) -> tuple[State, Reading | tuple[()], tuple[Any, ...]]:
    """One step, the definition that training unrolls and search calls.

    With attention, the context is read before the cell's step and enters it (Bahdanau 2015, section A.2.2); the query
    is made of the state before the step, and of the input if the attention layer asks with it.

    Args:
        cell: The cell.
        attention: How the memory is read; None for not at all.
        weights: What is multiplied with.
        memory: What attention reads; an empty tuple without attention.
        projected: What the input contributes.
        state: The state before the step, each part `(..., units)`.

    Returns:
        The new state, the reading (an empty tuple without attention), and what the cell's gradient needs.
    """
    reading: Reading | tuple[()] = ()
    gates, recurrent = projected.gates, linear(state[0], weights.state_kernel)
    if attention:
        query, width = state[0], gates.shape[-1]
        if attention.has_query_kernel:
            recurrent, query = recurrent[..., :width], recurrent[..., width:]
        query = query if isinstance(projected.query, tuple) else query + projected.query
        reading = read(attention, weights.score_kernel, memory, query)
        gates = gates + ops.matmul(reading.weights, memory.gates)
    state, kept = cell.step(gates, recurrent, state)
    return state, reading, kept


def unroll(
    cell: Cell,
    attention: Attention | None,
    weights: Weights,
    memory: Any,
    projected: Projected,
    state: State,
) -> tuple[State, Any]:
    """Runs `step` over all steps, with a gradient of its own.

    Args:
        cell: The cell.
        attention: How the memory is read; None for not at all.
        weights: What is multiplied with.
        memory: What attention reads; an empty tuple without attention.
        projected: What the inputs contribute, `(steps, ...)`; with attention n is 1.
        state: The initial state, each part `(..., units)`.

    Returns:
        The states, each part `(steps, ..., units)`, and the contexts `(steps, batch, 1, encoder_units)` (an empty
        tuple without attention).
    """

    def forward(weights: Weights, memory: Any, projected: Projected, initial: State) -> tuple[Any, Any]:
        def run(before: State, projected: Projected) -> tuple[State, Any]:
            state, reading, kept = step(cell, attention, weights, memory, projected, before)
            return state, (state, before, reading, kept)

        _, (states, *rows) = scan(run, initial, projected)

        def backward(d_outputs: Any) -> tuple[Any, ...]:
            d_weights, d_memory, d_gates, d_query, d_initial = _unroll_gradient(
                cell, attention, weights, memory, initial, d_outputs, rows
            )
            d_query = () if isinstance(projected.query, tuple) else d_query
            return d_weights, d_memory, Projected(d_gates, d_query), d_initial

        contexts = ops.einsum("tbns,bsm->tbnm", stack(rows[1].weights), memory.values) if attention else ()
        return (stack(states), contexts), backward

    return with_gradient(forward)(weights, memory, projected, state)


def _unroll_gradient(
    cell: Cell,
    attention: Attention | None,
    weights: Weights,
    memory: Any,
    initial: State,
    d_outputs: tuple[State, Any],
    rows: Any,
) -> tuple:
    """The backward loop of `unroll`, then the gradients of the weights.

    Returns:
        Gradients of the weights, of the memory, of the gates, of the queries and of the initial state.
    """
    state_back = ops.transpose(weights.state_kernel)

    def run(carry: Any, xs: Any) -> tuple[Any, Any]:
        d_state, sums = carry
        d_states, d_readings, before, reading, kept = xs
        d_state = tuple(map(ops.add, d_state, d_states))
        d_gates, d_recurrent, (d_h, *d_rest) = cell.gradient(kept, before, d_state)
        d_query, d_scores, d_products = (), (), d_recurrent
        if attention:
            # TensorFlow's product reads the second factor turned round, faster than one that was turned beforehand.
            d_reading = d_readings + ops.matmul(d_gates, ops.swapaxes(memory.gates, 1, 2))
            d_scores = softmax_gradient(reading.weights, d_reading)
            d_query, d_sums = attention.gradient(weights.score_kernel, memory, reading.query, d_scores)
            sums = tuple(map(ops.add, sums, d_sums))
            if attention.has_query_kernel:
                d_products = ops.concatenate([d_recurrent, d_query], axis=-1)
            else:
                d_h = d_h + d_query
        d_h = d_h + linear(d_products, state_back)
        # A cell that adds its two products has one gradient for both; it is stored once.
        d_recurrent = () if d_recurrent is d_gates else d_recurrent
        return ((d_h, *d_rest), sums), (d_gates, d_recurrent, d_query, d_scores)

    sums, (d_states, d_contexts), d_readings = (), d_outputs, ()
    if attention:
        sums = attention.no_sums(weights.score_kernel, memory)
        d_readings = ops.einsum("tbnm,bsm->tbns", d_contexts, memory.values)
    d_state = tree.map_structure(ops.zeros_like, initial)
    (d_initial, sums), d_rows = scan(run, (d_state, sums), (d_states, d_readings, *rows), reverse=True)

    d_gates, d_recurrent, d_queries, d_scores = stack(d_rows)
    before, readings, _ = rows
    states = stack(before[0])
    d_state_kernel = linear_gradient(states, d_gates if isinstance(d_recurrent, tuple) else d_recurrent)
    if not attention:
        return Weights(d_state_kernel), (), d_gates, (), d_initial
    readings = stack(readings)
    if attention.has_query_kernel:
        d_state_kernel = ops.concatenate([d_state_kernel, linear_gradient(states, d_queries)], axis=1)
    d_values = mixture_gradient(readings.weights, d_contexts)
    d_score_kernel, d_keys, d_values = attention.finish(
        weights.score_kernel, memory, sums, readings.query, d_scores, d_values
    )
    d_memory = Memory(d_keys, d_values, mixture_gradient(readings.weights, d_gates), None)
    return Weights(d_state_kernel, d_score_kernel), d_memory, d_gates, d_queries, d_initial


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
        attention: Attention | None = None,
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
            self.attention.build(self.units, values_units, inputs_units)
            self.context_kernel = self.add_weight(
                name="context_kernel", shape=(values_units, width), initializer=glorot
            )
        self.built = True

    def remember(self, values: Any, mask: Any) -> Memory | tuple[()]:
        """What attention reads of a source: `values (batch, src_len, encoder_units)`, `mask (batch, src_len)`."""
        if not self.attention:
            return ()
        return Memory(self.attention.keys(values), values, linear(values, self.context_kernel), mask)

    def call(self, inputs: Any, state: State, memory: Memory | tuple[()] = ()) -> tuple[State, Any]:
        """Runs over all steps.

        Args:
            inputs: `(steps, ..., inputs_units)`; with attention `(steps, batch, 1, inputs_units)`.
            state: The initial state, each part `(..., units)`.
            memory: From `remember`.

        Returns:
            The states, each part `(steps, ..., units)`, and the contexts `(steps, batch, 1, encoder_units)` (an empty
            tuple without attention).
        """
        return unroll(self.cell, self.attention, self._weights(), memory, self._project(inputs), state)

    def stepper(self) -> Callable[..., tuple[State, Any]]:
        """Makes the step of search, for which the weights are put together once.

        Returns:
            From inputs `(batch, n, inputs_units)`, n being the beam, the state, each part `(batch, n, units)`, and the
            memory to the new state and the context `(batch, n, encoder_units)` (an empty tuple without attention).
        """
        weights = self._weights()

        def run(inputs: Any, state: State, memory: Any = ()) -> tuple[State, Any]:
            state, reading, _ = step(self.cell, self.attention, weights, memory, self._project(inputs), state)
            return state, ops.matmul(reading.weights, memory.values) if reading else ()

        return run

    def _project(self, inputs: Any) -> Projected:
        gates = linear(inputs, self.kernel, self.bias)
        return Projected(gates, self.attention.ask(inputs) if self.attention else ())

    def _weights(self) -> Weights:
        state_kernel = ops.convert_to_tensor(self.recurrent_kernel)
        if not self.attention:
            return Weights(state_kernel)
        if self.attention.has_query_kernel:
            state_kernel = ops.concatenate([state_kernel, self.attention.query_kernel], axis=1)
        return Weights(state_kernel, self.attention.scoring_kernel())
