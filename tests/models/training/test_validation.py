import shutil
import types
from pathlib import Path

import numpy as np
import pytest

from models.config import BatchingConfig
from models.training.validation import scorer, validation_batches
from pipeline.schema import END_ID, PAD_ID, SOURCE_IDS


def _key(source_ids):
    return tuple(source_ids[source_ids != PAD_ID])


@pytest.mark.parametrize("bucket_width", [0, 9])
def test_bleu_is_of_the_pairs_alone_however_their_batches_are_filled(data, tmp_path, bucket_width):
    batches = validation_batches(data, BatchingConfig(size=3, max_target_length=1, bucket_width=bucket_width))
    rows = [len(targets) for _, targets in batches]
    assert int(batches.cardinality()) == len(rows)
    assert sum(rows) == (8 if not bucket_width else 3 * len(rows))
    shutil.copy(Path(data) / "target.spm", tmp_path)
    references = {
        _key(source_ids): target_ids
        for inputs, targets in batches
        for source_ids, target_ids in zip(inputs[SOURCE_IDS].numpy(), targets.numpy(), strict=True)
    }
    seen = []

    def translate(source_ids, spoilt=False):
        seen.append(source_ids.shape)
        found = [references[_key(row)] for row in source_ids]
        # As search does, an end where there is nothing.
        nothing = np.where(np.arange(len(found[0])) == 0, END_ID, PAD_ID)
        return np.array([nothing if spoilt or not row[0] else row for row in found], "int32")

    perfect = scorer(types.SimpleNamespace(predict_on_batch=translate), batches, tmp_path)
    assert perfect() == pytest.approx(100)
    assert len(seen) == len(rows)
    silent = scorer(types.SimpleNamespace(predict_on_batch=lambda ids: translate(ids, True)), batches, tmp_path)
    assert silent() == 0
