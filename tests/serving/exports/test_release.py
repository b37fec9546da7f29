import dataclasses
import shutil

import pytest

from pipeline.errors import UserError
from serving.endpoint import open_model
from serving.exports.release import release
from serving.exports.release_config import ReleaseConfig
from serving.servable import Servable


def names(folder):
    """What lies in an export but for the settings of TensorFlow Serving."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".config")


@pytest.fixture
def write(tmp_path):
    def write(name, lines):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)

    return write


def test_it_checks_and_keeps(run, export, tmp_path, write, sentences):
    output = tmp_path / "export"
    shutil.copytree(export / "1", output / "1")
    options = ReleaseConfig(keep=2, signatures=())
    assert release(str(run), str(output), options) == f"{output}/2"
    assert names(output) == ["1", "2"]
    source = write("source", sentences[:20])
    options = dataclasses.replace(options, signatures=("decode",), check_source=source)
    assert release(str(run), str(output), options) == f"{output}/3"
    assert names(output) == ["2", "3"]
    assert set(Servable(output / "3").signatures) - {"__saved_model_init_op"} == {"serving_default", "decode"}


@pytest.mark.long
def test_a_new_version_must_not_be_worse(run, other_run, plain_run, tmp_path, write, sentences, capsys):
    output = tmp_path / "export"
    references = open_model(str(run))(sentences)
    files = {"compare_source": write("source", sentences), "compare_target": write("target", references)}
    options = ReleaseConfig(signatures=(), **files)
    release(str(run), str(output), options)
    assert f"{output}: there is no version yet to compare with" in capsys.readouterr().err
    # The plain run has hardly learned, and the first one's own translations are the references.
    with pytest.raises(
        UserError, match=r"^--margin: expected a new version at most 1.0 BLEU below .*/1 with 100.00, r"
    ):
        release(str(plain_run), str(output), dataclasses.replace(options, keep=1))
    assert names(output) == ["1"]
    told = capsys.readouterr().err
    assert f"{output}/1: BLEU 100.00 (95 % of samples within 100.00 ± 0.00)\nnew version: BLEU " in told
    assert "p-value of the difference 0.0010  nrefs:1|bs:1000|seed:12345|case:mixed" in told
    release(str(plain_run), str(output), dataclasses.replace(options, margin=100.0))
    # The new one is now what is to be compared with: nothing is worse than it.
    release(str(run), str(output), options)
    assert names(output) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compare_source": "missing", "compare_target": "x"}, "--compare-source: expected a readable"),
        ({"check_source": "missing"}, "--check-source: expected a readable"),
    ],
)
def test_missing_files_are_found_before_the_work(options, message, tmp_path):
    with pytest.raises(UserError, match=f"^{message}"):
        release("no-run", str(tmp_path), ReleaseConfig(**options))
