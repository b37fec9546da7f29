"""A data set that is made in an object store: a real S3 on this machine, and a store that has folders."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pipeline.preprocess
from pipeline.errors import UserError
from pipeline.job import store_lock
from pipeline.job.work_folder import work_folder
from pipeline.preprocess import preprocess
from pipeline.schema import MANIFEST_FILE

pytestmark = pytest.mark.slow
PROJECT = Path(pipeline.__file__).parents[1]
PAIRS = [(f"the source {number}", f"das Ziel {number}") for number in range(300)]

JOB = """
import json, sys
from pipeline.config import PreprocessConfig
from pipeline.preprocess import preprocess

settings, flags = json.loads(sys.argv[1])
preprocess(PreprocessConfig(**settings), flags)
"""


@pytest.fixture(autouse=True)
def _in_seconds(monkeypatch):
    for name, seconds in (("_WATCH", 3.0), ("_SETTLE", 0.1)):
        monkeypatch.setattr(store_lock, name, seconds)


@pytest.fixture
def config(configure):
    return configure([*PAIRS, ("", "empty"), PAIRS[5]], PAIRS[:20], shards=2)


@pytest.fixture
def expected(config, tmp_path):
    """The data set on this machine."""
    local = dataclasses.replace(config, output=str(tmp_path / "here"))
    preprocess(local)
    return {path.name: path.read_bytes() for path in Path(local.output).iterdir()}


def in_store(config, bucket, **settings):
    return dataclasses.replace(config, output=f"{bucket.url}/sets/data/", **settings)


def test_two_workers_make_the_bytes_of_a_folder(config, bucket, expected):
    manifest = preprocess(in_store(config, bucket, workers=2), bucket.flags)
    assert bucket.contents("sets/data") == expected
    assert bucket.names() == {f"sets/data/{name}" for name in expected}
    assert manifest.splits["train"].records == 280


def test_shards_without_pairs_are_there(configure, bucket, tmp_path):
    config = configure(PAIRS[:2], PAIRS[290:], shards=3)
    preprocess(dataclasses.replace(config, output=str(tmp_path / "here")))
    preprocess(in_store(config, bucket), bucket.flags)
    expected = {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
    assert bucket.contents("sets/data") == expected and b"" in expected.values()


def test_a_store_that_has_folders_is_given_the_same_bytes(config, disk, expected, tmp_path):
    preprocess(dataclasses.replace(config, output=f"{disk}/sets/data"))
    assert {path.name: path.read_bytes() for path in (tmp_path / "sets" / "data").iterdir()} == expected
    assert [path.name for path in (tmp_path / "sets").iterdir()] == ["data"]


def finished(bucket):
    """The records of the shards that are finished."""
    notes = [name for name in bucket.names("sets/data.work") if name.startswith("encoded/") and "findings" not in name]
    return {json.loads(bucket.read(f"sets/data.work/{name}"))["file"] for name in notes}


def versions(bucket, name):
    listed = bucket.client.list_object_versions(Bucket=bucket.name, Prefix=f"sets/data/{name}")
    return [version["VersionId"] for version in listed["Versions"]]


def test_what_a_killed_job_finished_is_taken_up(config, bucket, expected):
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    settings = dataclasses.asdict(in_store(config, bucket))
    del settings["cleaning"]
    job = subprocess.Popen(
        [sys.executable, "-P", "-c", JOB, json.dumps([settings, bucket.flags])],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (taken := finished(bucket)) and time.monotonic() < deadline:
        assert job.poll() is None
        time.sleep(0.02)
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    taken = finished(bucket)
    assert 1 <= len(taken) < 3 and MANIFEST_FILE not in bucket.names("sets/data")
    before = {name: versions(bucket, name) for name in taken}
    preprocess(in_store(config, bucket), bucket.flags)
    assert bucket.contents("sets/data") == expected and bucket.names("sets/data.work") == set()
    assert {name: versions(bucket, name) for name in taken} == before


def test_nothing_stale_is_taken_up(config, bucket, expected):
    with pytest.raises(UserError, match=r"--max-rejected: .*; see s3://.*/sets/data/report\.html, and loosen"):
        preprocess(in_store(config, bucket, seed=2, max_rejected=0.001), bucket.flags)
    assert "report.html" in bucket.names("sets/data") and MANIFEST_FILE not in bucket.names("sets/data")
    bucket.put("sets/data/train-00000-of-00007.tfrecord", b"of another count")
    preprocess(in_store(config, bucket), bucket.flags)
    assert bucket.contents("sets/data") == expected


def test_a_second_job_is_refused(config, bucket, monkeypatch):
    monkeypatch.setattr(store_lock, "_BEAT", 0.5)
    output = f"{bucket.url}/sets/data"
    with (
        work_folder(output),
        pytest.raises(UserError, match=rf"--output: expected a folder that no other job makes, received '{output}'"),
    ):
        preprocess(in_store(config, bucket), bucket.flags)


@pytest.mark.parametrize("held", [MANIFEST_FILE, "a/photo.jpg"])
def test_what_is_there_is_not_overwritten(config, bucket, held):
    bucket.put(f"sets/data/{held}", b"mine")
    with pytest.raises(UserError, match=r"--output: expected a new or empty folder, received 's3://.*sets/data'"):
        preprocess(in_store(config, bucket), bucket.flags)
    assert bucket.names() == {f"sets/data/{held}"} and bucket.read(f"sets/data/{held}") == b"mine"


def test_a_data_set_that_came_meanwhile_is_not_overwritten(config, bucket, monkeypatch):
    acquire = store_lock.StoreLock._acquire

    def slowly(lock):
        acquire(lock)
        bucket.put(f"sets/data/{MANIFEST_FILE}", b"of the job that was first")

    monkeypatch.setattr(store_lock.StoreLock, "_acquire", slowly)
    with pytest.raises(UserError, match="--output: expected a new or empty folder"):
        preprocess(in_store(config, bucket), bucket.flags)
    assert bucket.contents("sets/data") == {MANIFEST_FILE: b"of the job that was first"}


def test_what_somebody_puts_there_meanwhile_is_not_removed(config, bucket, monkeypatch):
    learn = pipeline.preprocess._learn

    def slowly(*arguments):
        bucket.put("sets/data/photo.jpg", b"mine")
        return learn(*arguments)

    monkeypatch.setattr(pipeline.preprocess, "_learn", slowly)
    with pytest.raises(UserError, match="--output: expected a new or empty folder"):
        preprocess(in_store(config, bucket), bucket.flags)
    assert bucket.contents("sets/data") == {"photo.jpg": b"mine"}


def nmt(config, output, flags):
    files = ["--source", *config.source, "--target", *config.target]
    return subprocess.run(
        [sys.executable, "-P", "-m", "nmt", "preprocess", *files, "--output", output, "--", *flags],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )


def told_in_one_line(done, *words, option="--output"):
    lines = done.stderr.splitlines()
    besides = "LOG(INFO)", "count lines", "nmt: note: "
    [line] = [line for line in lines if line.strip() and not any(word in line for word in besides)]
    assert done.returncode == 2 and line.startswith(f"nmt: error: {option}")
    assert all(word in line for word in words)


def test_a_bucket_that_is_missing_is_told_in_one_line(config, bucket):
    told_in_one_line(
        nmt(config, "s3://no-such-bucket/data", bucket.flags), "NoSuchBucket", "'s3://no-such-bucket/data'"
    )


def test_a_store_that_refuses_writes_is_told_in_one_line(config, bucket, ask_rights, monkeypatch):
    flags = bucket.key_that_may("s3:GetObject", "s3:ListBucket")
    ask_rights()
    told_in_one_line(nmt(config, f"{bucket.url}/data", flags), "AccessDenied", "see to the rights")
    monkeypatch.undo()
    assert bucket.names() == set()


@pytest.mark.parametrize(("why", "reason"), [("archive", "InvalidObjectState"), ("rights", "Forbidden")])
def test_a_corpus_that_may_be_listed_and_not_read_is_told_in_one_line(config, bucket, refuse_reading, why, reason):
    bucket.put("a.de", Path(config.target[0]).read_bytes())
    flags = refuse_reading("a.de", why)
    done = nmt(dataclasses.replace(config, target=(f"{bucket.url}/*.de",)), config.output, flags)
    told_in_one_line(done, f"{bucket.url}/a.de", reason, option="--source")


def test_a_store_without_credentials_is_told_in_one_line(config, bucket, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    began = time.monotonic()
    done = nmt(config, f"{bucket.url}/data", bucket.flags[2:])
    assert time.monotonic() - began < 60
    told_in_one_line(done, "Unable to locate credentials", f"'{bucket.url}/data'", option="-- --s3_access_key_id")
