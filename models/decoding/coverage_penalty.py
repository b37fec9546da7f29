"""The coverage penalty: a translation that leaves parts of its source out scores less."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from models.decoding.stepping import Beside, Stepping


class Covered(NamedTuple):
    """The state of a step function, and what was attended to.

    Attributes:
        state: The step function's.
        sums: Of each attention the sum of its weights over the steps, `(batch, n, src_len)`; nothing before the first.
    """

    state: Any
    sums: tuple[Any, ...]


def coverage_penalty(sums: Any, mask: Any) -> Any:
    """The sum over the source of log(min(attention it got, 1)) (Wu 2016, equation 14), for a beta of 1.

    Args:
        sums: The attention that each source token got over the steps, `(batch, n, src_len)`.
        mask: `(batch, src_len)`, True for a real token.

    Returns:
        `(batch, n)`, at most 0.
    """
    # What was never looked at does not cost infinitely much.
    logs = ops.log(ops.clip(ops.cast(sums, "float32"), np.finfo("float32").tiny, 1.0))
    return ops.sum(ops.where(mask[:, None], logs, 0.0), axis=-1)


def covering(
    watch: Callable[..., tuple[Any, Any, tuple[Any, ...]]], source: Any, state: Any, mask: Any, betas: Any
) -> Stepping:
    """A step function whose hypotheses get, as they end, beta times the coverage penalty, the mean of all attentions.

    Args:
        watch: A step function that returns the weights of each attention, too, `(batch, n, src_len)`; one at least.
        source: What it knows of each source.
        state: Its first state, each part `(batch, 1, ...)`.
        mask: `(batch, src_len)`, True for a real token.
        betas: Of each sentence, `(batch,)`.
    """

    def run(last: Any, source: Beside, state: Covered) -> tuple[Any, Covered]:
        logits, inner, weights = watch(last, source.source, state.state)
        sums = zip(state.sums, weights, strict=True) if state.sums else ()
        return logits, Covered(inner, tuple(before + now for before, now in sums) or weights)

    def ending(source: Beside, state: Covered) -> Any:
        mask, betas = source.rows
        penalties = [coverage_penalty(sums, mask) for sums in state.sums]
        return betas[:, None] * sum(penalties) / len(penalties)

    return Stepping(run, Beside(source, (mask, betas)), Covered(state, ()), ending=ending)
