"""Search: from source ids to translations, as the settings of decoding say."""

from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from models.beam_search import Hypotheses, StepFunction, beam_search
from models.config import DecodingConfig
from models.sampling import sample
from models.shortlist import Shortlist
from pipeline.schema import PAD_ID

# Random numbers of a drawn translation, after which they begin again.
DRAWS = 1024


class Searchable(Protocol):
    """A model that can be searched, such as `Seq2Seq`."""

    def start(self, source_ids: Any) -> tuple[Any, Any]:
        """What is computed once a sentence, and the first state, each part `(batch, 1, ...)`."""

    def stepper(self, choices: Any = None) -> StepFunction:
        """The step function, with what all steps share computed once, for some tokens `(choices,)` or all."""


def search(
    model: Searchable,
    source_ids: Any,
    decoding: DecodingConfig,
    n_best: int = 1,
    shortlist: Shortlist | None = None,
) -> Hypotheses:
    """Translates a batch.

    Args:
        model: The model.
        source_ids: `(batch, src_len)`, PAD after END.
        decoding: The settings; a `beam_size` of 1 is greedy search, and a `temperature` above 0 draws.
        n_best: Translations returned a sentence; in search, at most `decoding.beam_size`.
        shortlist: Decides, with a `decoding.shortlist` above 0, among which tokens to search; by default among all.

    Returns:
        The best `n_best` hypotheses, or as many drawn ones.
    """
    source, state = model.start(source_ids)
    lengths = ops.sum(ops.cast(ops.not_equal(source_ids, PAD_ID), "int32"), axis=1)
    # Nothing, END alone, has no translation but nothing.
    limits = ops.where(lengths > 1, length_limit(lengths, decoding), 1)
    max_length = length_limit(ops.shape(source_ids)[1], decoding)
    reach = source, state, limits, max_length
    if decoding.temperature:
        # The same numbers for each sentence: what is drawn of it does not depend on its company.
        uniforms = keras.random.uniform((1, n_best, DRAWS), dtype="float32", seed=decoding.seed)
        uniforms = ops.tile(uniforms, (ops.shape(limits)[0], 1, 1))
        return sample(model.stepper(), *reach, uniforms, decoding.temperature, decoding.top_k)
    settings = decoding.beam_size, decoding.length_penalty, decoding.lookahead, n_best
    choices = None
    if shortlist and decoding.shortlist:
        choices = shortlist.choices(source_ids, decoding.shortlist, decoding.beam_size)
    stepper = model.stepper(choices.tokens) if choices else model.stepper()
    return beam_search(stepper, *reach, *settings, choices=choices)


def length_limit(source_length: Any, decoding: DecodingConfig) -> Any:
    """Longest translation, END included, of a source of so many pieces, a plain number or a tensor of them."""
    if isinstance(source_length, int):
        # A buffer's width must be a plain number; the arithmetic is the same.
        return int(np.float32(source_length) * np.float32(decoding.max_length_factor)) + decoding.max_length_offset
    scaled = ops.cast(source_length, "float32") * decoding.max_length_factor
    return ops.cast(scaled, "int32") + decoding.max_length_offset
