import dataclasses

import numpy as np
import pytest

from benchmarks.rounds import measure, module
from benchmarks.synthetic import Synthetic
from pipeline.schema import DECODER_INPUT_IDS, END_ID, SOURCE_IDS, START_ID

TINY = Synthetic(units=8, layers=2, pairs=3, length=5, vocab_size=11, steps=2, warmup_steps=1)


def test_a_batch_has_no_padding_and_ends_where_it_should() -> None:
    inputs, targets = TINY.batch(seed=1)
    for ids in (inputs[SOURCE_IDS], targets):
        assert ids.shape == (3, 5) and ids.dtype == np.int32
        assert (ids[:, -1] == END_ID).all() and (ids[:, :-1] > END_ID).all() and ids.max() < 11
    assert inputs[DECODER_INPUT_IDS].tolist() == [[START_ID, *row[:-1]] for row in targets.tolist()]
    assert TINY.tokens == 30


def test_its_default_is_the_model_of_the_recipe_untied() -> None:
    from benchmarks.train_side import shipped_recipe

    # What is dropped costs the same, however much it is.
    untied = dataclasses.replace(shipped_recipe("attention").model, tie_embeddings="none", dropout=0.2)
    assert untied == Synthetic().model


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "dtype", "layers"), [("tensorflow", "float32", 1), ("jax", "mixed_bfloat16", 2)])
def test_a_training_prints_its_speed(tmp_path, monkeypatch, backend: str, dtype: str, layers: int) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    # Hasty: XLA compiles in half the time what runs for seconds.
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
    options = ("--backend", backend, "--dtype", dtype, *dataclasses.replace(TINY, layers=layers).options())
    measured = measure(module("benchmarks.synthetic_side", *options), tmp_path / "log")
    assert measured["device"] == "cpu" and measured["parameters"] > 1000
    assert measured["tokens_per_second"] > 0 and measured["step_seconds"] > 0 and measured["peak_bytes"] > 0
