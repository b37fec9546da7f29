"""One set of functions for the files of this machine, of a real S3 on it, and of a store that has folders."""

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.job import storage
from pipeline.job.runners import Runner
from pipeline.job.work_folder import require_free


@pytest.fixture(params=["here", "s3", "disk"])
def folder(request, tmp_path):
    """A folder that is not there yet."""
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket').url}/a/folder"
    if request.param == "disk":
        return f"{request.getfixturevalue('disk')}/a/folder"
    return str(tmp_path / "a" / "folder")


def read(path):
    with storage.opened(path) as file:
        return file.read()


@pytest.mark.parametrize("data", [b"", b"\x00some bytes\xff", bytes(range(256)) * (6 << 12)], ids=len)
def test_what_is_written_is_read(folder, data):
    path = storage.join(folder, "rejected.jsonl.gz")
    assert not storage.exists(path) and storage.names(folder) == set()
    with storage.write_whole(path) as beside:
        beside.write_bytes(data)
        assert not storage.exists(path)
    assert storage.exists(path) and read(path) == data
    storage.copy(path, storage.join(folder, "again"))
    assert read(storage.join(folder, "again")) == data and storage.names(folder) == {"rejected.jsonl.gz", "again"}


def test_a_file_is_replaced(folder):
    path = storage.join(folder, "note")
    for text in ("one", "öther"):
        storage.write_text(path, text)
        assert storage.read_text(path) == text and storage.names(folder) == {"note"}


def test_what_is_not_finished_is_not_there(folder):
    path = storage.join(folder, "note")
    storage.write_text(path, "before")
    with pytest.raises(ZeroDivisionError), storage.write_whole(path) as beside:
        beside.write_text("hal")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), storage.filled(storage.join(folder, "inner")) as inner:
        raise ZeroDivisionError
    assert storage.read_text(path) == "before" and not any(Path(inner).iterdir() if inner.exists() else ())


def test_a_folder_is_filled_and_removed(folder):
    with storage.filled(folder) as inside:
        (inside / "one").write_text("1")
        (inside / "two").write_text("2")
    beside = f"{folder}.other/one"
    storage.write_text(beside, "3")
    assert storage.names(folder) == {"one", "two"} and storage.read_text(storage.join(folder, "two")) == "2"
    assert len(storage.names(folder, 1)) >= 1
    storage.remove(folder, "one", "never")
    storage.remove(folder)
    assert storage.names(folder) == {"two"}
    for _ in range(2):
        storage.remove_folder(folder)
        assert storage.names(folder) == set() and storage.read_text(beside) == "3"


def test_a_missing_file_is_told(folder):
    with pytest.raises(FileNotFoundError, match="never"):
        storage.read_text(storage.join(folder, "never"))


def test_what_a_killed_job_had_begun_is_removed(folder, tmp_path):
    storage.write_text(storage.join(folder, "whole"), "1")
    with storage.write_whole(storage.join(folder, "part")) as beside:
        beside.write_text("2")
        if beside.is_relative_to(folder):
            assert storage.names(folder) == {"whole", beside.parent.name}
            storage.remove_unfinished(folder)
            assert storage.names(folder) == {"whole"}
            beside.parent.mkdir()
            beside.write_text("2")
    if folder.startswith("disk://"):
        (tmp_path / "a/folder/.part.1234").write_text("half")
    storage.remove_unfinished(folder)
    assert storage.names(folder) == {"whole", "part"}


def test_an_upload_that_is_cut_off_leaves_no_object(bucket, monkeypatch):
    """Beam's writer would make an object of what it has been given, if it were closed."""
    path = f"{bucket.url}/data"

    def cut_off(source, target, size):
        target.write(source.read(size))
        raise KeyboardInterrupt

    monkeypatch.setattr(storage.shutil, "copyfileobj", cut_off)
    with pytest.raises(KeyboardInterrupt), storage.write_whole(path) as beside:
        beside.write_bytes(bytes(7 << 20))
    assert bucket.names() == set()


@pytest.mark.parametrize("url", ["s3://no-such-bucket/data", "zzz://bucket/data"])
def test_a_store_that_cannot_be_written_is_told_in_one_line(bucket, url, capfd):
    with pytest.raises(OSError, match=r"^\[Errno 5\] [^\n]+: '.*/data'$"), storage.write_whole(url) as beside:
        beside.write_bytes(b"1")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("why", ["archive", "rights"])
def test_a_file_that_may_not_be_read_is_told_in_one_line(bucket, refuse_reading, why, capfd):
    storage.write_text(f"{bucket.url}/note", "1")
    Runner(1, refuse_reading("note", why))
    with pytest.raises(OSError, match=rf"^\[Errno 5\] An error occurred [^\n]+: '{bucket.url}/note'$"):
        storage.read_text(f"{bucket.url}/note")
    assert capfd.readouterr().err == ""


def test_a_mistake_of_the_reader_is_not_the_stores(folder):
    storage.write_text(storage.join(folder, "note"), "1")
    with pytest.raises(ZeroDivisionError), storage.opened(storage.join(folder, "note")):
        raise ZeroDivisionError


def test_an_unknown_store_is_refused():
    with pytest.raises(UserError, match=r"^--output: expected a folder of a store that can be .*'zzz://b/d'"):
        require_free("zzz://b/d")
