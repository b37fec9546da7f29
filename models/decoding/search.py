"""Search: from source ids to translations, as the settings of decoding say."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
from keras import ops

from models.config import DecodingConfig
from models.decoding.beam_search import Hypotheses, StepFunction, beam_search
from models.decoding.coverage_penalty import covering
from models.decoding.forced_prefix import Beginning, Spelling, beginning_with
from models.decoding.min_length import at_least
from models.decoding.no_repeat import without_repeats
from models.decoding.options import Options, for_each, is_number, is_on
from models.decoding.sampling import sample
from models.decoding.shortlist import Shortlist, shortlisted
from models.decoding.stepping import Stepping
from pipeline.schema import PAD_ID

# Random numbers of a drawn translation, after which they begin again.
DRAWS = 1024


class Searchable(Protocol):
    """A model that can be searched, such as `Seq2Seq`."""

    @property
    def target_vocab_size(self) -> int:
        """Count of target ids."""

    def start(self, source_ids: Any) -> tuple[Any, Any]:
        """What is computed once a sentence, and the first state, each part `(batch, 1, ...)`."""

    def stepper(self, choices: Any = None) -> StepFunction:
        """The step function, with what all steps share computed once, for some tokens `(choices,)` or all."""

    def watcher(self, choices: Any = None) -> Callable[..., tuple[Any, Any, tuple[Any, ...]]]:
        """The same, which returns the weights of each attention, too, `(batch, n, src_len)`."""


class Begun(NamedTuple):
    """How the translations of a batch begin, and how all pieces are spelt."""

    beginning: Beginning
    spelling: Spelling


def search(
    model: Searchable,
    source_ids: Any,
    decoding: DecodingConfig,
    n_best: int = 1,
    shortlist: Shortlist | None = None,
    begun: Begun | None = None,
) -> Hypotheses:
    """Translates a batch.

    Args:
        model: The model.
        source_ids: `(batch, src_len)`, PAD after END.
        decoding: The settings; a `beam_size` of 1 is greedy search, and a `temperature` above 0 draws.
        n_best: Translations returned a sentence; in search, at most `decoding.beam_size`.
        shortlist: Decides, with a `decoding.shortlist` above 0, among which tokens to search; by default among all.
        begun: How the translations begin, which are then searched among all tokens.

    Returns:
        The best `n_best` hypotheses, or as many drawn ones.
    """
    options = Options.of(decoding)
    if decoding.temperature:
        return draw_each(model, source_ids, decoding, options, n_best, begun)
    return search_each(model, source_ids, decoding, options, decoding.beam_size, n_best, shortlist, begun)


def search_each(
    model: Searchable,
    source_ids: Any,
    decoding: DecodingConfig,
    options: Options,
    beam_size: int,
    n_best: int = 1,
    shortlist: Shortlist | None = None,
    begun: Begun | None = None,
) -> Hypotheses:
    """Searches the best translations with options of each sentence's own.

    Args:
        model: See `search`, for this and the other arguments.
        source_ids: `(batch, src_len)`, PAD after END.
        decoding: What there is no option for.
        options: Those of the sentences.
        beam_size: The widest beam of all.
        n_best: At most the narrowest beam of all.
        shortlist: See `search`.
        begun: See `search`.
    """
    source, state = model.start(source_ids)
    choices = None
    if shortlist and decoding.shortlist and not begun:
        choices = shortlist.choices(source_ids, decoding.shortlist, beam_size)
    tokens = choices.tokens if choices else None
    if is_on(options.coverage_penalty):
        betas = for_each(options.coverage_penalty, ops.shape(source_ids)[0], "float32")
        mask = ops.not_equal(source_ids, PAD_ID)
        stepping = covering(model.watcher(tokens), source, state, mask, betas)
    else:
        stepping = Stepping(model.stepper(tokens), source, state)
    stepping = shortlisted(stepping, choices) if choices else stepping
    limits, max_length = _limits(source_ids, decoding, options, begun)
    stepping = beginning_with(stepping, *begun) if begun else stepping
    stepping = _ruled(stepping, options, tokens, model.target_vocab_size, limits, max_length)
    return beam_search(
        *(stepping.step_fn, stepping.source, stepping.state, limits, max_length, beam_size),
        *(options.length_penalty, decoding.lookahead, n_best, choices),
        widths=None if is_number(options.beam_size) else options.beam_size,
        normalized=stepping.normalized,
        ending=stepping.ending,
    )


def draw_each(
    model: Searchable,
    source_ids: Any,
    decoding: DecodingConfig,
    options: Options,
    n_best: int = 1,
    begun: Begun | None = None,
) -> Hypotheses:
    """Draws translations with options of each sentence's own; the arguments are those of `search_each`."""
    stepping = Stepping(model.stepper(), *model.start(source_ids))
    limits, max_length = _limits(source_ids, decoding, options, begun)
    stepping = beginning_with(stepping, *begun) if begun else stepping
    stepping = _ruled(stepping, options, None, model.target_vocab_size, limits, max_length)
    uniforms = _uniforms(options.seed, n_best, ops.shape(source_ids)[0])
    return sample(
        *(stepping.step_fn, stepping.source, stepping.state, limits, max_length, uniforms),
        *(options.temperature, options.top_k, options.top_p, stepping.normalized),
    )


def _limits(source_ids: Any, decoding: DecodingConfig, options: Options, begun: Begun | None) -> tuple[Any, Any]:
    """The longest translation of each sentence, END included, `(batch,)`, and of all."""
    lengths = ops.sum(ops.cast(ops.not_equal(source_ids, PAD_ID), "int32"), axis=1)
    limits, width = length_limit(lengths, decoding), length_limit(ops.shape(source_ids)[1], decoding)
    if is_on(options.min_length):
        limits = ops.maximum(limits, options.min_length + 1)
        # A buffer's width must be a plain number where a graph can have no other.
        is_plain = isinstance(width, int) and is_number(options.min_length)
        width = max(width, options.min_length + 1) if is_plain else ops.maximum(width, ops.max(options.min_length) + 1)
    if is_on(options.max_length, -1):
        limits = ops.where(options.max_length < 0, limits, ops.minimum(limits, options.max_length + 1))
    # Nothing, END alone, has no translation but nothing.
    limits = ops.where(lengths > 1, limits, 1)
    if begun:
        limits = limits + begun.beginning.most_pieces()
        width = ops.max(limits)
    return limits, width


def _ruled(
    stepping: Stepping, options: Options, tokens: Any, vocab_size: int, limits: Any, max_length: Any
) -> Stepping:
    """With a step function around it for each rule that the options make; `tokens` are by default all."""
    batch = ops.shape(limits)[0]
    tokens = np.arange(vocab_size, dtype="int32") if tokens is None else tokens
    if is_on(options.min_length):
        # Nothing stays nothing.
        lengths = ops.minimum(for_each(options.min_length, batch, "int32"), limits - 1)
        stepping = at_least(stepping, lengths, tokens)
    if is_on(options.no_repeat_ngram):
        sizes = for_each(options.no_repeat_ngram, batch, "int32")
        stepping = without_repeats(stepping, sizes, tokens, vocab_size, max_length)
    return stepping


def _uniforms(seeds: Any, count: int, batch: Any) -> Any:
    """Random numbers of each sentence that its seed alone decides, `(batch, count, DRAWS)`."""

    def of(seed: Any) -> Any:
        return keras.random.uniform((count, DRAWS), dtype="float32", seed=seed)

    if is_number(seeds):
        return ops.tile(of(seeds)[None], (batch, 1, 1))
    return ops.map(lambda seed: of(_Seed(seed)), seeds)


class _Seed(keras.random.SeedGenerator):
    """One seed, a tensor, that draws what the same number would."""

    def __init__(self, seed: Any):
        # Keras's own would make a variable.
        self._given = seed

    def next(self, ordered: bool = True) -> Any:
        """The seed."""
        return ops.cast(ops.stack([self._given, ops.zeros_like(self._given)]), "uint32")


def length_limit(source_length: Any, decoding: DecodingConfig) -> Any:
    """Longest translation, END included, of a source of so many pieces, a plain number or a tensor of them."""
    if isinstance(source_length, int):
        # A buffer's width must be a plain number; the arithmetic is the same.
        return int(np.float32(source_length) * np.float32(decoding.max_length_factor)) + decoding.max_length_offset
    scaled = ops.cast(source_length, "float32") * decoding.max_length_factor
    return ops.cast(scaled, "int32") + decoding.max_length_offset
