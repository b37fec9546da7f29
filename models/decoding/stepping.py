"""Step functions around step functions: each idea that changes what a step may say is one, and they compose."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from keras import ops, tree

from models.recurrent.loops import take


class Beside(NamedTuple):
    """What a step function knows of each source, and what one around it does.

    Attributes:
        source: That of the inner one.
        rows: A structure of tensors `(batch, ...)`.
    """

    source: Any
    rows: Any

    def take(self, rows: Any) -> "Beside":
        """That of the sentences `rows (m,)`."""
        return Beside(self.source.take(rows), tree.map_structure(lambda part: take(part, rows), self.rows))


class Stepping(NamedTuple):
    """What search runs.

    Attributes:
        step_fn: See `models.decoding.beam_search`.
        source: What it knows of each source.
        state: Its first state, each part `(batch, 1, ...)`.
        normalized: Whether its logits are log-probabilities, which need not sum to 1: what a token barred after that
            had of the probability is lost to the hypothesis, not shared out among the others.
        ending: From source and state, what is added to the score of a hypothesis that ends there, `(batch, n)`; None
            for nothing.
    """

    step_fn: Callable[[Any, Any, Any], tuple[Any, Any]]
    source: Any
    state: Any
    normalized: bool = False
    ending: Callable[[Any, Any], Any] | None = None


def around(inner: Stepping, rows: Any, first: Any, change: Callable[[Any, Any, Any, Any], tuple[Any, Any]]) -> Stepping:
    """A step function around another.

    Args:
        inner: The other one.
        rows: What it knows of each source, a structure of tensors `(batch, ...)`.
        first: Its own first state, each part `(batch, 1, ...)`.
        change: From `rows`, the last tokens `(batch, n)`, the inner one's logits `(batch, n, choices)` and its own
            state, each part `(batch, n, ...)`, to the new logits and state.
    """

    def run(last: Any, source: Beside, state: Any) -> tuple[Any, Any]:
        logits, within = inner.step_fn(last, source.source, state[0])
        logits, own = change(source.rows, last, logits, state[1])
        return logits, (within, own)

    ending = inner.ending
    if ending is not None:
        ending = _of_inner(ending)
    return Stepping(run, Beside(inner.source, rows), (inner.state, first), inner.normalized, ending)


def _of_inner(ending: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda source, state: ending(source.source, state[0])


def normalized(inner: Stepping) -> Stepping:
    """The same with log-probabilities."""
    if inner.normalized:
        return inner

    def change(rows: Any, last: Any, logits: Any, state: Any) -> tuple[Any, Any]:
        return ops.log_softmax(ops.cast(logits, "float32"), axis=-1), state

    return around(inner, (), (), change)._replace(normalized=True)


def barring(logits: Any, barred: Any) -> Any:
    """`logits (batch, n, choices)` but for those `barred`, a bool that broadcasts; all, where none were left."""
    left = ops.where(barred, -np.inf, logits)
    return ops.where(ops.max(left, axis=-1, keepdims=True) > -np.inf, left, logits)
