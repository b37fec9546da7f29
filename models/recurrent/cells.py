"""Recurrent cells by name; here those without weights of their own, which have a gradient of their own."""

from typing import Any

from keras import ops

from models.recurrent.batch_norm_cell import BatchNormLSTMCell
from models.recurrent.cell import Cell, State, lstm_bias
from models.recurrent.unitary import UnitaryCell
from models.recurrent.weighted_cells import LayerNormGRUCell, LayerNormLSTMCell, ResetBeforeGRUCell, SCRNCell


class SimpleCell(Cell):
    """h' = tanh(Wx + Uh + b) (Elman 1990)."""

    has_gradient = True

    def step(self, projected: Any, recurrent: Any, state: State) -> tuple[State, tuple[Any, ...]]:
        """See `Cell`."""
        h = ops.tanh(projected + recurrent)
        return (h,), (h,)

    def gradient(self, kept: tuple[Any, ...], previous: State, d_state: State) -> tuple[Any, Any, State]:
        """See `Cell`."""
        d_sum = d_state[0] * (1 - ops.square(kept[0]))
        return d_sum, d_sum, (ops.zeros_like(d_sum),)


class ReLUCell(Cell):
    """h' = max(0, Wx + Uh + b); with `recurrent_initializer: identity` the IRNN (Le 2015)."""

    has_gradient = True

    def step(self, projected: Any, recurrent: Any, state: State) -> tuple[State, tuple[Any, ...]]:
        """See `Cell`."""
        h = ops.relu(projected + recurrent)
        return (h,), (h,)

    def gradient(self, kept: tuple[Any, ...], previous: State, d_state: State) -> tuple[Any, Any, State]:
        """See `Cell`."""
        d_sum = ops.where(kept[0] > 0, d_state[0], 0.0)
        return d_sum, d_sum, (ops.zeros_like(d_sum),)


class LSTMCell(Cell):
    """Long short-term memory with a forget gate (Hochreiter and Schmidhuber 1997; Gers 1999).

    i, f, o = sigmoid(Wx + Uh + b); g = tanh(Wx + Uh + b); c' = f c + i g; h' = o tanh(c').
    Gates stand in the order i, f, o, g; the state is (h, c).
    """

    gates = 4
    recurrent_gates = 4
    state_parts = 2
    has_gradient = True
    gate_names = ("input", "forget", "output")

    def initial_bias(self, units: int, forget_bias: float) -> Any:
        """See `Cell`."""
        return lstm_bias(units, forget_bias)

    def step(self, projected: Any, recurrent: Any, state: State) -> tuple[State, tuple[Any, ...]]:
        """See `Cell`."""
        total = projected + recurrent
        units = total.shape[-1] // 4
        gates = ops.sigmoid(total[..., : 3 * units])
        i, f, o = ops.split(gates, 3, axis=-1)
        g = ops.tanh(total[..., 3 * units :])
        c = f * state[1] + i * g
        tanh_c = ops.tanh(c)
        return (o * tanh_c, c), (gates, g, tanh_c)

    def gradient(self, kept: tuple[Any, ...], previous: State, d_state: State) -> tuple[Any, Any, State]:
        """See `Cell`."""
        gates, g, tanh_c = kept
        i, f, o = ops.split(gates, 3, axis=-1)
        d_h, d_c = d_state
        d_c = d_c + d_h * o * (1 - ops.square(tanh_c))
        d_gates = ops.concatenate([d_c * g, d_c * previous[1], d_h * tanh_c], axis=-1) * gates * (1 - gates)
        d_total = ops.concatenate([d_gates, d_c * i * (1 - ops.square(g))], axis=-1)
        return d_total, d_total, (ops.zeros_like(d_h), d_c * f)


class LSTMWithoutForgetGateCell(Cell):
    """Long short-term memory as it first was (Hochreiter and Schmidhuber 1997): c' = c + i g.

    Gates stand in the order i, o, g; the state is (h, c).
    """

    gates = 3
    recurrent_gates = 3
    state_parts = 2
    has_gradient = True
    gate_names = ("input", "output")

    def step(self, projected: Any, recurrent: Any, state: State) -> tuple[State, tuple[Any, ...]]:
        """See `Cell`."""
        total = projected + recurrent
        units = total.shape[-1] // 3
        gates = ops.sigmoid(total[..., : 2 * units])
        i, o = ops.split(gates, 2, axis=-1)
        g = ops.tanh(total[..., 2 * units :])
        c = state[1] + i * g
        tanh_c = ops.tanh(c)
        return (o * tanh_c, c), (gates, g, tanh_c)

    def gradient(self, kept: tuple[Any, ...], previous: State, d_state: State) -> tuple[Any, Any, State]:
        """See `Cell`."""
        gates, g, tanh_c = kept
        i, o = ops.split(gates, 2, axis=-1)
        d_h, d_c = d_state
        d_c = d_c + d_h * o * (1 - ops.square(tanh_c))
        d_gates = ops.concatenate([d_c * g, d_h * tanh_c], axis=-1) * gates * (1 - gates)
        d_total = ops.concatenate([d_gates, d_c * i * (1 - ops.square(g))], axis=-1)
        return d_total, d_total, (ops.zeros_like(d_h), d_c)


class GRUCell(Cell):
    """Gated recurrent unit (Cho 2014) in the form that resets after the recurrent product (as cuDNN does).

    r, z = sigmoid(Wx + Uh + b); n = tanh(Wx + b + r (Uh)); h' = (1 - z) n + z h. Gates stand in the order r, z, n.
    """

    gates = 3
    recurrent_gates = 3
    has_gradient = True
    gate_names = ("reset", "update")

    def step(self, projected: Any, recurrent: Any, state: State) -> tuple[State, tuple[Any, ...]]:
        """See `Cell`."""
        units = projected.shape[-1] // 3
        gates = ops.sigmoid(projected[..., : 2 * units] + recurrent[..., : 2 * units])
        r, z = ops.split(gates, 2, axis=-1)
        recurrent_n = recurrent[..., 2 * units :]
        n = ops.tanh(projected[..., 2 * units :] + r * recurrent_n)
        return (n + z * (state[0] - n),), (gates, n, recurrent_n)

    def gradient(self, kept: tuple[Any, ...], previous: State, d_state: State) -> tuple[Any, Any, State]:
        """See `Cell`."""
        gates, n, recurrent_n = kept
        r, z = ops.split(gates, 2, axis=-1)
        d_h = d_state[0]
        d_n = d_h * (1 - z) * (1 - ops.square(n))
        d_gates = ops.concatenate([d_n * recurrent_n, d_h * (previous[0] - n)], axis=-1) * gates * (1 - gates)
        d_projected = ops.concatenate([d_gates, d_n], axis=-1)
        d_recurrent = ops.concatenate([d_gates, d_n * r], axis=-1)
        return d_projected, d_recurrent, (d_h * z,)


CELLS: dict[str, type[Cell]] = {
    "simple": SimpleCell,
    "relu": ReLUCell,
    "lstm": LSTMCell,
    "lstm-without-forget-gate": LSTMWithoutForgetGateCell,
    "gru": GRUCell,
    "gru-reset-before": ResetBeforeGRUCell,
    "scrn": SCRNCell,
    "layer-norm-lstm": LayerNormLSTMCell,
    "layer-norm-gru": LayerNormGRUCell,
    "batch-norm-lstm": BatchNormLSTMCell,
    "unitary": UnitaryCell,
}
