import hashlib

import pytest

from pipeline.files import file_sha256, write_beside


def test_a_file_appears_when_it_is_whole(tmp_path):
    with write_beside(tmp_path / "new" / "a.txt") as path:
        path.write_text("whole")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["a.txt"]


def test_a_failure_leaves_what_was_there(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError, match="halfway"), write_beside(tmp_path / "a.txt") as path:
        path.write_text("half")
        raise RuntimeError("halfway")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_not_written_into_one_that_holds_something(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "kept").touch()
    with pytest.raises(OSError, match="not empty"), write_beside(tmp_path / "run") as path:
        path.mkdir()
    assert [entry.name for entry in (tmp_path / "run").iterdir()] == ["kept"]


def test_file_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
