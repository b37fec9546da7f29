"""The cell that is normalized over the batch, and so knows of other sentences and of the count of steps."""

from typing import Any

import keras
from keras import ops

from models.recurrent.cell import Cell, State, lstm_bias
from models.recurrent.loops import take
from models.recurrent.weighted_cells import NORM_EPSILON


class BatchNormLSTMCell(Cell):
    """The LSTM with both products and the cell normalized over the batch (Cooijmans 2016, equations 6 to 8).

    i, f, o, g are those of norm(Wx) + norm(Uh) + b; c' = f c + i g; h' = o tanh(norm(c') + d). In training norm goes by
    mean and variance over the batch's sentences that have a token at this step; else by those that training has left
    for this step. Steps from the last of `steps` on share theirs.

    Its memo is the number of the step and, in training, the length of the sentence: `(..., 1)` or `(..., 2)`.
    """

    gates = 4
    recurrent_gates = 4
    state_parts = 2
    memo_parts = 1
    has_bias = False
    steps = 50
    momentum = 0.99
    first_gain = 0.1

    def build(self, units: int, forget_bias: float = 0.0) -> None:
        """See `Cell`."""
        # Small, as a larger one saturates tanh and lets gradients vanish (Cooijmans 2016, section 4).
        gain = keras.initializers.Constant(self.first_gain)
        self.input_gain = self.add_weight(name="input_gain", shape=(4 * units,), initializer=gain)
        self.recurrent_gain = self.add_weight(name="recurrent_gain", shape=(4 * units,), initializer=gain)
        self.bias = self.add_bias(lstm_bias(units, forget_bias))
        self.cell_gain = self.add_weight(name="cell_gain", shape=(units,), initializer=gain)
        self.cell_bias = self.add_weight(name="cell_bias", shape=(units,), initializer="zeros")
        # Sums, so that a step that few sentences reach counts by how many they are.
        wholly: dict[str, Any] = {"trainable": False, "autocast": False}
        self.counts = self.add_weight(name="counts", shape=(self.steps, 1), initializer="ones", **wholly)
        self.sums = self.add_weight(name="sums", shape=(self.steps, 9 * units), initializer="zeros", **wholly)
        self.squares = self.add_weight(name="squares", shape=(self.steps, 9 * units), initializer="ones", **wholly)
        self.built = True

    def first_memo(self, h: Any) -> tuple[Any, ...]:
        """See `Cell`."""
        return (ops.zeros_like(h[..., :1]),)

    def training_memo(self, memo: tuple[Any, ...], lengths: Any) -> tuple[Any, ...]:
        """See `Cell`."""
        lengths = ops.cast(ops.reshape(lengths, (-1, *(1,) * (len(memo[0].shape) - 1))), memo[0].dtype)
        return (ops.concatenate([memo[0], lengths], axis=-1),)

    def step(self, projected: Any, recurrent: Any, state: State) -> tuple[State, tuple[Any, ...]]:
        """See `Cell`; what it keeps are the count, means and variances, for `note`."""
        _, last_c, memo = state
        units = last_c.shape[-1]
        find = self._population(memo) if memo.shape[-1] == 1 else _of_batch(memo)
        products = ops.concatenate([projected, recurrent], axis=-1)
        of_products = find(products, 0, 8 * units)
        normed_input, normed_recurrent = ops.split(_normed(products, of_products), 2, axis=-1)
        total = normed_input * self.input_gain + normed_recurrent * self.recurrent_gain + self.bias
        i, f, o, g = ops.split(total, 4, axis=-1)
        c = ops.sigmoid(f) * last_c + ops.sigmoid(i) * ops.tanh(g)
        of_c = find(c, 8 * units, 9 * units)
        h = ops.sigmoid(o) * ops.tanh(_normed(c, of_c) * self.cell_gain + self.cell_bias)
        # The number of the step alone goes on.
        after = memo + ops.cast([1.0, 0.0][: memo.shape[-1]], memo.dtype)
        kept = tuple(ops.concatenate(pair, axis=-1) for pair in zip(of_products, of_c, strict=True))
        return (h, c, after), (ops.sum(_real(memo)), *kept) if memo.shape[-1] == 2 else ()

    def _population(self, memo: Any) -> Any:
        """What gives mean and variance of some features, by the step of each row."""
        means = self.sums / self.counts
        variances = ops.maximum(self.squares / self.counts - ops.square(means), 0.0)
        step = ops.minimum(ops.cast(memo[..., 0], "int32"), self.steps - 1)
        moments = [ops.cast(x, memo.dtype) for x in (means, variances)]
        return lambda x, begin, end: tuple(take(moment[:, begin:end], step) for moment in moments)

    def note(self, kept: tuple[Any, ...]) -> None:
        """See `Cell`."""
        counts, means, variances = (ops.stop_gradient(ops.cast(x, self.variable_dtype)) for x in kept)
        counts = counts[:, None]
        of_steps = ops.minimum(ops.arange(ops.shape(counts)[0]), self.steps - 1)
        shares = ops.cast(ops.arange(self.steps)[:, None] == of_steps, self.variable_dtype)
        totals = [ops.matmul(shares, counts * x) for x in (ops.ones_like(counts), means, variances + ops.square(means))]
        for weight, total in zip((self.counts, self.sums, self.squares), totals, strict=True):
            before = ops.convert_to_tensor(weight)
            moved = self.momentum * before + (1 - self.momentum) * total
            weight.assign(ops.where(totals[0] > 0, moved, before))


def _normed(x: Any, moments: tuple[Any, Any]) -> Any:
    mean, variance = moments
    return (x - mean) * ops.rsqrt(variance + NORM_EPSILON)


def _real(memo: Any) -> Any:
    """1 for a sentence that has a token at its step, `(..., 1)`."""
    return ops.cast(memo[..., :1] < memo[..., 1:], memo.dtype)


def _of_batch(memo: Any) -> Any:
    """What gives mean and variance of some features over the real rows."""
    real = _real(memo)
    count = ops.maximum(ops.sum(real), 1.0)

    def mean_of(x: Any) -> Any:
        return ops.sum(x * real, axis=tuple(range(len(x.shape) - 1))) / count

    def find(x: Any, begin: int, end: int) -> tuple[Any, Any]:
        mean = mean_of(x)
        return mean, mean_of(ops.square(x - mean))

    return find
