import gzip
import io
import os
from typing import ClassVar

import pytest
from apache_beam.io.filesystem import FileMetadata, FileSystem
from apache_beam.options.pipeline_options import HadoopFileSystemOptions

from pipeline.corpora.filesystems import find, open_stored, read_lines
from pipeline.errors import UserError
from pipeline.job.runners import Runner


class Store(FileSystem):
    """An object store in this process: Beam finds a file system by the scheme of its class."""

    objects: ClassVar[dict[str, bytes]] = {}

    @classmethod
    def scheme(cls):
        return "store"

    def has_dirs(self):
        return False

    def _list(self, dir_or_prefix):
        for path, data in self.objects.items():
            if path.startswith(dir_or_prefix):
                yield FileMetadata(path, len(data), 7.0)

    def exists(self, path):
        return path in self.objects

    def metadata(self, path):
        return FileMetadata(path, len(self.objects[path]), 7.0)

    def open(self, path, mime_type="", compression_type=""):
        return io.BytesIO(self.objects[path])

    def _unused(self, *_):
        raise NotImplementedError

    join = split = mkdirs = create = copy = rename = size = last_updated = checksum = delete = _unused


@pytest.fixture
def store(monkeypatch):
    objects = {"store://b/x.en.gz": gzip.compress(b"a\nb\n"), "store://b/y.en": b"c\n", "store://b/x.de": b"u\nv\n"}
    monkeypatch.setattr(Store, "objects", objects)


def paths(found):
    return [file.path for file in found]


def test_patterns_are_sorted(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.en", "a.en", "a.de", "deep/c.en"):
        (tmp_path / name).write_text("x")
    assert paths(find("--source", f"{tmp_path}/*.en")) == [f"{tmp_path}/a.en", f"{tmp_path}/b.en"]
    assert paths(find("--source", f"{tmp_path}/?.de")) == [f"{tmp_path}/a.de"]
    assert paths(find("--source", f"{tmp_path}/**/*.en")) == [
        f"{tmp_path}/{name}" for name in ("a.en", "b.en", "deep/c.en")
    ]


def test_a_file_tells_its_size_and_time(tmp_path):
    path = tmp_path / "a[1]*.en"
    path.write_text("four")
    os.utime(path, (5, 1234.5))
    assert find("--source", str(path)) == [(str(path), 4, 1234.5)]


def test_a_relative_path_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.en").write_text("x\n")
    assert paths(find("--source", "a.en")) == ["a.en"]
    assert paths(find("--source", "*.en")) == ["a.en"]


def test_an_object_store_is_read(store):
    assert find("--source", "store://b/*.en*") == [("store://b/x.en.gz", 24, 7.0), ("store://b/y.en", 2, 7.0)]
    assert list(read_lines("store://b/x.en.gz")) == [b"a", b"b"]
    assert open_stored("store://b/y.en").read() == b"c\n"


def test_flags_after_the_dashes_reach_a_file_system(store, monkeypatch):
    seen = []
    monkeypatch.setattr(Store, "__init__", lambda self, pipeline_options: seen.append(pipeline_options))
    Runner(1, ["--hdfs_host=there"])
    find("--source", "store://b/y.en")
    assert seen[-1].view_as(HadoopFileSystemOptions).hdfs_host == "there"
    Runner()


@pytest.mark.parametrize("pattern", ["gone.en", "*.gone"])
def test_a_missing_file_is_named(tmp_path, pattern):
    with pytest.raises(UserError, match=r"^--exclude: expected a file, received '.*gone.*', which names none; "):
        find("--exclude", f"{tmp_path}/{pattern}")
    with pytest.raises(
        UserError, match=r"^--exclude: expected a file, received 'store://.*gone.*', which names none; "
    ):
        find("--exclude", f"store://{pattern}")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(
        UserError, match=rf"^--source: expected a file, received the folder '{tmp_path}'; name its files"
    ):
        find("--source", str(tmp_path))


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        UserError, match=r"^--source: expected a file, received the pipe or device '.*pipe'; write it to"
    ):
        find("--source", str(tmp_path / "pipe"))


def test_an_unknown_file_system_is_refused():
    with pytest.raises(UserError, match=r"^--source: expected a file of an installed file system, received 'zzz://a'"):
        find("--source", "zzz://a")
