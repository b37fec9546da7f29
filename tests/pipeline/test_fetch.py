"""A data set of a store, brought to this machine."""

import hashlib
import json
import logging

import pytest

import nmt
from pipeline.errors import UserError
from pipeline.fetch import fetch
from pipeline.preprocess import preprocess
from pipeline.schema import MANIFEST_FILE, Manifest

PAIRS = [(f"the source {number}", f"das Ziel {number}") for number in range(60)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data set, as bytes by name."""
    folder = tmp_path_factory.mktemp("made")
    for side in (0, 1):
        (folder / f"{side}").write_text("".join(pair[side] + "\n" for pair in PAIRS))
    from pipeline.config import PreprocessConfig

    output = folder / "data"
    files = {"source": (folder / "0",), "target": (folder / "1",)}
    preprocess(PreprocessConfig(output=str(output), **files, vocab_size=400, shards=1, valid_share=0.2))
    return {path.name: path.read_bytes() for path in output.iterdir()}


@pytest.fixture
def stored(bucket, made):
    """The flags of a bucket that holds it, and its URL there."""
    for name, data in made.items():
        bucket.put(f"sets/data/{name}", data)
    return bucket.flags, f"{bucket.url}/sets/data"


def test_all_files_come(stored, made, tmp_path, capsys):
    flags, url = stored
    assert nmt.main(["fetch", url, "--output", str(tmp_path / "own"), "--", *flags]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'own'}: {len(made)} files\n"
    assert not logging.root.manager.disable
    assert {path.name: path.read_bytes() for path in (tmp_path / "own").iterdir()} == made


def test_a_file_that_differs_is_refused(stored, bucket, tmp_path):
    flags, url = stored
    [shard] = (name for name in bucket.names("sets/data") if name.startswith("train") and "rejected" not in name)
    bucket.put(f"sets/data/{shard}", bucket.read(f"sets/data/{shard}")[:-1] + b"?")
    with pytest.raises(UserError, match=rf"DATA: expected {shard} as the manifest describes it, received one that "):
        fetch(url, tmp_path / "own", flags)
    assert not list(tmp_path.iterdir())
    bucket.client.delete_object(Bucket=bucket.name, Key=f"sets/data/{shard}")
    with pytest.raises(UserError, match=rf"DATA: expected a whole data set, received '{url}' without .*{shard}"):
        fetch(url, tmp_path / "own", flags)


def test_nothing_is_written_elsewhere(stored, bucket, made, tmp_path):
    flags, url = stored
    bucket.put("sets/data/", b"")
    bucket.put("sets/data/../stray", b"stray")
    assert fetch(url, tmp_path / "own", flags) == len(made)
    assert {path.name for path in (tmp_path / "own").iterdir()} == {*made}
    assert [path.name for path in tmp_path.iterdir()] == ["own"]
    manifest = json.loads(made[MANIFEST_FILE])
    manifest["files"]["../stray"] = hashlib.sha256(b"stray").hexdigest()
    bucket.put(f"sets/data/{MANIFEST_FILE}", json.dumps(manifest).encode())
    with pytest.raises(
        UserError, match=r"DATA: expected a manifest that names files of its folder, received '../stray'"
    ):
        fetch(url, tmp_path / "other", flags)
    with pytest.raises(UserError, match="--output: expected a folder of this machine, received 's3://bucket/other'"):
        fetch(url, "s3://bucket/other", flags)


@pytest.mark.parametrize("text", [b"[]", b'{"format": 1}', b"\xff", b"{"])
def test_a_damaged_manifest_is_refused(bucket, tmp_path, text):
    bucket.put(f"data/{MANIFEST_FILE}", text)
    with pytest.raises(UserError, match=f"received '{bucket.url}/data/{MANIFEST_FILE}', which is damaged"):
        fetch(f"{bucket.url}/data", tmp_path / "own", bucket.flags)


def test_what_is_no_data_set_is_refused(bucket, tmp_path):
    with pytest.raises(UserError, match=rf"DATA: expected a whole data set, received '.*' without .*{MANIFEST_FILE}"):
        fetch(f"{bucket.url}/sets/data", tmp_path / "own", bucket.flags)
    with pytest.raises(UserError, match=r"DATA: expected a data set of a store, .* received 'here'; copy the folder"):
        fetch("here", tmp_path / "own")


def test_an_output_that_holds_something_is_refused(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(UserError, match="--output: expected a new or empty folder"):
        fetch("s3://bucket/data", tmp_path)


@pytest.mark.parametrize("verb", [["train", "plain", "--output", "run", "--data"], ["inspect"]])
def test_who_wants_it_here_is_told_how(verb, capsys):
    assert nmt.main([*verb, "s3://bucket/data"]) == 2
    told = "received 's3://bucket/data'; fetch it with `nmt fetch s3://bucket/data --output DATA`"
    assert told in capsys.readouterr().err


def test_a_manifest_of_a_store_is_not_read():
    with pytest.raises(UserError, match="--data: expected a folder of this machine, received 'gs://b/d'; fetch it"):
        Manifest.read_from("gs://b/d")
