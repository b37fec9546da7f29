import dataclasses

import pytest

from models.config import Recipe
from models.run import RunConfig
from models.training.claim import claimed
from models.training.distribution import join
from pipeline.errors import UserError

CONFIG = RunConfig(Recipe(), "ab", "cd", 8, 9, "ef")


def test_a_run_goes_on_when_its_languages_are_named_later(tmp_path, capsys):
    CONFIG.write(tmp_path)
    named = dataclasses.replace(CONFIG, source_language="en", target_language="de")
    with claimed(tmp_path, resume=True, overwrite=False, config=named, devices=join("none")) as folder:
        assert RunConfig.read_from(folder) == named
    assert "goes on with other settings (source_language: None there, en here; target_" in capsys.readouterr().err
    other = dataclasses.replace(named, data_fingerprint="gh")
    with (
        pytest.raises(UserError, match=r"^--resume: expected the settings and the data set .*ef there, gh here"),
        claimed(tmp_path, resume=True, overwrite=False, config=other, devices=join("none")),
    ):
        pass
    assert RunConfig.read_from(tmp_path) == named
