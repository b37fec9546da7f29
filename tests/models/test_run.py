import json

import numpy as np
import pytest

from models.config import BatchingConfig, DecodingConfig, ModelConfig, Recipe, TrainingConfig
from models.run import FORMAT, MODEL_FILE, SHORTLIST_FILE, RunConfig, load_model, load_shortlist
from pipeline.errors import UserError

RECIPE = Recipe(
    BatchingConfig(unit="tokens", size=900),
    ModelConfig(cell="gru", attention="none", summary_at_every_step=True, dropout=0.25),
    TrainingConfig(epochs=3, best_by="loss"),
    DecodingConfig(beam_size=2, length_penalty=0.6),
)
CONFIG = RunConfig(
    RECIPE,
    source_fingerprint="ab",
    target_fingerprint="cd",
    source_vocab_size=8,
    target_vocab_size=9,
    data_fingerprint="ef",
)


def test_settings_come_back(tmp_path):
    CONFIG.write(tmp_path)
    assert RunConfig.read_from(tmp_path) == CONFIG
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["recipe"]["model"]["summary_at_every_step"] and written["target_vocab_size"] == 9


def test_a_run_of_before_there_were_placeholders(tmp_path):
    CONFIG.write(tmp_path)
    path = tmp_path / "config.json"
    fields = json.loads(path.read_text())
    del fields["protected"]
    path.write_text(json.dumps(fields))
    assert RunConfig.read_from(tmp_path) == CONFIG and not CONFIG.protected


def test_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, tmp_path / "none", tmp_path / "file"):
        with pytest.raises(UserError, match=r"^RUN: expected the folder of a training, received .*no config\.json"):
            RunConfig.read_from(folder)


def test_another_format(tmp_path):
    CONFIG.write(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace(f'"format": {FORMAT}', '"format": 7'))
    with pytest.raises(
        UserError, match=rf"^RUN: expected a run of format {FORMAT}, received 7 in .*config\.json; train anew"
    ):
        RunConfig.read_from(tmp_path)


@pytest.mark.parametrize(("text", "message"), [("{", "a damaged file"), ("[1]", f"expected a run of format {FORMAT}")])
def test_damaged_settings(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=rf"^RUN: .*{message}.*train anew$"):
        RunConfig.read_from(tmp_path)


def test_no_shortlist(tmp_path):
    assert load_shortlist(tmp_path, DecodingConfig()) is None
    with pytest.raises(
        UserError, match=r"^RUN: expected a shortlist in .*shortlist\.npz, which is not there; `nmt train --resume`"
    ):
        load_shortlist(tmp_path, DecodingConfig(shortlist=1))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text"])
def test_a_damaged_shortlist(tmp_path, content):
    (tmp_path / SHORTLIST_FILE).write_bytes(content)
    with pytest.raises(
        UserError, match=r"^RUN: expected a shortlist in .*shortlist\.npz, received a damaged file; remove"
    ):
        load_shortlist(tmp_path, DecodingConfig(shortlist=1))


def test_a_shortlist_of_other_arrays(tmp_path):
    np.savez(tmp_path / SHORTLIST_FILE, other=np.arange(3))
    with pytest.raises(UserError, match=r"received a damaged file"):
        load_shortlist(tmp_path, DecodingConfig(shortlist=1))


def test_the_model_comes_back(tmp_path, make_model, make_batch):
    with pytest.raises(UserError, match=r"^RUN: expected a run with a finished epoch, received .*best\.keras"):
        load_model(tmp_path)
    model = make_model()
    model.save(tmp_path / MODEL_FILE)
    inputs, _ = make_batch([4, 2], [3, 3])
    np.testing.assert_array_equal(load_model(tmp_path)(inputs), model(inputs))
