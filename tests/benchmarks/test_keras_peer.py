from typing import Any

import numpy as np
import pytest

from benchmarks.keras_peer import build_keras_model
from models.config import ModelConfig
from models.seq2seq import Seq2Seq

SIZES = {"encoder_units": 8, "decoder_units": 6, "embedding_size": 5, "attention_units": 7, "readout_units": 5}
CONFIG = ModelConfig(**SIZES, tie_embeddings="three-way", dropout=0.0)
VOCAB_SIZE = 11


@pytest.fixture(scope="module")
def model() -> Any:
    return build_keras_model(CONFIG, VOCAB_SIZE)


def inputs(source_ids: list[list[int]]) -> dict[str, np.ndarray]:
    return {
        "source_ids": np.array(source_ids, np.int32),
        "decoder_input_ids": np.array([[2, 4, 5, 6], [2, 7, 8, 0]], np.int32),
    }


def test_it_has_as_many_weights_as_ours(model: Any) -> None:
    ours = Seq2Seq(CONFIG, VOCAB_SIZE, VOCAB_SIZE, label_smoothing=0.1, name="seq2seq")
    ours.build()
    # Keras's layer has no bias of the vocabulary.
    assert model.count_params() == ours.count_params() - VOCAB_SIZE


def test_source_padding_changes_nothing(model: Any) -> None:
    short = model(inputs([[4, 5, 3], [6, 3, 0]]))
    long = model(inputs([[4, 5, 3, 0, 0], [6, 3, 0, 0, 0]]))
    assert short.shape == (2, 4, VOCAB_SIZE)
    np.testing.assert_allclose(short, long, atol=1e-6)


def test_every_source_token_is_seen_at_every_step(model: Any) -> None:
    before, after = model(inputs([[4, 5, 3], [6, 3, 0]])), model(inputs([[4, 9, 3], [6, 3, 0]]))
    assert np.all(np.max(np.abs(before - after), axis=-1)[0] > 1e-6)
