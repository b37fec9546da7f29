import dataclasses
import json

import pytest

from pipeline.errors import UserError
from pipeline.schema import MANIFEST_FILE, Manifest, Shard, Split, Subwords

COUNTS = "records", "source_tokens", "target_tokens"
SUBWORDS = Subwords("joint.spm", "ab", 300)
MANIFEST = Manifest(
    source=SUBWORDS,
    target=SUBWORDS,
    splits={"train": Split((Shard("t-0", 2, "cd"), Shard("t-1", 1, "ef")), 3, 10, 11)},
    read=4,
    rejected={"duplicate": 1},
    settings={"seed": 1, "source": ["a.en"]},
    versions={"tensorflow": "2.20.0"},
)


def test_a_manifest_comes_back(tmp_path):
    MANIFEST.write(tmp_path)
    assert Manifest.read_from(tmp_path) == MANIFEST


def test_a_reversed_manifest():
    target = Subwords("target.spm", "cd", 400)
    settings = {"seed": 1, "source_language": "en", "target_language": None}
    manifest = dataclasses.replace(MANIFEST, target=target, settings=settings)
    other = manifest.reversed()
    assert (other.source, other.target) == (target, SUBWORDS)
    assert other.splits["train"] == Split(MANIFEST.splits["train"].shards, 3, 11, 10)
    assert other.settings == {"seed": 1, "source_language": None, "target_language": "en"}
    assert other.reversed() == manifest and other.fingerprint == manifest.fingerprint


def test_a_manifest_of_before_there_were_placeholders(tmp_path):
    MANIFEST.write(tmp_path)
    path = tmp_path / MANIFEST_FILE
    fields = json.loads(path.read_text())
    del fields["protected"], fields["masked"]
    path.write_text(json.dumps(fields))
    assert Manifest.read_from(tmp_path) == MANIFEST and not MANIFEST.protected


def test_a_folder_without_a_manifest_is_no_data_set(tmp_path):
    with pytest.raises(UserError, match=r"--data: .*holds no manifest\.json; make one with `nmt preprocess"):
        Manifest.read_from(tmp_path)


def test_a_damaged_manifest_is_named(tmp_path):
    MANIFEST.write(tmp_path)
    path = tmp_path / MANIFEST_FILE
    path.write_text(path.read_text()[:-20])
    with pytest.raises(UserError, match=r"--data: .*manifest\.json.*damaged"):
        Manifest.read_from(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"rejected": None},
        {"read": "many"},
        {"settings": []},
        {"files": {"report.html": 7}},
        {"source": {"file": "a", "fingerprint": "b", "vocab_size": "c"}},
        {"splits": {"train": {"shards": [{"file": 1, "records": 2, "sha256": ""}], **dict.fromkeys(COUNTS, 1)}}},
        {"splits": {"train": {"shards": [], **dict.fromkeys(COUNTS, 1.5)}}},
    ],
)
def test_what_is_of_another_kind_is_damage(tmp_path, changes):
    MANIFEST.write(tmp_path)
    path = tmp_path / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(UserError, match=r"--data: .*manifest\.json.*damaged"):
        Manifest.read_from(tmp_path)


def test_another_format_is_refused(tmp_path):
    dataclasses.replace(MANIFEST, format=2).write(tmp_path)
    with pytest.raises(UserError, match="expected a data set of format 1, received format 2"):
        Manifest.read_from(tmp_path)
