"""What the rules would reject, told on some pairs before anything is made."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline import digests, readers
from pipeline.assignment import split_digests
from pipeline.config import PreprocessConfig
from pipeline.errors import UserError
from pipeline.examples import Examples
from pipeline.filesystems import find
from pipeline.inputs import Input, inputs
from pipeline.intake import corpora_of
from pipeline.rejects import DUPLICATE, LEAKED, cut, fields
from pipeline.rules import Clean, Rejected, cleaner
from pipeline.schema import TRAIN, VALID
from pipeline.transforms import file_digests
from pipeline.units import RawPair

_EXAMPLES = 3


class DryRun(NamedTuple):
    """Counts of pairs read, kept by split and rejected by rule, and a few rejected pairs of each rule."""

    read: int
    kept: Mapping[str, int]
    rejected: Mapping[str, int]
    examples: Mapping[str, Sequence[Mapping[str, Any]]]


def dry_run(config: PreprocessConfig, limit: int) -> DryRun:
    """Cleans the first pairs of the training inputs, as many of each, and writes nothing.

    Leaked and equal pairs are found among these pairs as the job finds them; what a corpus's weight leaves out, near
    duplicates and what is too long in pieces stay.

    Args:
        config: The settings.
        limit: About how many pairs are read.

    Raises:
        UserError: A file cannot be read, or `limit` is less than one.
    """
    if limit < 1:
        raise UserError(f"--limit: expected at least 1, received {limit}; change --limit")
    languages = config.source_language, config.target_language
    train, valid = (inputs(corpora, languages) for corpora in corpora_of(config))
    clean = cleaner(config.cleaning, *languages)
    raw = [pair for one in train for pair in readers.first([one], -(-limit // len(train)))]
    cleaned = [(pair, clean(pair.source, pair.target)) for pair in raw]
    trial = _Trial(config, _excluded(config, valid), [pair for _, pair in cleaned if isinstance(pair, Clean)])
    kept, rejected, examples = Counter({TRAIN: 0, VALID: 0}), Counter[str](), Examples(_EXAMPLES)
    names = {one.number: one.name for one in train}
    for place, pair in cleaned:
        if isinstance(pair, Clean):
            outcome = trial.outcome(pair)
            if outcome in kept:
                kept[outcome] += 1
                continue
            pair = Rejected(outcome, None, None, *pair)
        rejected[pair.rule] += 1
        examples.add(_example(config, place, pair, names))
    return DryRun(len(raw), kept, rejected, examples.by_rule())


class _Trial:
    """Decides about clean pairs, one after the other.

    Args:
        config: The settings.
        excluded: Digests of the sentences that no training pair may have.
        pairs: All of them, some of which are held out.
    """

    def __init__(self, config: PreprocessConfig, excluded: frozenset[bytes], pairs: Sequence[Clean]):
        self._config, self._excluded = config, excluded
        self._places: set[bytes] = set()
        held_out = [pair for pair in pairs if self._is_held_out(pair) and not self._has(pair, excluded)]
        self._held_out = frozenset(map(digests.sentence_digest, itertools.chain.from_iterable(held_out)))

    def outcome(self, pair: Clean) -> str:
        """The split that keeps a pair, or the rule that rejects it."""
        if self._has(pair, self._excluded):
            return LEAKED
        if self._is_held_out(pair):
            return VALID
        if self._has(pair, self._held_out):
            return LEAKED
        config = self._config
        place = digests.place(*pair, 0, config.dedup, config.seed)[: digests.SIZE]
        if place in self._places and config.dedup != "none":
            return DUPLICATE
        self._places.add(place)
        return TRAIN

    def _is_held_out(self, pair: Clean) -> bool:
        config = self._config
        given = config.valid_source or config.valid_pairs
        return not given and digests.held_out(pair.source, config.valid_share, config.seed)

    def _has(self, pair: Clean, sentences: frozenset[bytes]) -> bool:
        sides = (pair.source,) if self._config.leak_side == "source" else pair
        return any(digests.sentence_digest(side) in sentences for side in sides)


def _excluded(config: PreprocessConfig, valid: Sequence[Input]) -> frozenset[bytes]:
    """The digests of the sentences of the excluded files and of validation."""
    files = [file.path for path in config.exclude for file in find("--exclude", path)]
    joined = [digest for path in files for digest in file_digests(path, config.cleaning)]
    clean = cleaner(config.cleaning, config.source_language, config.target_language)
    pairs = (clean(raw.source, raw.target) for raw in readers.first(valid, None))
    held_out = [pair for pair in pairs if isinstance(pair, Clean)]
    return split_digests([*joined, *map(digests.sentence_digest, itertools.chain.from_iterable(held_out))])


def _example(config: PreprocessConfig, place: RawPair, pair: Rejected, names: Mapping[int, str]) -> dict[str, Any]:
    texts = (None, None) if config.reject_text == "none" else (cut(pair.source), cut(pair.target))
    return fields((place.file, place.line, pair.rule, pair.value, pair.threshold, *texts), names)
