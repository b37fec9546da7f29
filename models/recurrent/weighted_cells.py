"""Cells with weights of their own, beside the products that the recurrence computes."""

from typing import Any

import keras
from keras import ops

from models.recurrent.cell import Cell, State, lstm_bias
from models.recurrent.loops import linear

NORM_EPSILON = 1e-5


class ResetBeforeGRUCell(Cell):
    """Gated recurrent unit (Cho 2014, equations 5 to 8) as it first was: it resets before the recurrent product.

    r, z = sigmoid(Wx + Uh + b); n = tanh(Wx + b + U(r h)); h' = (1 - z) n + z h. Gates stand in the order r, z, n.
    """

    gates = 3
    recurrent_gates = 2

    def build(self, units: int, forget_bias: float = 0.0) -> None:
        """See `Cell`."""
        self.candidate_kernel = self.add_weight(
            name="candidate_kernel", shape=(units, units), initializer=keras.initializers.Orthogonal()
        )
        self.built = True

    def step(self, projected: Any, recurrent: Any, state: State) -> tuple[State, tuple[Any, ...]]:
        """See `Cell`."""
        units = projected.shape[-1] // 3
        r, z = ops.split(ops.sigmoid(projected[..., : 2 * units] + recurrent), 2, axis=-1)
        n = ops.tanh(projected[..., 2 * units :] + linear(r * state[0], self.candidate_kernel))
        return (n + z * (state[0] - n),), ()


class SCRNCell(Cell):
    """Structurally constrained recurrent network (Mikolov 2015).

    s' = (1 - alpha) Bx + alpha s; h' = sigmoid(P s' + Ax + R h). The state holds h and, as its last quarter, the slow
    context s: both are the output.
    """

    recurrent_gates = 0
    alpha = 0.95

    def build(self, units: int, forget_bias: float = 0.0) -> None:
        """See `Cell`."""
        self.context_units = max(1, units // 4)
        hidden = units - self.context_units
        self.hidden_kernel = self.add_weight(
            name="hidden_kernel", shape=(hidden, hidden), initializer=keras.initializers.Orthogonal()
        )
        self.context_kernel = self.add_weight(name="context_kernel", shape=(self.context_units, hidden))
        self.built = True

    def step(self, projected: Any, recurrent: Any, state: State) -> tuple[State, tuple[Any, ...]]:
        """See `Cell`."""
        hidden = projected.shape[-1] - self.context_units
        s = (1 - self.alpha) * projected[..., hidden:] + self.alpha * state[0][..., hidden:]
        total = projected[..., :hidden] + linear(state[0][..., :hidden], self.hidden_kernel)
        h = ops.sigmoid(total + linear(s, self.context_kernel))
        return (ops.concatenate([h, s], axis=-1),), ()


def layer_norm(x: Any, gain: Any) -> Any:
    """`gain * (x - mean) / deviation` over the last axis (Ba 2016, equation 4, without the bias)."""
    centred = x - ops.mean(x, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    return centred * ops.rsqrt(variance + NORM_EPSILON) * gain


class LayerNormLSTMCell(Cell):
    """The LSTM with both products and the cell normalized (Ba 2016, supplementary material).

    i, f, o, g are those of norm(Wx) + norm(Uh) + b; c' = f c + i g; h' = o tanh(norm(c') + d).
    """

    gates = 4
    recurrent_gates = 4
    state_parts = 2
    has_bias = False

    def build(self, units: int, forget_bias: float = 0.0) -> None:
        """See `Cell`."""
        self.input_gain = self.add_weight(name="input_gain", shape=(4 * units,), initializer="ones")
        self.recurrent_gain = self.add_weight(name="recurrent_gain", shape=(4 * units,), initializer="ones")
        self.bias = self.add_bias(lstm_bias(units, forget_bias))
        self.cell_gain = self.add_weight(name="cell_gain", shape=(units,), initializer="ones")
        self.cell_bias = self.add_weight(name="cell_bias", shape=(units,), initializer="zeros")
        self.built = True

    def step(self, projected: Any, recurrent: Any, state: State) -> tuple[State, tuple[Any, ...]]:
        """See `Cell`."""
        total = layer_norm(projected, self.input_gain) + layer_norm(recurrent, self.recurrent_gain) + self.bias
        i, f, o, g = ops.split(total, 4, axis=-1)
        c = ops.sigmoid(f) * state[1] + ops.sigmoid(i) * ops.tanh(g)
        return (ops.sigmoid(o) * ops.tanh(layer_norm(c, self.cell_gain) + self.cell_bias), c), ()


class LayerNormGRUCell(Cell):
    """The GRU with its products normalized (Ba 2016, supplementary material), gates apart from the candidate.

    r, z = sigmoid(norm(Wx) + norm(Uh) + b); n = tanh(norm(Wx) + b + r norm(Uh)); h' = (1 - z) n + z h.
    """

    gates = 3
    recurrent_gates = 3
    has_bias = False

    def build(self, units: int, forget_bias: float = 0.0) -> None:
        """See `Cell`."""
        self.input_gain = self.add_weight(name="input_gain", shape=(3 * units,), initializer="ones")
        self.recurrent_gain = self.add_weight(name="recurrent_gain", shape=(3 * units,), initializer="ones")
        self.bias = self.add_weight(name="bias", shape=(3 * units,), initializer="zeros")
        self.built = True

    def step(self, projected: Any, recurrent: Any, state: State) -> tuple[State, tuple[Any, ...]]:
        """See `Cell`."""
        width = projected.shape[-1] // 3 * 2

        def norms(x: Any, gain: Any) -> tuple[Any, Any]:
            return layer_norm(x[..., :width], gain[:width]), layer_norm(x[..., width:], gain[width:])

        input_gates, input_n = norms(projected, self.input_gain)
        state_gates, state_n = norms(recurrent, self.recurrent_gain)
        r, z = ops.split(ops.sigmoid(input_gates + state_gates + self.bias[:width]), 2, axis=-1)
        n = ops.tanh(input_n + self.bias[width:] + r * state_n)
        return (n + z * (state[0] - n),), ()
