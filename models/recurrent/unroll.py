"""A cell and, for a decoder, attention, run over time.

The loop carries only what must be sequential. The input projection of all steps is one matrix product before it, as is
what each position of the source could add to the gates, and the gradient of every weight is one matrix product over all
steps after the backward loop.
"""

from typing import Any, NamedTuple

from keras import ops, tree

from models.attention.base import Attention, Memory, Reading, mixture_gradient, softmax_gradient
from models.recurrent.cell import Cell, State
from models.recurrent.loops import linear, linear_gradient, scan, stack, with_gradient


class Weights(NamedTuple):
    """What a step multiplies with; an empty tuple where there is nothing.

    Attributes:
        state_kernel: All that the last state is multiplied with in one product: `(units, recurrent_gates * units)`, or
            where attention has a kernel for its query, and that beside it, that many columns more.
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
        state: The state before the step, each part `(..., units)`, the cell's memo, and what attention notes of its
            readings.

    Returns:
        The new state and notes, the reading (an empty tuple without attention), and what the cell's gradient needs.
    """
    reading: Reading | tuple[()] = ()
    own_parts = cell.state_parts + cell.memo_parts
    state, memo = state[:own_parts], state[own_parts:]
    gates, query = projected.gates, state[0]
    recurrent: Any = () if isinstance(weights.state_kernel, tuple) else linear(state[0], weights.state_kernel)
    if attention:
        if attention.has_query_kernel:
            width = cell.recurrent_gates * state[0].shape[-1]
            recurrent, query = recurrent[..., :width], recurrent[..., width:]
        query = query if isinstance(projected.query, tuple) else query + projected.query
        reading = attention.read(weights.score_kernel, memory, query, memo)
        memo = attention.next_memo(memory, memo, reading.weights)
        gates = gates + ops.matmul(reading.weights, memory.gates)
    state, kept = cell.step(gates, recurrent, state)
    return (*state, *memo), reading, kept


def unroll(
    cell: Cell,
    attention: Attention | None,
    weights: Weights,
    memory: Any,
    projected: Projected,
    state: State,
    norm_penalty: float = 0.0,
) -> tuple[State, Any, tuple[Any, ...]]:
    """Runs `step` over all steps, with a gradient of its own where cell and attention have one.

    Args:
        cell: The cell.
        attention: How the memory is read; None for not at all.
        weights: What is multiplied with.
        memory: What attention reads; an empty tuple without attention.
        projected: What the inputs contribute, `(steps, ...)`; with attention n is 1.
        state: The initial state, each part `(..., units)`, the cell's memo, and what attention notes before its first
            reading.
        norm_penalty: How much of the gradient of `norm_pull` is added to that of the state's kernel, where there is a
            gradient of its own.

    Returns:
        The states, each part `(steps, ..., units)`; the contexts `(steps, batch, 1, encoder_units)` (an empty tuple
        without attention); and what a cell without a gradient of its own kept.
    """
    if not cell.has_gradient or (attention and not attention.has_gradient):
        return _run_plainly(cell, attention, weights, memory, projected, state)

    def forward(weights: Weights, memory: Any, projected: Projected, initial: State) -> tuple[Any, Any]:
        outputs, rows = _run(cell, attention, weights, memory, projected, initial)

        def backward(d_outputs: Any) -> tuple[Any, ...]:
            d_weights, d_memory, d_gates, d_query, d_initial = _unroll_gradient(
                cell, attention, weights, memory, initial, d_outputs, rows, norm_penalty
            )
            d_query = () if isinstance(projected.query, tuple) else d_query
            return d_weights, d_memory, Projected(d_gates, d_query), d_initial

        return outputs, backward

    return (*with_gradient(forward)(weights, memory, projected, state), ())


def _run_plainly(
    cell: Cell, attention: Attention | None, weights: Weights, memory: Any, projected: Projected, initial: State
) -> tuple[State, Any, tuple[Any, ...]]:
    """The outputs of `unroll`, by a loop that is differentiated automatically."""

    def run(before: State, projected: Projected) -> tuple[State, Any]:
        state, reading, kept = step(cell, attention, weights, memory, projected, before)
        return state, (state[: cell.state_parts], reading.weights if reading else (), kept)

    states, read, kept = stack(scan(run, initial, projected)[1])
    return states, _contexts(read, memory) if attention else (), kept


def _contexts(weights: Any, memory: Memory) -> Any:
    """The means `(steps, batch, 1, encoder_units)` of the values by weights `(steps, batch, 1, src_len)`."""
    return ops.einsum("tbns,bsm->tbnm", weights, memory.values)


def _run(
    cell: Cell, attention: Attention | None, weights: Weights, memory: Any, projected: Projected, initial: State
) -> tuple[tuple[State, Any], Any]:
    """The outputs of `unroll`, and what each step leaves for its gradient: the state before, reading, the cell's."""

    def run(before: State, projected: Projected) -> tuple[State, Any]:
        state, reading, kept = step(cell, attention, weights, memory, projected, before)
        return state, (state[: cell.state_parts], before, reading, kept)

    _, (states, *rows) = scan(run, initial, projected)
    contexts = _contexts(stack(rows[1].weights), memory) if attention else ()
    return (stack(states), contexts), rows


def _unroll_gradient(
    cell: Cell,
    attention: Attention | None,
    weights: Weights,
    memory: Any,
    initial: State,
    d_outputs: tuple[State, Any],
    rows: Any,
    norm_penalty: float,
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
        pull = norm_penalty * norm_pull(d_state[0], d_h) if norm_penalty else ()
        # A cell that adds its two products has one gradient for both; it is stored once.
        d_recurrent = () if d_recurrent is d_gates else d_recurrent
        return ((d_h, *d_rest), sums), (d_gates, d_recurrent, d_query, d_scores, pull)

    sums, (d_states, d_contexts), d_readings = (), d_outputs, ()
    if attention:
        sums = attention.no_sums(weights.score_kernel, memory)
        d_readings = ops.einsum("tbnm,bsm->tbns", d_contexts, memory.values)
    d_state = tree.map_structure(ops.zeros_like, initial)
    (d_initial, sums), d_rows = scan(run, (d_state, sums), (d_states, d_readings, *rows), reverse=True)

    d_gates, d_recurrent, d_queries, d_scores, pulls = stack(d_rows)
    before, readings, _ = rows
    states = stack(before[0]) + pulls if norm_penalty else stack(before[0])
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


def norm_pull(d_after: Any, d_before: Any) -> Any:
    """What a step adds for a gradient that neither vanishes nor explodes (Pascanu 2013, equations 9 and 10).

    The penalty of a step is (|d_before| / |d_after| - 1) ** 2, the mean over the batch. Gradients and states are taken
    as they are, and d_before = d_products U^T + ...: so that of U is the product of this and d_products, as that of the
    loss is of the state and d_products. A step without a gradient, as one of padding, has no penalty.

    Args:
        d_after: Gradient of the state after the step, `(batch, ..., units)`.
        d_before: Gradient of the state before it.
    """
    after, before = (ops.sum(ops.square(d), axis=-1, keepdims=True) for d in (d_after, d_before))
    has_one = (after > 0) & (before > 0)
    after, before = (ops.where(has_one, square, 1.0) for square in (after, before))
    ratio = ops.sqrt(before / after)
    rows = ops.cast(ops.size(after), after.dtype)
    return ops.where(has_one, 2 * (ratio - 1) / (ratio * after * rows), 0.0) * d_before
