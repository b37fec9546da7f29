import gzip
import io
import os
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystem import FileMetadata, FileSystem
from apache_beam.options.pipeline_options import HadoopFileSystemOptions

from pipeline.corpora.corpus import aligned, paired
from pipeline.corpora.filesystems import find, open_stored, read_lines
from pipeline.corpora.inputs import inputs
from pipeline.corpora.readers import read, units
from pipeline.errors import UserError
from pipeline.job.runners import Runner

PARQUET = pa.BufferOutputStream()
pq.write_table(pa.table({"1": ["a"], "2": ["b"]}), PARQUET)
TMX = b'<tmx><body><tu><tuv xml:lang="1"><seg>a</seg></tuv><tuv xml:lang="2"><seg>b</seg></tuv></tu></body></tmx>'
STORED = {
    "txt": b"a\n",
    "txt.gz": gzip.compress(b"a\n"),
    "tsv": b"a\tb\n",
    "jsonl": b'{"1": "a", "2": "b"}\n',
    "parquet": PARQUET.getvalue().to_pybytes(),
    "tmx": TMX,
}


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


@pytest.mark.parametrize(("ending", "why"), [("txt", "rights"), *((ending, "archive") for ending in STORED)])
def test_an_object_that_may_be_listed_and_not_read_is_named(bucket, refuse_reading, ending, why):
    """When it is first read, as by the command, and when it is read again, as by a worker."""
    path, pattern = f"{bucket.url}/a.{ending}", f"{bucket.url}/*.{ending}"
    corpus = aligned([pattern], [pattern]) if ending.startswith("txt") else paired([pattern], "1", "2")
    bucket.put(f"a.{ending}", STORED[ending])
    [known] = units(inputs(corpus))
    Runner(1, refuse_reading(f"a.{ending}", why))
    told = rf"^--.*: expected a readable .* file, received '{path}.*' \(\[Errno 5\] An error .*'{path}'\); "
    for read_it in (lambda: units(inputs(corpus)), lambda: [*read(known)]):
        with pytest.raises(UserError, match=told) as refusal:
            read_it()
        assert "\n" not in str(refusal.value)
    with pytest.raises(OSError, match=rf"An error occurred .*: '{path}'$"):
        list(read_lines(path))


def test_an_object_that_may_not_be_found_is_named(bucket, refuse_reading):
    bucket.put("a.en", b"x\n")
    Runner(1, refuse_reading("a.en", "rights"))
    told = rf"received '{bucket.url}/a.en' \(An error occurred \(403\) .*: Forbidden\); see to the rights"
    with pytest.raises(UserError, match=f"^--source: expected a file of a store that can be read, {told}"):
        find("--source", f"{bucket.url}/a.en")


@pytest.mark.parametrize("pattern", ["gone.en", "*.gone"])
def test_a_missing_file_is_named(tmp_path, pattern):
    with pytest.raises(UserError, match=r"^--exclude: expected a file, received '.*gone.*', which names none; "):
        find("--exclude", f"{tmp_path}/{pattern}")
    with pytest.raises(
        UserError, match=r"^--exclude: expected a file, received 'store://.*gone.*', which names none; "
    ):
        find("--exclude", f"store://{pattern}")


def test_a_name_that_is_no_utf8_is_refused(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.en")).write_text("x\n")
    with pytest.raises(
        UserError, match=r"^--source: expected a file's name in UTF-8, received '.*caf\\udce9\.en'; rename"
    ):
        find("--source", f"{tmp_path}/*.en")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(
        UserError, match=rf"^--source: expected a file, received the folder '{tmp_path}'; name its files"
    ):
        find("--source", str(tmp_path))


@pytest.mark.parametrize("pattern", ["b.en", "?.en"])
def test_a_broken_link_is_refused(tmp_path, pattern):
    (tmp_path / "a.en").write_text("x\n")
    (tmp_path / "b.en").symlink_to("gone.en")
    with pytest.raises(UserError, match=r"^--source: expected a file, received the link to no file '.*b\.en'; mend"):
        find("--source", f"{tmp_path}/{pattern}")
    (tmp_path / "b.en").unlink()
    (tmp_path / "b.en").symlink_to("a.en")
    assert {file.size for file in find("--source", f"{tmp_path}/{pattern}")} == {2}


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        UserError, match=r"^--source: expected a file, received the pipe or device '.*pipe'; write it to"
    ):
        find("--source", str(tmp_path / "pipe"))


def test_an_unknown_store_is_refused():
    with pytest.raises(UserError, match=r"^--source: expected a file of a store that can be read, received 'zzz://a'"):
        find("--source", "zzz://a")
