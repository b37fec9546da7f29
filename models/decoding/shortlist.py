"""A shortlist: the target tokens that a source may bring, so that search need not see the others."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from models.decoding.stepping import Stepping, around
from models.recurrent.loops import take
from pipeline.files import write_beside
from pipeline.schema import END_ID, PAD_ID, START_ID, UNK_ID

ITERATIONS = 5
LEAST_PROBABILITY = 0.02
# As many pairs of a source and a target token are learned from at most: a few seconds, and less than a gigabyte.
MOST_LINKS = 20_000_000
# The choices of a batch are a multiple of this, so that search can see them in groups.
GROUP_SIZE = 64


class Choices(NamedTuple):
    """The tokens that search chooses among.

    Attributes:
        tokens: Their ids, `(choices,)` int32.
        barred: Added to their logits in each sentence, `(batch, choices)`: 0, or minus infinity for what fills up the
            last group, or only another sentence of the batch may have.
        end: The place of END.
    """

    tokens: Any
    barred: Any
    end: int


class Shortlist(NamedTuple):
    """What is known of a vocabulary.

    Attributes:
        translations: Of each source token, `(source_vocab, k)` int32; END where it has fewer, and for PAD.
        frequent: All target tokens but PAD, UNK and START, the most frequent first, `(target_vocab - 3,)` int32.
    """

    translations: Any
    frequent: Any

    def choices(self, source_ids: Any, common: int, groups: int) -> Choices:
        """What a batch may be translated with: each sentence with END, frequent tokens and the translations of its own.

        On TensorFlow the choices are those of the batch; the other backends have no shapes that depend on values, and
        choose among all tokens, of which the same are barred.

        Args:
            source_ids: `(batch, src_len)`, PAD after END.
            common: How many of the frequent tokens.
            groups: Groups of `GROUP_SIZE` choices that there must be.
        """
        # All tokens are there but PAD, UNK and START.
        batch, vocab = ops.shape(source_ids)[0], self.frequent.shape[0] + 3
        allowed = ops.concatenate([self.frequent[:common], ops.full((1,), END_ID, "int32")], axis=0)
        allowed = ops.segment_sum(ops.ones_like(allowed), allowed, num_segments=vocab)
        places = take(self.translations, source_ids) + vocab * ops.arange(batch, dtype="int32")[:, None, None]
        places = ops.reshape(places, (-1,))
        brought = ops.segment_sum(ops.ones_like(places), places, num_segments=batch * vocab)
        allowed = ops.reshape(brought, (-1, vocab)) + allowed > 0
        if keras.backend.backend() != "tensorflow":
            return Choices(ops.arange(vocab, dtype="int32"), _bar(allowed), END_ID)
        import tensorflow as tf

        tokens = tf.cast(tf.where(tf.reduce_any(allowed, axis=0))[:, 0], tf.int32)
        count = tf.maximum(-(-tf.size(tokens) // GROUP_SIZE), groups) * GROUP_SIZE
        tokens = tf.pad(tokens, [[0, count - tf.size(tokens)]], constant_values=PAD_ID)
        # No other special id is ever allowed, so that END has the lowest.
        return Choices(tokens, _bar(take(allowed, tokens, axis=1)), 0)

    def write(self, path: Path) -> None:
        """Writes it as NumPy's `.npz`, whole or not at all."""
        with write_beside(path) as beside, open(beside, "wb") as file:
            np.savez(file, **self._asdict())

    @classmethod
    def read(cls, path: Path) -> "Shortlist":
        """Reads what `write` has written."""
        with np.load(path) as arrays:
            return cls(**arrays)


def _bar(allowed: Any) -> Any:
    return ops.where(allowed, 0.0, -np.inf)


def shortlisted(inner: Stepping, choices: Choices) -> Stepping:
    """A step function, of the logits of choices, that bars what a sentence may not have."""

    def change(barred: Any, last: Any, logits: Any, state: Any) -> tuple[Any, Any]:
        return logits + barred[:, None], state

    return around(inner, choices.barred, (), change)


def learn(
    pairs: Iterable[tuple[np.ndarray, np.ndarray]], source_vocab: int, target_vocab: int, copies: np.ndarray
) -> Shortlist:
    """Learns which tokens translate which, by IBM Model 1 (Brown 1993, section 4.1).

    A translation is a target token of a probability of `LEAST_PROBABILITY` or more.

    Args:
        pairs: Source and target ids, END included; so many are read as together have `MOST_LINKS` pairs of tokens.
        source_vocab: Count of source ids.
        target_vocab: Count of target ids.
        copies: The target id that is spelt as each source id is, as names and numbers stay what they are,
            `(source_vocab,)`; a special id where there is none.
    """
    keys, columns, frequency = _links(pairs, source_vocab, target_vocab)
    links, link = np.unique(keys, return_inverse=True)
    sources, targets = links // target_vocab, links % target_vocab
    probabilities = np.ones(len(links))
    for _ in range(ITERATIONS):
        shares = probabilities[link]
        shares /= np.bincount(columns, shares)[columns]
        counts = np.bincount(link, shares)
        probabilities = counts / np.bincount(sources, counts)[sources]

    special = [PAD_ID, UNK_ID, START_ID]
    kept = (probabilities >= LEAST_PROBABILITY) & (sources < source_vocab) & ~np.isin(targets, special)
    sources, targets = sources[kept], targets[kept]
    place = np.arange(len(sources)) - np.searchsorted(sources, sources) + 1
    translations = np.full((source_vocab, 1 + max(place, default=0)), END_ID, np.int32)
    translations[:, 0] = np.where(np.isin(copies, special), END_ID, copies)
    translations[sources, place] = targets
    frequent = np.argsort(-frequency, kind="stable").astype(np.int32)
    return Shortlist(translations, frequent[~np.isin(frequent, special)])


def _links(
    pairs: Iterable[tuple[np.ndarray, np.ndarray]], source_vocab: int, target_vocab: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every source and target token that stand in one pair, a key of both and the target's number; the frequencies.

    The empty word, of which any target token may come, is one more source token of every pair.
    """
    keys, columns, count, column = [], [], 0, 0
    frequency = np.zeros(target_vocab, np.int64)
    for source, target in pairs:
        source = np.append(source, source_vocab)
        keys.append((source[:, None].astype(np.int64) * target_vocab + target).ravel())
        columns.append(np.tile(np.arange(column, column + len(target)), len(source)))
        np.add.at(frequency, target, 1)
        count, column = count + len(keys[-1]), column + len(target)
        if count >= MOST_LINKS:
            break
    return np.concatenate(keys), np.concatenate(columns), frequency
