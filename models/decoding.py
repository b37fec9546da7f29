"""Search: pure functions over a step function, in buffers of fixed size.

A step function takes the last token of each hypothesis, `(batch, n)`, and the state, a structure of `(batch, n, ...)`,
and returns logits `(batch, n, vocab)` and the new state. PAD and START are never chosen. Every hypothesis ends with
END: at a sentence's limit END is the only choice, so a sentence's result does not depend on what else is in its batch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from keras import ops, tree

from models.config import DecodingConfig
from pipeline.schema import END_ID, PAD_ID, START_ID

StepFunction = Callable[[Any, Any], tuple[Any, Any]]
IMPOSSIBLE = -1e30


class Hypotheses(NamedTuple):
    """Translations of a batch, best first.

    Attributes:
        ids: `(batch, n, max_length)` int32, PAD after END.
        scores: Log-probability over the length penalty, `(batch, n)`; `IMPOSSIBLE` or below for a row that is empty
            because fewer than n exist.
    """

    ids: Any
    scores: Any


class Searchable(Protocol):
    """A model that can be searched, such as `Seq2Seq`."""

    def start(self, source_ids: Any) -> tuple[Any, Any]:
        """What is computed once a sentence, and the first state, each part `(batch, 1, ...)`."""

    def step(self, ids: Any, source: Any, state: Any) -> tuple[Any, Any]:
        """Logits `(batch, n, vocab)` and the new state for ids `(batch, n)`."""


def search(model: Searchable, source_ids: Any, decoding: DecodingConfig, n_best: int = 1) -> Hypotheses:
    """Translates a batch.

    Args:
        model: The model.
        source_ids: `(batch, src_len)`, PAD after END.
        decoding: The settings.
        n_best: Translations returned a sentence, at most `decoding.beam_size`.

    Returns:
        The best `n_best` hypotheses.
    """
    source, state = model.start(source_ids)
    lengths = ops.sum(ops.cast(ops.not_equal(source_ids, PAD_ID), "int32"), axis=1)
    limits = _limit(lengths, decoding)
    max_length = _limit(ops.shape(source_ids)[1], decoding)

    def step_fn(ids: Any, state: Any) -> tuple[Any, Any]:
        return model.step(ids, source, state)

    if decoding.beam_size == 1:
        return greedy_search(step_fn, state, limits, max_length, decoding.length_penalty)
    return beam_search(step_fn, state, limits, max_length, decoding.beam_size, decoding.length_penalty, n_best)


def _limit(source_length: Any, decoding: DecodingConfig) -> Any:
    """Longest translation, END included, of a source of so many pieces."""
    if isinstance(source_length, int):
        # A buffer's width must be a plain number; the arithmetic is the same.
        return int(np.float32(source_length) * np.float32(decoding.max_length_factor)) + decoding.max_length_offset
    scaled = ops.cast(source_length, "float32") * decoding.max_length_factor
    return ops.cast(scaled, "int32") + decoding.max_length_offset


def length_penalty(length: Any, alpha: float) -> Any:
    """((5 + length) / 6) ** alpha, what a log-probability is divided by (Wu 2016, equation 14); length counts END."""
    return ops.power((5.0 + ops.cast(length, "float32")) / 6.0, alpha)


def greedy_search(step_fn: StepFunction, state: Any, limits: Any, max_length: Any, alpha: float = 0.0) -> Hypotheses:
    """Takes the likeliest token at every step.

    Args:
        step_fn: The step function.
        state: The first state, each part `(batch, 1, ...)`.
        limits: Longest translation of each sentence, END included, `(batch,)` int32, at least 1.
        max_length: Width of the buffers; no limit goes beyond it.
        alpha: The length penalty's exponent, for the score.

    Returns:
        One hypothesis a sentence.
    """
    limits = ops.minimum(limits, max_length)
    batch = ops.shape(limits)[0]
    positions = ops.arange(max_length, dtype="int32")

    def unfinished(t: Any, last: Any, *_: Any) -> Any:
        return ops.logical_and(t < max_length, ops.any(ops.not_equal(last, END_ID)))

    def extend(t: Any, last: Any, ids: Any, total: Any, state: Any) -> tuple[Any, ...]:
        logits, state = step_fn(last, state)
        tokens, log_probs = _candidates(logits, 1, ops.equal(t + 1, limits)[:, None])
        live = ops.not_equal(last, END_ID)
        token = ops.where(live, tokens[..., 0], END_ID)
        ids = ops.where((positions == t) & live[..., None], token[..., None], ids)
        return t + 1, token, ids, total + ops.where(live, log_probs[..., 0], 0.0), state

    start = ops.full((batch, 1), START_ID, dtype="int32")
    ids = ops.full((batch, 1, max_length), PAD_ID, dtype="int32")
    total = ops.zeros((batch, 1), dtype="float32")
    _, _, ids, total, _ = ops.while_loop(unfinished, extend, (0, start, ids, total, state))
    length = ops.sum(ops.cast(ops.not_equal(ids, PAD_ID), "int32"), axis=-1)
    return Hypotheses(ids, total / length_penalty(length, alpha))


def beam_search(
    step_fn: StepFunction,
    state: Any,
    limits: Any,
    max_length: Any,
    beam_size: int,
    alpha: float = 0.0,
    n_best: int = 1,
) -> Hypotheses:
    """Keeps the `beam_size` likeliest hypotheses at every step; one that ends gives up its place for a step.

    A sentence is done when none of its live hypotheses, however it went on, could pass the `n_best`-th finished one;
    the search stops when every sentence is done.

    Args:
        step_fn: The step function.
        state: The first state, each part `(batch, 1, ...)`.
        limits: Longest translation of each sentence, END included, `(batch,)` int32, at least 1.
        max_length: Width of the buffers; no limit goes beyond it.
        beam_size: Live hypotheses a sentence; also finished ones kept.
        alpha: The length penalty's exponent.
        n_best: Hypotheses returned, at most `beam_size`.

    Returns:
        The best finished hypotheses.
    """
    limits = ops.minimum(limits, max_length)
    batch = ops.shape(limits)[0]
    positions = ops.arange(max_length, dtype="int32")
    longest_penalty = length_penalty(limits, alpha)

    def unfinished(t: Any, last: Any, live: Hypotheses, finished: Hypotheses, state: Any) -> Any:
        highest = ops.max(live.scores, axis=1)
        hopeful = _possible(highest) & (highest / longest_penalty > finished.scores[:, n_best - 1])
        return ops.logical_and(t < max_length, ops.any(hopeful))

    def extend(t: Any, last: Any, live: Hypotheses, finished: Hypotheses, state: Any) -> tuple[Any, ...]:
        logits, state = step_fn(last, state)
        tokens, log_probs = _candidates(logits, beam_size, ops.equal(t + 1, limits)[:, None])
        totals = ops.reshape(live.scores[..., None] + log_probs, (batch, -1))
        totals, chosen = ops.top_k(totals, beam_size)
        parents = chosen // tokens.shape[-1]
        last = ops.take_along_axis(ops.reshape(tokens, (batch, -1)), chosen, axis=1)
        ids = ops.where(positions == t, last[..., None], _reorder(live.ids, parents))
        state = tree.map_structure(lambda part: _reorder(part, parents), state)

        ended = ops.equal(last, END_ID)
        # One that ended before still fills its place, and would else end once more.
        scores = ops.where(ended & _possible(totals), totals / length_penalty(t + 1, alpha), IMPOSSIBLE)
        finished = _best(Hypotheses(*map(_join, finished, (ids, scores))), beam_size)
        return t + 1, last, Hypotheses(ids, ops.where(ended, IMPOSSIBLE, totals)), finished, state

    last = ops.full((batch, beam_size), START_ID, dtype="int32")
    ids = ops.full((batch, beam_size, max_length), PAD_ID, dtype="int32")
    first = ops.where(ops.arange(beam_size) == 0, 0.0, IMPOSSIBLE)
    live = Hypotheses(ids, ops.broadcast_to(ops.cast(first, "float32"), (batch, beam_size)))
    finished = Hypotheses(ids, ops.full((batch, beam_size), IMPOSSIBLE, dtype="float32"))
    state = tree.map_structure(lambda part: ops.repeat(part, beam_size, axis=1), state)
    *_, finished, _ = ops.while_loop(unfinished, extend, (0, last, live, finished, state))
    return Hypotheses(finished.ids[:, :n_best], finished.scores[:, :n_best])


def _candidates(logits: Any, count: int, at_limit: Any) -> tuple[Any, Any]:
    """The likeliest `count` tokens of each hypothesis and their log-probabilities, `(batch, n, count)`.

    Args:
        logits: `(batch, n, vocab)`.
        count: How many.
        at_limit: Where END is the only choice, a bool that broadcasts to `(batch, n)`.
    """
    total = ops.logsumexp(logits, axis=-1, keepdims=True)
    # Two more, so that enough are left when PAD and START are among them.
    top_logits, tokens = ops.top_k(logits, min(count + 2, logits.shape[-1]))
    tokens = ops.cast(tokens, "int32")
    possible = ops.logical_and(ops.not_equal(tokens, PAD_ID), ops.not_equal(tokens, START_ID))
    log_probs = ops.where(possible, ops.cast(top_logits - total, "float32"), IMPOSSIBLE)
    log_probs, order = ops.top_k(log_probs, min(count, logits.shape[-1] - 2))
    tokens = ops.take_along_axis(tokens, order, axis=-1)

    end = ops.cast(logits[..., END_ID : END_ID + 1] - total, "float32")
    only_end = ops.where(ops.arange(tokens.shape[-1]) == 0, end, IMPOSSIBLE)
    at_limit = at_limit[..., None]
    return ops.where(at_limit, END_ID, tokens), ops.where(at_limit, only_end, log_probs)


def _possible(scores: Any) -> Any:
    # A penalty divides an impossible score, so that it may stand above `IMPOSSIBLE` itself.
    return scores > IMPOSSIBLE / 2


def _reorder(part: Any, parents: Any) -> Any:
    """Takes of `part (batch, beam, ...)` the hypotheses `parents (batch, n)` of each sentence."""
    shape = ops.shape(part)
    rows = ops.arange(shape[0], dtype=parents.dtype)[:, None] * shape[1] + parents
    return ops.take(ops.reshape(part, (shape[0] * shape[1], *shape[2:])), rows, axis=0)


def _join(one: Any, other: Any) -> Any:
    return ops.concatenate([one, other], axis=1)


def _best(hypotheses: Hypotheses, count: int) -> Hypotheses:
    """The best `count`; of equals, the one that stood first."""
    scores, order = ops.top_k(hypotheses.scores, count)
    return Hypotheses(_reorder(hypotheses.ids, order), scores)
