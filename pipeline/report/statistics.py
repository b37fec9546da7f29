"""What the text of a data set is like: counts that add up, over the blocks of a shard and over the shards (NumPy)."""

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.cleaning.length_rules import width
from pipeline.schema import END_ID, UNK_ID

# A bin of length ratios is an eighth of an octave wide; the outermost ones, at 16 times, hold all beyond.
RATIO_EDGES = 2.0 ** (np.arange(-32, 33) / 8)


class Vocabulary(NamedTuple):
    """Which pieces begin a word, and which spell one byte of a character without a piece: `(vocab_size,)` bool each."""

    word_starts: np.ndarray
    byte_pieces: np.ndarray

    @classmethod
    def of(cls, pieces: Sequence[str]) -> "Vocabulary":
        """Reads it from the spelling of all pieces, by their ids."""
        return cls(
            np.array([piece.startswith("\u2581") for piece in pieces], bool),
            np.array([re.fullmatch("<0x[0-9A-F]{2}>", piece) is not None for piece in pieces], bool),
        )


class Sentences(NamedTuple):
    """One side of some pairs.

    Attributes:
        ids: Their pieces one after the other, each sentence with its END, `(pieces,)`.
        lengths: Count of pieces of each, END included, `(sentences,)`.
        characters: Count of characters of each, `(sentences,)`.
        widths: The same, those of East Asian width counted as two, as the rule `characters_ratio` counts.
    """

    ids: np.ndarray
    lengths: np.ndarray
    characters: np.ndarray
    widths: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str], ids: Sequence[Sequence[int]]) -> "Sentences":
        """Gathers texts and the ids of each."""
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        flat = np.fromiter(itertools.chain.from_iterable(ids), np.int64, int(lengths.sum()))
        return cls(flat, lengths, *(np.fromiter(map(size, texts), np.int64, len(texts)) for size in (len, width)))


@dataclasses.dataclass(frozen=True, eq=False)
class SideStatistics:
    """Counts over the sentences of one side; two add up by `+`.

    Attributes:
        sentences: Count of sentences.
        characters: Count of their characters.
        unknown: Count of pieces that are UNK.
        byte_pieces: Count of pieces that spell a byte (byte fallback).
        byte_sentences: Count of sentences that have such a piece.
        pieces: Occurrences of each piece, by id, `(vocab_size,)`.
        lengths: Sentences by their length in pieces, END included, `(longest + 1,)`.
        word_lengths: Words by their count of pieces, `(longest + 1,)`. A word reaches from one U+2581 to the next: of
            languages that put no spaces between words it is what stands between spaces.
    """

    sentences: int
    characters: int
    unknown: int
    byte_pieces: int
    byte_sentences: int
    pieces: np.ndarray
    lengths: np.ndarray
    word_lengths: np.ndarray

    def __add__(self, other: "SideStatistics") -> "SideStatistics":
        added = {
            field.name: _add(getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)
        }
        return SideStatistics(**added)

    @property
    def tokens(self) -> int:
        """Count of pieces, END included."""
        return int(self.pieces.sum())

    @property
    def words(self) -> int:
        """Count of words."""
        return int(self.word_lengths.sum())

    @property
    def pieces_per_word(self) -> float:
        """Mean count of pieces of a word (fertility); 0 if there is no word."""
        return _mean(self.word_lengths)

    @property
    def mean_length(self) -> float:
        """Mean count of pieces of a sentence, END included; 0 if there is no sentence."""
        return _mean(self.lengths)

    def length_at(self, share: float) -> int:
        """The least length in pieces, END included, that this share of the sentences does not exceed."""
        reached = np.cumsum(self.lengths) >= share * self.sentences
        return int(np.argmax(reached)) if len(reached) else 0

    def coverage(self, least: int = 1) -> float:
        """Share of the vocabulary's pieces that occur `least` times or more.

        PAD, START and the byte pieces are among the vocabulary; the first two never occur.
        """
        return float(np.mean(self.pieces >= least)) if len(self.pieces) else 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class PairStatistics:
    """Counts over pairs; two add up by `+`.

    Attributes:
        source: Those of the source side.
        target: Those of the target side.
        ratios: Pairs by the quotient of target and source width in characters, `(len(RATIO_EDGES) - 1,)`.
    """

    source: SideStatistics
    target: SideStatistics
    ratios: np.ndarray

    def __add__(self, other: "PairStatistics") -> "PairStatistics":
        return PairStatistics(self.source + other.source, self.target + other.target, self.ratios + other.ratios)

    def to_json(self) -> dict[str, Any]:
        """The counts as what a JSON file can hold."""
        sides = {side: _to_json(getattr(self, side)) for side in ("source", "target")}
        return {**sides, "ratios": self.ratios.tolist()}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "PairStatistics":
        """The counts that `to_json` gave."""
        return cls(_from_json(fields["source"]), _from_json(fields["target"]), np.array(fields["ratios"], np.int64))


def count_pairs(
    source: Sentences, target: Sentences, source_vocabulary: Vocabulary, target_vocabulary: Vocabulary
) -> PairStatistics:
    """Counts over some pairs: the n-th source sentence and the n-th target sentence are one."""
    ratios = target.widths / np.maximum(source.widths, 1)
    inside = np.clip(ratios, RATIO_EDGES[0], RATIO_EDGES[-1])
    return PairStatistics(
        count_side(source, source_vocabulary),
        count_side(target, target_vocabulary),
        np.histogram(inside, RATIO_EDGES)[0].astype(np.int64),
    )


def count_side(sentences: Sentences, vocabulary: Vocabulary) -> SideStatistics:
    """Counts over one side of some pairs."""
    ids, lengths = sentences.ids, sentences.lengths
    pieces = np.bincount(ids, minlength=len(vocabulary.byte_pieces))
    ends = np.cumsum(lengths)
    in_bytes = np.concatenate([[0], np.cumsum(vocabulary.byte_pieces[ids])])
    return SideStatistics(
        sentences=len(lengths),
        characters=int(sentences.characters.sum()),
        unknown=int(pieces[UNK_ID]),
        byte_pieces=int(in_bytes[-1]),
        byte_sentences=int(np.count_nonzero(in_bytes[ends] > in_bytes[ends - lengths])),
        pieces=pieces,
        lengths=np.bincount(lengths),
        word_lengths=_word_lengths(ids, ends - lengths, vocabulary),
    )


def _word_lengths(ids: np.ndarray, sentence_starts: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    begins = vocabulary.word_starts[ids]
    begins[sentence_starts] = True
    # It ends the last word of its sentence, and is none.
    begins |= ids == END_ID
    at = np.flatnonzero(begins)
    lengths = np.diff(at, append=len(ids))
    return np.bincount(lengths[ids[at] != END_ID])


def _add(one: Any, other: Any) -> Any:
    """The sum of two counts, or of two arrays of counts of which the shorter one lacks zeros at its end."""
    if not isinstance(one, np.ndarray):
        return one + other
    longest = max(len(one), len(other))
    return sum(np.pad(counts, (0, longest - len(counts))) for counts in (one, other))


def _mean(counts: np.ndarray) -> float:
    total = counts.sum()
    return float(np.arange(len(counts)) @ counts / total) if total else 0.0


def _to_json(side: SideStatistics) -> dict[str, Any]:
    # `asdict` would copy the arrays.
    fields = {field.name: getattr(side, field.name) for field in dataclasses.fields(side)}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in fields.items()}


def _from_json(fields: Mapping[str, Any]) -> SideStatistics:
    counts: dict[str, Any] = {
        name: np.array(value, np.int64) if isinstance(value, list) else value for name, value in fields.items()
    }
    return SideStatistics(**counts)
