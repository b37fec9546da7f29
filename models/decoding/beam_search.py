"""Beam search: pure functions over a step function, in buffers of fixed size.

A step function takes the last token of each hypothesis, `(batch, n)`, what it knows of each source, and the state, a
structure of `(batch, n, ...)`; it returns logits `(batch, n, vocab)`, or of the choices of a shortlist, minus infinity
for tokens never to be chosen, and the new state. Probabilities are those among the other tokens. Every hypothesis ends
with END: at a sentence's limit END is the only choice, so a sentence's result does not depend, but for rounding, on
what else is in its batch.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from keras import ops, tree

from models.decoding.options import is_number
from models.decoding.shortlist import GROUP_SIZE, Choices
from models.recurrent.loops import take, take_each, while_any
from pipeline.schema import END_ID, PAD_ID, START_ID

StepFunction = Callable[[Any, Any, Any], tuple[Any, Any]]
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


def take_sentences(searched: Any, rows: Any) -> Any:
    """The search of the sentences `rows (m,)`, of a structure with a `source` that knows how to take its own."""
    parts = tree.map_structure(lambda part: take(part, rows), searched._replace(source=()))
    return parts._replace(source=searched.source.take(rows))


class Beam(NamedTuple):
    """The search of each sentence.

    Attributes:
        limits: Longest translation, END included, `(batch, 1)` int32.
        widths: How many hypotheses go on, `(batch, 1)`; an empty tuple where all do.
        alphas: The exponent of each length penalty, `(batch, 1)`; an empty tuple where it is the same for all.
        last: The last token of each live hypothesis, `(batch, n)`.
        live: Those that go on; their scores are log-probabilities.
        finished: The best of those that have ended.
        state: The step function's, each part `(batch, n, ...)`.
        source: What the step function knows of each source; `take(rows)` gives that of some sentences.
    """

    limits: Any
    widths: Any
    alphas: Any
    last: Any
    live: Hypotheses
    finished: Hypotheses
    state: Any
    source: Any


def length_penalty(length: Any, alpha: Any) -> Any:
    """((5 + length) / 6) ** alpha, what a log-probability is divided by (Wu 2016, equation 14); length counts END."""
    return ops.power((5.0 + ops.cast(length, "float32")) / 6.0, alpha)


def beam_search(
    step_fn: StepFunction,
    source: Any,
    state: Any,
    limits: Any,
    max_length: Any,
    beam_size: int,
    alpha: Any,
    lookahead: int,
    n_best: int = 1,
    choices: Choices | None = None,
    widths: Any = None,
    normalized: bool = False,
    ending: Callable[[Any, Any], Any] | None = None,
) -> Hypotheses:
    """Keeps the `beam_size` likeliest hypotheses at every step; one that ends gives up its place for a step.

    A sentence is done when none of its live hypotheses could pass the `n_best`-th finished one by ending within
    `lookahead` steps. Log-probabilities only fall, but the penalty by which they are divided rises, so a longer
    hypothesis may pass later: with a lookahead up to the limit nothing can.

    Args:
        step_fn: The step function.
        source: What it knows of each source.
        state: Its first state, each part `(batch, 1, ...)`.
        limits: Longest translation of each sentence, END included, `(batch,)` int32, at least 1.
        max_length: Width of the buffers; no limit goes beyond it.
        beam_size: Live hypotheses a sentence.
        alpha: The length penalty's exponent, a number or `(batch,)`.
        lookahead: At least 1.
        n_best: Hypotheses returned, at most `beam_size`.
        choices: The tokens that the logits are of; by default the vocabulary.
        widths: How many hypotheses of each sentence go on, `(batch,)`, at most `beam_size`: it is searched as with a
            beam of that size; by default all.
        normalized: See `models.decoding.stepping.Stepping`, for this and the next one.
        ending: At most 0, and rises as the hypothesis goes on.

    Returns:
        The best finished hypotheses.
    """
    limits = ops.minimum(limits, max_length)[:, None]
    batch = ops.shape(limits)[0]
    positions = ops.arange(max_length, dtype="int32")
    end = choices.end if choices else END_ID
    ranks = ops.arange(beam_size, dtype="int32")
    alphas = () if is_number(alpha) else alpha[:, None]

    def penalty(length: Any, beam: Beam) -> Any:
        return length_penalty(length, alpha if is_number(alpha) else beam.alphas)

    def extend(t: Any, beam: Beam) -> Beam:
        logits, state = step_fn(beam.last, beam.source, beam.state)
        at_limit = ops.equal(t + 1, beam.limits)
        totals, parents, last = _likeliest(logits, beam.live.scores, beam_size, at_limit, end, normalized)
        totals = totals if widths is None else ops.where(ranks < beam.widths, totals, IMPOSSIBLE)
        last = take(choices.tokens, last) if choices else last
        ids = ops.where(positions == t, last[..., None], take_each(beam.live.ids, parents))
        state = tree.map_structure(lambda part: take_each(part, parents), state)

        ended = ops.equal(last, END_ID)
        # One that ended before still fills its place, and would else end once more.
        scores = totals / penalty(t + 1, beam)
        scores = scores + ending(beam.source, state) if ending else scores
        scores = ops.where(ended & _possible(totals), scores, IMPOSSIBLE)
        finished = _best(Hypotheses(*map(_join, beam.finished, (ids, scores))), n_best)
        highest = ops.max(ops.where(ended, IMPOSSIBLE, totals), axis=1, keepdims=True)
        longest = ops.minimum(t + 1 + lookahead, beam.limits)
        hopeful = highest / penalty(longest, beam) > finished.scores[:, n_best - 1 :]
        totals = ops.where(ended | ~hopeful, IMPOSSIBLE, totals)
        return beam._replace(last=last, live=Hypotheses(ids, totals), finished=finished, state=state)

    def unfinished(beam: Beam) -> Any:
        return ops.any(_possible(beam.live.scores), axis=1)

    def empty(count: int, score: float) -> Hypotheses:
        ids = ops.full((batch, count, max_length), PAD_ID, dtype="int32")
        return Hypotheses(ids, ops.full((batch, count), score, dtype="float32"))

    last = ops.full((batch, 1), START_ID, dtype="int32")
    # A sentence has one hypothesis before the first step, and `beam_size` after it.
    own = limits, () if widths is None else widths[:, None], alphas
    beam = extend(0, Beam(*own, last, empty(1, 0.0), empty(n_best, IMPOSSIBLE), state, source))
    # A product of one row alone rounds differently.
    least = 2 if beam_size == 1 else 1
    return while_any(unfinished, extend, 1, beam, take_sentences, lambda beam: beam.finished, least)


def _likeliest(logits: Any, scores: Any, count: int, at_limit: Any, end: int, normalized: bool) -> tuple[Any, Any, Any]:
    """The likeliest `count` continuations of each sentence.

    The choices are seen in groups: only those of the `count` highest maxima can hold what is sought.

    Args:
        logits: `(batch, n, choices)`; of choices whose number is known only at run time, a multiple of `GROUP_SIZE`
            and at least `count` times as many.
        scores: Log-probabilities of the hypotheses, `(batch, n)`.
        count: How many.
        at_limit: Where END is the only choice, a bool that broadcasts to `(batch, n)`.
        end: The place of END among the choices.
        normalized: Whether the logits are log-probabilities.

    Returns:
        Their log-probabilities, the hypotheses they continue and their places among the choices, `(batch, count)`.
    """
    hypotheses, width = logits.shape[1:]
    size = _group_size(width) if width else GROUP_SIZE
    groups = (width or ops.shape(logits)[2]) // size
    logits = ops.cast(logits, "float32")
    # Logarithms are taken of the few that may be chosen.
    values, log = (logits, lambda x: x) if normalized else (ops.softmax(logits, axis=-1), ops.log)
    maxima = ops.max(ops.reshape(values, (-1, hypotheses, groups, size)), axis=-1)
    maxima = ops.reshape(log(maxima) + scores[..., None], (-1, hypotheses * groups))
    _, best = ops.top_k(maxima, min(count, hypotheses * groups) if width else count)
    of_best = log(take_each(ops.reshape(values, (-1, hypotheses * groups, size)), best))
    of_best = of_best + take_each(scores, best // groups)[..., None]
    found = min(count, best.shape[1] * size)
    totals, chosen = ops.top_k(ops.reshape(of_best, (-1, best.shape[1] * size)), found)
    group = take_each(best, chosen // size)
    parents, tokens = group // groups, group % groups * size + chosen % size

    # Never quite impossible, as a sentence at its limit has nothing else.
    least = np.finfo("float32").tiny
    ends = scores + log(ops.maximum(values[..., end], np.log(least) if normalized else least))
    ranks = ops.arange(count, dtype="int32")
    return (
        ops.where(at_limit, _widen(ends, count, IMPOSSIBLE), _widen(totals, count, IMPOSSIBLE)),
        ops.where(at_limit, ops.minimum(ranks, hypotheses - 1), _widen(parents, count, 0)),
        ops.where(at_limit, end, _widen(tokens, count, 0)),
    )


def _widen(x: Any, count: int, value: float) -> Any:
    """Makes `x (batch, n)` with n at most `count` one of `(batch, count)`."""
    return x if x.shape[1] == count else ops.pad(x, ((0, 0), (0, count - x.shape[1])), constant_values=value)


def _group_size(width: int) -> int:
    """The greatest divisor up to the square root, so that groups are about as many as their members."""
    return max(size for size in range(1, math.isqrt(width) + 1) if width % size == 0)


def _possible(scores: Any) -> Any:
    # A penalty divides an impossible score, so that it may stand above `IMPOSSIBLE` itself.
    return scores > IMPOSSIBLE / 2


def _join(one: Any, other: Any) -> Any:
    return ops.concatenate([one, other], axis=1)


def _best(hypotheses: Hypotheses, count: int) -> Hypotheses:
    """The best `count`; of equals, the one that stood first."""
    scores, order = ops.top_k(hypotheses.scores, count)
    return Hypotheses(take_each(hypotheses.ids, order), scores)
