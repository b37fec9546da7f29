import pytest

import nmt
from pipeline.errors import UserError
from serving.exports.export_folder import (
    complete_versions,
    newest_version,
    next_version,
    remove_older,
    rollback,
    whole_versions,
)


@pytest.fixture
def export(tmp_path):
    """Versions 2, 9 and 10, an unfinished 11, and what is no version."""
    for name in ("2", "9", "10"):
        (tmp_path / name / "variables").mkdir(parents=True)
        (tmp_path / name / "saved_model.pb").write_text(f"model {name}")
        (tmp_path / name / "variables" / "data").write_text(name)
    (tmp_path / "11").mkdir()
    (tmp_path / "notes").mkdir()
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_versions_by_number(export):
    assert [path.name for path in whole_versions(export)] == ["2", "9", "10"]
    assert next_version(export) == export / "12"
    assert next_version(export / "none") == export / "none" / "1"


@pytest.mark.parametrize(
    ("keep", "left"), [(1, ["10"]), (2, ["10", "9"]), (3, ["10", "2", "9"]), (7, ["10", "2", "9"])]
)
def test_the_newest_stay(export, keep, left):
    removed = remove_older(export, keep)
    assert names(export) == sorted([*left, "11", "notes"])
    assert [path.name for path in removed] == [name for name in ("2", "9", "10") if name not in left]


def test_the_version_before_becomes_the_newest(export):
    assert rollback(export) == (export / "9", export / "12")
    assert (export / "12" / "saved_model.pb").read_text() == "model 9"
    assert (export / "12" / "variables" / "data").read_text() == "9"
    assert names(export) == sorted(["2", "9", "10", "11", "12", "notes"])


@pytest.mark.parametrize("keep", [0, 1])
def test_nothing_to_go_back_to(export, tmp_path, keep):
    folder = tmp_path / "none"
    if keep:
        remove_older(export, 1)
        folder = export
    with pytest.raises(UserError, match=rf"^EXPORT: expected .* two versions, received '{folder}' with {keep};"):
        rollback(folder)


def test_the_command(export, capsys):
    assert nmt.main(["rollback", str(export)]) == 0
    assert capsys.readouterr().out == f"{export / '12'}: a copy of {export / '9'}\n"


def test_the_newest_version_is_the_highest_number(small_export):
    assert newest_version(small_export) == small_export / "10"
    assert complete_versions(small_export) == {2: small_export / "2", 10: small_export / "10"}
