"""The folder beside an output: taken up if a job has made it, and left alone if somebody else has."""

import os
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.job import storage, store_lock
from pipeline.job.work_folder import require_free, work_folder

NOT_OURS = "--output: expected a name beside which .*data.work' is free .* no job has made; name another output"


@pytest.fixture(params=["folder", "bucket", "disk"])
def output(request, tmp_path, monkeypatch):
    """A data set's folder to be, on this machine and in stores."""
    for name, seconds in (("_WATCH", 0.0), ("_SETTLE", 0.0)):
        monkeypatch.setattr(store_lock, name, seconds)
    store = tmp_path if request.param == "folder" else request.getfixturevalue(request.param)
    return f"{getattr(store, 'url', store)}/sets/data"


@pytest.mark.parametrize("name", ["thesis.txt", "text.finished", "data/thesis.txt"])
def test_files_of_somebody_else_are_left_alone(output, name):
    path = f"{output}.work/{name}"
    storage.write_text(path, "mine")
    with pytest.raises(UserError, match=NOT_OURS), work_folder(output):
        pass
    assert storage.read_text(path) == "mine" and len(storage.names(f"{output}.work")) == 1


def test_what_a_job_has_made_is_taken_up_and_removed_at_the_end(output):
    with pytest.raises(KeyError), work_folder(output) as work:
        storage.write_text(storage.join(work.claim("text", "a"), "train.text"), "made")
        raise KeyError
    with work_folder(output) as work:
        assert storage.read_text(storage.join(work.claim("text", "a"), "train.text")) == "made"
        assert storage.names(work.claim("text", "b")) == set()
    assert storage.names(f"{output}.work") == set()
    with pytest.raises(UserError, match="of the user's"), work_folder(output):
        raise UserError("of the user's")
    assert storage.names(f"{output}.work") == set()


def test_an_empty_folder_is_as_good_as_none(tmp_path):
    (tmp_path / "data.work").mkdir()
    with work_folder(str(tmp_path / "data")) as work:
        assert Path(work.path).is_dir()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_what_cannot_be_removed_as_a_folder_is_left_alone(tmp_path, kind):
    path, aim = tmp_path / "data.work", tmp_path / "aim"
    if kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(aim)
    if kind == "link":
        aim.mkdir()
    with pytest.raises(UserError, match=NOT_OURS), work_folder(str(tmp_path / "data")):
        pass
    assert os.path.lexists(path) and aim.exists() == (kind == "link")


def test_a_mount_point_is_refused():
    with pytest.raises(UserError, match=r"--output: expected a folder in whose place .* received '/', where a disk is"):
        require_free("/")
