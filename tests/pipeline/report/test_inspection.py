import dataclasses
import io
import json
import sys

import pytest
import tensorflow as tf

import nmt
from pipeline import records
from pipeline.errors import UserError
from pipeline.files import file_sha256
from pipeline.pieces import train_subwords
from pipeline.report.findings import STATISTICS_FILE, Findings
from pipeline.report.samples import draw_pairs
from pipeline.report.statistics import Sentences, Vocabulary, count_pairs
from pipeline.report.tables import printable
from pipeline.report.verification import hashes, verify
from pipeline.schema import MANIFEST_FILE, Manifest, Shard, Split, Subwords
from pipeline.tokenizer import Tokenizer

PAIRS = [(f"one {word}\x1b[31m", f"{word} two") for word in ("cat", "dog", "cow", "hen", "pig", "fox", "owl")]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set of seven pairs in three shards, one of which is empty."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "joint.spm").write_bytes(train_subwords([text for pair in PAIRS for text in pair], vocab_size=400))
    tokenizer = Tokenizer.read(folder / "joint.spm")
    subwords = Subwords("joint.spm", tokenizer.fingerprint, tokenizer.vocab_size)
    sides = [tokenizer.tokenize(tf.constant(texts)).to_list() for texts in zip(*PAIRS, strict=True)]
    framed = [records.frame(records.serialize(*pair)) for pair in zip(*sides, strict=True)]
    shards = []
    for number, inside in enumerate((framed[:4], [], framed[4:])):
        path = folder / f"train-0000{number}-of-00003.tfrecord"
        path.write_bytes(b"".join(inside))
        shards.append(Shard(path.name, len(inside), file_sha256(path)))
    (folder / "valid-00000-of-00001.tfrecord").write_bytes(framed[0])
    valid = Shard("valid-00000-of-00001.tfrecord", 1, file_sha256(folder / "valid-00000-of-00001.tfrecord"))
    tokens = [sum(map(len, side)) for side in sides]
    splits = {"train": Split(tuple(shards), 7, *tokens), "valid": Split((valid,), 1, len(sides[0][0]), 5)}
    vocabulary = Vocabulary.of(tokenizer.spell(range(tokenizer.vocab_size)))
    sentences = [Sentences.of(texts, ids) for texts, ids in zip(zip(*PAIRS, strict=True), sides, strict=True)]
    statistics = count_pairs(*sentences, vocabulary, vocabulary)
    Findings({"train": statistics}, {"web": {"a.en|\x1b.de": {"kept": 8, "words": 2}}}, {}).write(folder)
    rejected, settings = {"words": 2, "empty": 0, "urls": 0}, {"seed": 1, "cleaning": {"off": ["urls"]}}
    files = {STATISTICS_FILE: file_sha256(folder / STATISTICS_FILE)}
    Manifest(subwords, subwords, splits, 10, rejected, settings, {"tool": "9"}, files=files).write(folder)
    return folder


def damaged(data, tmp_path):
    """A copy of the data set, to be damaged."""
    for path in data.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_drawn_pairs_are_those_of_the_records(data):
    manifest = Manifest.read_from(data)
    drawn = draw_pairs(data, manifest, "train", 9, seed=1)
    assert [(sample.source.text, sample.target.text) for sample in drawn] == PAIRS
    assert [(sample.file[:11], sample.record) for sample in drawn] == [
        *(("train-00000", number) for number in range(4)),
        *(("train-00002", number) for number in range(3)),
    ]
    for sample in drawn:
        assert "".join(sample.target.pieces).replace("▁", " ") == f" {sample.target.text}</s>"
    assert draw_pairs(data, manifest, "train", 0, seed=1) == []


def test_the_seed_decides_which_pairs_are_drawn(data):
    manifest = Manifest.read_from(data)
    drawn = {seed: draw_pairs(data, manifest, "train", 3, seed) for seed in (1, 2, 3)}
    assert drawn[1] == draw_pairs(data, manifest, "train", 3, 1)
    assert len({str(samples) for samples in drawn.values()}) > 1
    assert {len(samples) for samples in drawn.values()} == {3}


def test_the_command_prints_tables_and_pairs(data, capsys: pytest.CaptureFixture[str]):
    assert nmt.main(["inspect", str(data), "--samples", "7"]) == 0
    printed = capsys.readouterr().out
    assert not [line for line in printed.split("\n") if line != line.rstrip()]
    rows = [line.split() for line in printed.splitlines()]
    for row in (
        ["read", "10"], ["kept", "for", "train", "7", "70.0", "%"], ["rejected", "2", "20.0", "%"],
        ["words", "2", "20.0", "%"], ["rejected", "nothing:", "empty"], ["off:", "urls"],
        ["seed", "1"], ["cleaning.off", "urls"],
        ["version", "of", "tool", "9"], ["fingerprint", Manifest.read_from(data).fingerprint],
        ["source", "one", "cat\\x1b[31m"], ["target", "cat", "two"], ["web:", "a.en|\\x1b.de", "10", "8", "20.0", "%"],
    ):  # fmt: skip
        assert row in rows
    assert sum(row[:2] == ["source", "one"] for row in rows) == 7
    assert "\x1b" not in printed and "verified" not in printed
    assert any(row[:2] == ["both", f"{Manifest.read_from(data).source.vocab_size}"] for row in rows)


def test_the_command_draws_from_the_other_split(data, capsys: pytest.CaptureFixture[str]):
    assert nmt.main(["inspect", str(data), "--split", "valid", "--seed", "4"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("valid-00000-of-00001.tfrecord, record 0\n") == 1 and "train-00000" not in printed


def test_a_data_set_without_statistics_is_told_too(data, tmp_path, capsys: pytest.CaptureFixture[str]):
    folder = damaged(data, tmp_path)
    (folder / STATISTICS_FILE).unlink()
    assert nmt.main(["inspect", str(folder), "--samples", "0"]) == 0
    assert "kept for valid" in (printed := capsys.readouterr().out) and "both" not in printed


def test_verification_reads_all_files(data, tmp_path, capsys: pytest.CaptureFixture[str]):
    folder = damaged(data, tmp_path)
    files = hashes(Manifest.read_from(folder))
    assert sorted(files) == sorted(path.name for path in folder.iterdir() if path.name != MANIFEST_FILE)
    size = sum((folder / name).stat().st_size for name in files)
    assert verify(folder, files) == size
    assert nmt.main(["inspect", str(folder), "--verify", "--samples", "0"]) == 0
    assert capsys.readouterr().out.startswith(f"verified: 6 files, {size:,} bytes, ")
    shard = folder / "train-00002-of-00003.tfrecord"
    flipped = bytearray(shard.read_bytes())
    flipped[20] ^= 1
    shard.write_bytes(flipped)
    (folder / "valid-00000-of-00001.tfrecord").unlink()
    with open(folder / STATISTICS_FILE, "a") as file:
        file.write(" ")
    with pytest.raises(UserError) as error:
        verify(folder, files)
    told = f"{STATISTICS_FILE} (differs), {shard.name} (differs), valid-00000-of-00001.tfrecord (missing)"
    assert f"received {told}; make" in str(error.value)
    with pytest.raises(UserError, match=r"a \(missing\), .*, e \(missing\) and 2 more; make"):
        verify(folder, dict.fromkeys("abcdefg", ""))
    assert nmt.main(["inspect", str(folder), "--verify"]) == 2
    assert capsys.readouterr().out == ""


def test_a_data_set_whose_manifest_tells_fewer_hashes_is_verified_too(data, tmp_path):
    folder = damaged(data, tmp_path)
    older = json.loads((folder / MANIFEST_FILE).read_text())
    del older["files"]
    (folder / MANIFEST_FILE).write_text(json.dumps(older))
    files = hashes(Manifest.read_from(folder))
    assert len(files) == 5 and STATISTICS_FILE not in files and verify(folder, files) > 0


def test_mistakes_are_refused(data, tmp_path, capsys: pytest.CaptureFixture[str]):
    for argv, message in (
        ([str(tmp_path)], "FOLDER: expected a data set, or a run and --text, received"),
        ([str(data), "--text", "one"], "--text: expected a run, received the data set"),
        ([str(data), "--samples", "-1"], "--samples: expected at least 0, received -1"),
    ):
        assert nmt.main(["inspect", *argv]) == 2
        assert message in capsys.readouterr().err
    manifest = Manifest.read_from(data)
    dataclasses.replace(manifest, splits={"train": manifest.splits["train"]}).write(tmp_path)
    assert nmt.main(["inspect", str(tmp_path), "--split", "valid"]) == 2
    assert "--split: expected one of train, received 'valid'" in capsys.readouterr().err
    (tmp_path / "joint.spm").write_bytes((data / "joint.spm").read_bytes())
    assert nmt.main(["inspect", str(tmp_path)]) == 2
    assert "DATA: expected the shard" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\u2028b", "a\\u2028b"), ("\x1b]0;", "\\x1b]0;"), ("Söhne 猫 ▁", "Söhne 猫 ▁"), ("\t", "\\t"), ("a b", "a b")],
)
def test_what_a_terminal_would_obey_is_spelt_out(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("cut", [0, 1, 60])
def test_a_shard_that_is_cut_is_named(data, tmp_path, capsys, cut):
    path = damaged(data, tmp_path) / "train-00002-of-00003.tfrecord"
    path.write_bytes(path.read_bytes()[:-cut] if cut else b"")
    assert nmt.main(["inspect", str(tmp_path), "--samples", "7"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "DATA: expected record" in line and repr(str(path)) in line and "make the data set anew" in line


@pytest.mark.parametrize("text", ["[]", '{"splits": {}, "inputs": {}, "examples": {}}', '{"splits": [], "inputs": {}}'])
def test_damaged_statistics_are_named(data, tmp_path, text):
    (damaged(data, tmp_path) / STATISTICS_FILE).write_text(text)
    with pytest.raises(UserError, match=rf"DATA: expected {STATISTICS_FILE} .* missing or damaged"):
        Findings.read_from(tmp_path)


def test_a_terminal_that_has_not_all_letters(data, monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert nmt.main(["inspect", str(data), "--samples", "1"]) == 0
    out.flush()
    assert "\\u2581" in out.buffer.getvalue().decode("ascii")
