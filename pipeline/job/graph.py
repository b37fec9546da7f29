"""The two pipelines of the job: raw pairs to shards of clean text, and these to shards of records."""

import os
from collections.abc import Iterable
from typing import Any

import apache_beam as beam

from pipeline.config import PreprocessConfig
from pipeline.corpora.intake import Intake
from pipeline.corpora.units import Unit
from pipeline.files import is_stored
from pipeline.job.assignment import HELD_OUT
from pipeline.job.clean_unit import CleanUnit
from pipeline.job.encode_shard import EncodeShard
from pipeline.job.near_duplicates import NearDuplicates
from pipeline.job.text_shards import ShardName
from pipeline.job.transforms import DigestUnit, DropLeaked, WriteTextShard
from pipeline.schema import TRAIN, VALID


def clean(root: beam.Pipeline, config: PreprocessConfig, intake: Intake, text: str, progress: str) -> None:
    """Adds the steps from units of raw pairs to shards of clean text, with one shuffle.

    Side inputs are lists, as Dask computes the others again for each element.

    Args:
        root: The pipeline.
        config: The settings.
        intake: What is read.
        text: The folder of the shards.
        progress: The folder of what is counted meanwhile.
    """
    excluded = root | "Excluded units" >> beam.Create(_absolute(intake.excluded))
    excluded = excluded | "Excluded sentences" >> beam.ParDo(DigestUnit(config.cleaning, progress))
    parts = []
    if intake.valid:
        valid = _units(root, "validation", intake.valid) | "Clean validation" >> beam.ParDo(
            CleanUnit(config, intake.shards, VALID, progress)
        )
        excluded = (excluded, _held_out(valid)) | "All excluded sentences" >> beam.Flatten()
        parts.append(valid)
    clean_unit = CleanUnit(config, intake.shards, TRAIN, progress)
    train = _units(root, "training", intake.train) | "Clean training" >> beam.ParDo(
        clean_unit, beam.pvalue.AsList(excluded)
    )
    if not intake.valid:
        held_out = beam.pvalue.AsList(_held_out(train))
        train = train | "Drop validation sentences" >> beam.ParDo(DropLeaked(config, progress), held_out)
    parts.append(train)
    if config.near_duplicates is not None:
        parts.append(train | "Near duplicates" >> NearDuplicates(config, intake.shards))
    _ = (
        parts
        | "All parts" >> beam.Flatten()
        | "Of shards" >> beam.Filter(_is_of_shard)
        | "Shuffle" >> beam.GroupByKey()
        | "Write text" >> beam.ParDo(WriteTextShard(config, intake.shards, text, progress))
    )


def _units(root: beam.Pipeline, name: str, units: list[Unit]) -> beam.PCollection:
    return root | f"Units of {name}" >> beam.Create(_absolute(units)) | f"Spread {name}" >> beam.Reshuffle()


def _absolute(units: Iterable[Unit]) -> list[Unit]:
    """Units with the names of files under which a worker with another working folder finds them."""
    return [
        unit._replace(paths=tuple(path if is_stored(path) else os.path.abspath(path) for path in unit.paths))
        for unit in units
    ]


def _held_out(elements: beam.PCollection) -> beam.PCollection:
    own = elements | "Of validation sentences" >> beam.Filter(lambda element: not _is_of_shard(element))
    return own | "Validation sentences" >> beam.Map(lambda element: element[1][1])


def _is_of_shard(element: Any) -> bool:
    return element[0][0] != HELD_OUT


def encode(root: beam.Pipeline, encode_shard: EncodeShard, names: list[ShardName]) -> None:
    """Adds the step from shards of clean text to shards of records.

    Args:
        root: The pipeline.
        encode_shard: The step.
        names: The shards.
    """
    _ = root | beam.Create(names) | beam.Reshuffle() | "Encode" >> beam.ParDo(encode_shard)
