"""What a job is given to read: found, counted and divided into units before it starts."""

import itertools
import math
from typing import Any, NamedTuple

from pipeline.config import READERS, PreprocessConfig
from pipeline.corpora import readers
from pipeline.corpora.corpora_file import read_corpora
from pipeline.corpora.corpus import Corpus, aligned, paired
from pipeline.corpora.inputs import Input, excluded_inputs, inputs
from pipeline.corpora.units import InputName, Unit

# Of the records, as they are estimated: about as many bytes as the text, and some around each pair.
_SHARD_BYTES, _AROUND_A_PAIR = 100 << 20, 64


class Intake(NamedTuple):
    """What is read: units, those of excluded sentences, the inputs' names, the files' states, and counts.

    `size` is about how many bytes the training text has as plain text, and `records` how many pairs, each copy counted.
    """

    train: list[Unit]
    valid: list[Unit]
    excluded: list[Unit]
    names: tuple[InputName, ...]
    states: list[Any]
    pairs: int
    size: int
    records: int
    shards: int


def corpora_of(config: PreprocessConfig) -> tuple[tuple[Corpus, ...], tuple[Corpus, ...]]:
    """The corpora that settings name, those of training and those of validation.

    Raises:
        UserError: The YAML file of corpora cannot be read, or is no list of corpora.
    """
    fields = config.source_field, config.target_field
    train = aligned(config.source, config.target) + paired(config.pairs, *fields)
    if config.corpora:
        train += read_corpora(config.corpora)
    valid = aligned(config.valid_source, config.valid_target, "valid-")
    return train, valid + paired(config.valid_pairs, *fields, "valid-")


def files_of(config: PreprocessConfig) -> list[str]:
    """The files and patterns that settings name; see `corpora_of`."""
    corpora = itertools.chain(*corpora_of(config))
    files = [file for one in corpora for file in (*one.source, *one.target, *one.pairs)]
    return [*files, *config.exclude]


def inputs_of(config: PreprocessConfig) -> tuple[list[Input], list[Input]]:
    """The files of corpora, found and numbered: those of training, by name, and those of validation, as given.

    So the order in which training files are given decides nothing, not even which of equal pairs is the first.

    Raises:
        UserError: See `inputs`.
    """
    languages = config.source_language, config.target_language
    train, valid = (inputs(corpora, languages) for corpora in corpora_of(config))
    both = [*sorted(train, key=lambda one: one.name), *valid]
    numbered = [one._replace(number=number) for number, one in enumerate(both)]
    return numbered[: len(train)], numbered[len(train) :]


def excluded_of(config: PreprocessConfig) -> list[Input]:
    """The files whose sentences must not occur in training; those of pairs have the fields of `--pairs`.

    Raises:
        UserError: See `excluded_inputs`.
    """
    if not config.exclude:
        return []
    fields = config.source_field, config.target_field
    corpus = Corpus("excluded", 1.0, (), (), config.exclude, *fields, option="--exclude")
    return excluded_inputs(corpus, (config.source_language, config.target_language))


def take_in(config: PreprocessConfig) -> Intake:
    """Finds all files that a job reads, and reads each to its end once.

    Raises:
        UserError: A file is missing or unreadable, or parallel files have unequal counts of lines.
    """
    train, valid = inputs_of(config)
    excluded = excluded_of(config)
    both = [*train, *valid]
    files = [file for one in (*both, *excluded) for file in one.files]
    train_units, valid_units = readers.units(train), readers.units(valid)
    size = sum(unit.weight * unit.size for unit in train_units)
    records = sum(unit.weight * unit.pairs for unit in train_units)
    return Intake(
        train=train_units,
        valid=valid_units,
        excluded=readers.units(excluded),
        names=tuple(InputName(one.corpus.name, one.name) for one in both),
        states=[*map(tuple, files), *((one.corpus.name, one.corpus.weight, one.format, one.fields) for one in both)],
        pairs=sum(unit.pairs for unit in (*train_units, *valid_units)),
        size=math.ceil(size),
        records=math.ceil(records),
        shards=config.shards
        or max(config.readers or READERS, math.ceil((size + _AROUND_A_PAIR * records) / _SHARD_BYTES)),
    )
