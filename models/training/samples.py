"""A few validation sentences, the same ones after every epoch, in whose translations one sees how a model gets on."""

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from models.inspection import attend
from models.seq2seq import Seq2Seq
from pipeline.schema import PAD_ID

if TYPE_CHECKING:
    from pipeline.tokenizer import Tokenizer

COUNT = 4

Pair = tuple[np.ndarray, np.ndarray]


class Sample(NamedTuple):
    """A sentence and what a model makes of it.

    Attributes:
        source: The sentence.
        reference: Its translation in the data set.
        translation: The model's.
        source_pieces: The pieces of the source, END included.
        target_pieces: Those of the model's translation.
        attention: The weights of each piece of the translation, `(tgt_len, src_len)`; None without attention.
    """

    source: str
    reference: str
    translation: str
    source_pieces: list[str]
    target_pieces: list[str]
    attention: np.ndarray | None


class Samples:
    """Translates sentences that are chosen once.

    Args:
        pairs: Source and target ids of all sentences to choose from, END included.
        model: The model.
        search: Searches with it: from source ids `(batch, src_len)` to those of translations `(batch, max_length)`.
        source: The source subwords.
        target: The target subwords.
        alone: Makes a context within which the model runs; see `Devices.alone`.
    """

    def __init__(
        self,
        pairs: Iterable[Pair],
        model: Seq2Seq,
        search: Callable[[np.ndarray], Any],
        source: "Tokenizer",
        target: "Tokenizer",
        alone: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    ):
        self.pairs, self.model, self.search, self.target = spread(pairs), model, search, target
        self.alone = alone
        # What stays the same from epoch to epoch.
        self.sides = [
            (source.text(source_ids), target.text(reference_ids), source.spell(source_ids))
            for source_ids, reference_ids in self.pairs
        ]

    def translate(self) -> list[Sample]:
        """Translates them with the model as it is, the shortest first."""
        source_ids = keras.utils.pad_sequences([ids for ids, _ in self.pairs], padding="post", value=PAD_ID)
        with self.alone():
            found = [ids[ids != PAD_ID] for ids in np.asarray(self.search(source_ids))]
            # Search has room for longer ones, which takes time.
            target_ids = keras.utils.pad_sequences(found, padding="post", value=PAD_ID)
            attention = self._attention(source_ids, target_ids)
        return [self._sample(*rest) for rest in zip(self.sides, found, attention, strict=True)]

    def _attention(self, source_ids: np.ndarray, target_ids: np.ndarray) -> list[np.ndarray | None]:
        if self.model.config.attention == "none":
            return [None] * len(source_ids)
        return attend(self.model, source_ids, target_ids)

    def _sample(self, side: tuple[str, str, list[str]], target_ids: np.ndarray, attention: np.ndarray | None) -> Sample:
        source, reference, source_pieces = side
        return Sample(
            source, reference, self.target.text(target_ids), source_pieces, self.target.spell(target_ids), attention
        )


def spread(pairs: Iterable[Pair]) -> list[Pair]:
    """Chooses `COUNT` pairs by the length of their sources: the middles of as many parts of equal size, or all pairs.

    Args:
        pairs: Source and target ids.
    """
    by_length = sorted(pairs, key=lambda pair: len(pair[0]))
    middles = {(2 * part + 1) * len(by_length) // (2 * COUNT) for part in range(COUNT)}
    return [by_length[middle] for middle in sorted(middles)]
