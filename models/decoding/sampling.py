"""Ancestral sampling: translations drawn by their probability; a pure function over a step function."""

from typing import Any, NamedTuple

from keras import ops, tree

from models.decoding.beam_search import Hypotheses, StepFunction, take_sentences
from models.decoding.likeliest import likeliest
from models.decoding.options import is_number
from models.recurrent.loops import take, while_any
from pipeline.schema import END_ID, PAD_ID, START_ID


class Drawn(NamedTuple):
    """The translations of each sentence so far.

    Attributes:
        limits: Longest translation, END included, `(batch,)` int32.
        options: Those of `sample` that are one for each sentence, `(batch, 1, 1)`.
        uniforms: What decides the draws, `(batch, n, draws)`.
        last: The last token of each, `(batch, n)`; PAD after END.
        hypotheses: The tokens, and their log-probabilities.
        state: The step function's, each part `(batch, n, ...)`.
        source: What the step function knows of each source; `take(rows)` gives that of some sentences.
    """

    limits: Any
    options: dict[str, Any]
    uniforms: Any
    last: Any
    hypotheses: Hypotheses
    state: Any
    source: Any


def sample(
    step_fn: StepFunction,
    source: Any,
    state: Any,
    limits: Any,
    max_length: Any,
    uniforms: Any,
    temperature: Any = 1.0,
    top_k: Any = 0,
    top_p: Any = 1.0,
    normalized: bool = False,
) -> Hypotheses:
    """Draws translations, each token by its probability given those before.

    Args:
        step_fn: The step function, of the whole vocabulary.
        source: What it knows of each source.
        state: Its first state, each part `(batch, 1, ...)`.
        limits: Longest translation of each sentence, END included, `(batch,)` int32; at its limit END is drawn.
        max_length: Width of the buffers; no limit goes beyond it.
        uniforms: Random numbers from 0 to 1, `(batch, n, draws)`: the nth translation takes its t-th token by that at
            t modulo draws.
        temperature: What logits are divided by: below 1 the likely tokens are drawn more often, above 1 less. A number,
            or `(batch,)`, as are the next two.
        top_k: Draws among so many of the likeliest tokens; 0 draws among all.
        top_p: Draws among the likeliest that together have so much of the probability; 1 draws among all.
        normalized: See `models.decoding.stepping.Stepping`.

    Returns:
        The translations in the order of `uniforms`; a score is the log-probability at temperature 1, among all tokens.
    """
    batch, count = ops.shape(uniforms)[0], uniforms.shape[1]
    positions = ops.arange(max_length, dtype="int32")
    limits = ops.minimum(limits, max_length)
    given = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    own = {name: value[:, None, None] for name, value in given.items() if not is_number(value)}

    def extend(t: Any, drawn: Drawn) -> Drawn:
        logits, state = step_fn(drawn.last, drawn.source, drawn.state)
        logits = ops.cast(logits, "float32")
        temperature, top_k, top_p = (given | drawn.options).values()
        number = take(drawn.uniforms, t % ops.shape(uniforms)[2], axis=2)
        tokens = draw(logits / temperature, number, top_k, top_p)
        tokens = ops.where(ops.equal(t + 1, drawn.limits)[:, None], END_ID, tokens)
        log_probabilities = logits if normalized else ops.log_softmax(logits, axis=-1)
        gained = ops.take_along_axis(log_probabilities, tokens[..., None], axis=-1)[..., 0]
        goes_on = _goes_on(drawn.last)
        tokens = ops.where(goes_on, tokens, PAD_ID)
        ids = ops.where(positions == t, tokens[..., None], drawn.hypotheses.ids)
        scores = drawn.hypotheses.scores + ops.where(goes_on, gained, 0.0)
        return drawn._replace(last=tokens, hypotheses=Hypotheses(ids, scores), state=state)

    last = ops.full((batch, count), START_ID, dtype="int32")
    empty = Hypotheses(
        ops.full((batch, count, max_length), PAD_ID, dtype="int32"), ops.zeros((batch, count), dtype="float32")
    )
    drawn = Drawn(limits, own, uniforms, last, empty, several(state, count), source)
    # A product of one row alone rounds differently.
    least = 2 if count == 1 else 1
    return while_any(
        lambda drawn: ops.any(_goes_on(drawn.last), axis=1),
        extend,
        1,
        extend(0, drawn),
        take_sentences,
        lambda drawn: drawn.hypotheses,
        least,
    )


def several(state: Any, count: int) -> Any:
    """A state whose parts are `(batch, 1, ...)` for so many hypotheses, `(batch, count, ...)`."""
    return tree.map_structure(lambda part: ops.repeat(part, count, axis=1), state)


def draw(logits: Any, uniforms: Any, top_k: Any = 0, top_p: Any = 1.0) -> Any:
    """The tokens at which the sum of probabilities, in the order of the vocabulary, passes a number.

    Args:
        logits: `(batch, n, vocab)`.
        uniforms: The numbers, `(batch, n)`.
        top_k: See `likeliest`, for this and the next one.
        top_p: The same.
    """
    sums = ops.cumsum(ops.softmax(likeliest(logits, top_k, top_p), axis=-1), axis=-1)
    passed = ops.cast(sums <= uniforms[..., None] * sums[..., -1:], "int32")
    return ops.minimum(ops.sum(passed, axis=-1), logits.shape[-1] - 1)


def _goes_on(last: Any) -> Any:
    return ops.logical_and(ops.not_equal(last, END_ID), ops.not_equal(last, PAD_ID))
