"""What the rules would reject, told on some pairs before anything is made."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.config import PreprocessConfig
from pipeline.corpora import readers
from pipeline.corpora.inputs import Input
from pipeline.corpora.intake import excluded_of, files_of, inputs_of
from pipeline.corpora.units import InputName
from pipeline.errors import UserError
from pipeline.job.assignment import HELD_OUT, PAIRS, REJECTED, Assignment, split_digests
from pipeline.job.blocks import RejectRow
from pipeline.job.credentials import require_credentials
from pipeline.job.rejects import fields
from pipeline.job.runners import Runner
from pipeline.job.survivors import survivors, without_leaked
from pipeline.job.transforms import sentence_digests
from pipeline.report.examples import Examples
from pipeline.schema import TRAIN, VALID
from pipeline.unread_settings import refuse_unread

_EXAMPLES = 3


class DryRun(NamedTuple):
    """What was found in the pairs that were read.

    Attributes:
        read: Count of pairs.
        copies: Count of records that are there again, as their corpora's weights ask.
        kept: Count of records by split; that of validation if it is held out of these pairs.
        rejected: Count of pairs by rule.
        examples: A few of these of each rule.
    """

    read: int
    copies: int
    kept: Mapping[str, int]
    rejected: Mapping[str, int]
    examples: Mapping[str, Sequence[Mapping[str, Any]]]


def dry_run(config: PreprocessConfig, limit: int, beam_args: Sequence[str] = ()) -> DryRun:
    """Cleans the first pairs of the training inputs, as many of each, and writes nothing.

    Leaked and equal pairs are found among these pairs; near duplicates and what is too long in pieces stay.

    Args:
        config: The settings.
        limit: About how many pairs are read.
        beam_args: Apache Beam's own flags, such as those of a store.

    Raises:
        UserError: A file cannot be read, or `limit` is less than one.
    """
    if limit < 1:
        raise UserError(f"--limit: expected at least 1, received {limit}; change --limit")
    refuse_unread(config)
    Runner(config.workers, beam_args)
    require_credentials(files_of(config))
    train, valid = inputs_of(config)
    rows = _rows(config, train, TRAIN, -(-limit // len(train)), _excluded(config, valid))
    pairs, leaked, _ = without_leaked(rows[TRAIN, PAIRS], split_digests(rows[HELD_OUT, HELD_OUT]), config)
    rejected: list[RejectRow] = [*rows[TRAIN, REJECTED], *leaked]
    stay = [*survivors(sorted(pairs), {}, rejected, config)]
    kept = {TRAIN: len(stay)} | ({} if valid else {VALID: len(rows[VALID, PAIRS])})
    examples, names = Examples(_EXAMPLES), [InputName(one.corpus.name, one.name) for one in train]
    for row in rejected:
        examples.add(fields(row, names))
    # A pair is kept, as its first copy, or rejected.
    read = len(rows[VALID, PAIRS]) + sum(row[5] == 0 for row in rows[TRAIN, PAIRS]) + len(rows[TRAIN, REJECTED])
    copies = sum(row[4] > 0 for row in stay)
    return DryRun(read, copies, kept, Counter(row[2] for row in rejected), examples.by_rule())


def _rows(
    config: PreprocessConfig, found: Sequence[Input], split: str, each: int | None, excluded: frozenset[bytes]
) -> dict[tuple[str, str], list[Any]]:
    """The rows of the first pairs of each input, by split and tag."""
    assignment = Assignment(config, 1, split)
    rows: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for one in found:
        for raw in readers.first([one], each):
            for ((of, _), tag), row in assignment.rows(raw, one.corpus.weight, excluded):
                rows[of, tag].append(row)
    return rows


def _excluded(config: PreprocessConfig, valid: Sequence[Input]) -> frozenset[bytes]:
    """The digests of the sentences of the excluded files and of validation."""
    joined = sentence_digests(readers.first(excluded_of(config), None), config.cleaning)
    return split_digests([*joined, *_rows(config, valid, VALID, None, frozenset())[HELD_OUT, HELD_OUT]])
