"""A data set read as training reads it, whose speed and memory are printed as one line of JSON."""

import dataclasses
import json
import sys
import time

from benchmarks.command import run_command
from benchmarks.synthetic_side import peak_bytes
from models.config import BatchingConfig
from pipeline.schema import TRAIN


def reading_side(data: str, /) -> None:
    """Surveys an epoch and reads it, by the default settings; prints its pairs, seconds and the most memory held.

    Args:
        data: Folder of the data set.
    """
    from pipeline.reading.dataset import batches, survey

    settings = dataclasses.asdict(BatchingConfig())
    survey(data, TRAIN, **settings)
    begin, pairs = time.perf_counter(), 0
    for _, target_ids in batches(data, TRAIN, **settings, seed=1):
        pairs += len(target_ids)
    seconds = time.perf_counter() - begin
    print(json.dumps({"pairs": pairs, "seconds": seconds, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    sys.exit(run_command(reading_side))
