import dataclasses
import gzip
import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf

import pipeline
from pipeline.cleaning.config import RULES, CleaningConfig
from pipeline.config import PreprocessConfig
from pipeline.errors import UserError
from pipeline.job.dry_run import dry_run
from pipeline.preprocess import preprocess
from pipeline.protected import PATTERN, SYMBOLS
from pipeline.report.findings import Findings
from pipeline.report.verification import hashes
from pipeline.schema import Manifest
from pipeline.tokenizer import Tokenizer

PROJECT = Path(pipeline.__file__).parents[1]
WORDS = ("ba", "du", "fe", "gim", "kol", "mar", "nu", "pes", "rit", "sov", "tal", "wen")
# Distinct pairs, in which the target tells its source: every word is doubled.
FILLER = [
    (" ".join(words), " ".join(word * 2 for word in words))
    for words in itertools.islice(itertools.product(WORDS, repeat=4), 400)
]


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def rejects(manifest):
    return {reason: count for reason, count in manifest.rejected.items() if count}


def test_every_pair_is_kept_once_or_counted(configure, write_lines, read_back):
    valid = [("the valid source", "the valid target"), ("", "nothing"), ("the same twice", "in validation")]
    valid.append(valid[-1])
    train = [
        *FILLER,
        *FILLER[:3],
        FILLER[0],
        ("", "empty"),
        ("white", " \t"),
        ("a b c d e f g h", "a b c d e f g h"),
        ("ab", "abcdefgh"),
        ("the valid source", "of another target"),
        ("of another source", " the valid target "),
        ("some test line", "seen before"),
        (b"\xff", "bad"),
        ("".join(map(chr, range(0x4E00, 0x4E1E))), "thirty rare characters of three bytes each"),
    ]
    exclude = write_lines("test.en", ["some test line", b"\xfe"])
    cleaning = CleaningConfig(max_words=7)
    config = configure(train, valid, exclude=(exclude,), cleaning=cleaning, max_pieces=80, character_coverage=0.99)
    manifest = preprocess(config)
    assert rejects(manifest) == {
        "invalid_utf8": 1,
        "empty": 3,
        "words": 1,
        "characters_ratio": 1,
        "leaked": 3,
        "duplicate": 4,
        "too_many_pieces": 1,
    }
    assert sorted(read_back(config.output, "train")) == sorted(FILLER)
    assert read_back(config.output, "valid") == [valid[0], valid[2], valid[2]]
    kept = sum(split.records for split in manifest.splits.values())
    assert manifest.read == len(train) + len(valid) == kept + sum(manifest.rejected.values())


def test_excluded_sentences_are_not_held_out_for_validation_either(configure, write_lines, read_back):
    excluded = [source for source, _ in FILLER[:200]]
    config = configure(FILLER, exclude=(write_lines("test.en", excluded),), valid_share=0.5)
    manifest = preprocess(config)
    kept = {pair for split in ("train", "valid") for pair in read_back(config.output, split)}
    assert kept == set(FILLER[200:])
    assert rejects(manifest)["leaked"] == 200


def test_excluded_files_of_pairs_exclude_both_sides(configure, write_lines, read_back):
    tsv = write_lines("test.tsv", [f"{FILLER[0][0]}\tanother", f"another\t{FILLER[1][1]}"])
    jsonl = write_lines("test.jsonl", [json.dumps({"source": FILLER[2][0], "target": None})])
    config = configure(FILLER, exclude=(tsv, jsonl, write_lines("test.de", [FILLER[3][1]])))
    tried = dry_run(config, len(FILLER))
    manifest = preprocess(config)
    kept = {pair for split in ("train", "valid") for pair in read_back(config.output, split)}
    assert kept == {*FILLER} - {*FILLER[:4]}
    assert rejects(manifest) == tried.rejected == {"leaked": 4}


def test_of_replies_the_message_alone_may_leak(configure, write_lines, read_back):
    excluded = [FILLER[0][0], FILLER[1][1]]
    config = configure(FILLER, exclude=(write_lines("test.en", excluded),), leak_side="source")
    manifest = preprocess(config)
    kept = {pair for split in ("train", "valid") for pair in read_back(config.output, split)}
    assert kept == {*FILLER} - {FILLER[0]}
    assert rejects(manifest) == {"leaked": 1}


HOSTILE = [
    "word " * 190 + "word",
    "\U0001f917 \U0001f468\u200d\U0001f469 \U0001f917",
    "a\u2028b",
    "a\u0085b",
    "a\rb\r\r",
    "nul\x00\x00nul",
    "\ufeffbom",
    'tab\t\x0b\x0c\x1c quote" \\n',
    "<s> </s> <0x41>",
    "  spaces  ",
    "e\u0301",
]
DROPPED = ["", "word " * 10_000, b"\xc3(", b"\xed\xa0\x80", "\u3000"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_hostile_lines_keep_order_and_pairing(configure, pack, read_back):
    lines = [line for pair in zip(HOSTILE, [*DROPPED, *HOSTILE], strict=False) for line in pair]
    valid = [(line, f"line {number} of the file") for number, line in enumerate(lines)]
    off = [rule for rule in RULES if rule not in ("invalid_utf8", "empty", "words")]
    config = configure(FILLER, valid, cleaning=CleaningConfig(off=off, normalize=False), max_pieces=100_000)
    for path in (*config.valid_source, *config.valid_target):
        Path(path).write_bytes(pack(Path(path).read_bytes().replace(b"\n", b"\r\n")))
    manifest = preprocess(config)
    expected = [(line, target) for line, target in valid if line not in DROPPED]
    assert read_back(config.output, "valid") == [
        (line.replace("e\u0301", "\u00e9"), target) for line, target in expected
    ]
    assert rejects(manifest) == {"empty": 2, "invalid_utf8": 2, "words": 1}


def test_the_manifest_describes_the_folder(configure):
    config = configure(FILLER, FILLER[:20])
    manifest = preprocess(config)
    assert manifest == Manifest.read_from(config.output)
    files = contents(config.output)
    listed = [shard for split in manifest.splits.values() for shard in split.shards]
    rejected = [f"rejected-train-{number:05d}-of-00003.jsonl.gz" for number in range(3)]
    rejected.append("rejected-valid-00000-of-00001.jsonl.gz")
    assert sorted(files) == sorted(
        [*(shard.file for shard in listed), *rejected, "joint.spm", "manifest.json", "report.html", "statistics.json"]
    )
    described = {name: hashlib.sha256(text).hexdigest() for name, text in files.items() if name != "manifest.json"}
    assert hashes(manifest) == described
    for shard in listed:
        assert sum(1 for _ in tf.data.TFRecordDataset(f"{config.output}/{shard.file}")) == shard.records
    assert [shard.file for shard in manifest.splits["train"].shards] == [
        f"train-{number:05d}-of-00003.tfrecord" for number in range(3)
    ]
    train = manifest.splits["train"]
    assert train.records == 380 == sum(shard.records for shard in train.shards)
    tokenizer = Tokenizer.read(Path(config.output, "joint.spm"), manifest.source.fingerprint)
    assert manifest.source == manifest.target and manifest.source.vocab_size == tokenizer.vocab_size
    for side, tokens in enumerate((train.source_tokens, train.target_tokens)):
        ids = tokenizer.tokenize(tf.constant([pair[side] for pair in FILLER[20:]]))
        assert ids.flat_values.shape[0] == tokens
    assert (manifest.protected, manifest.masked) == ("", 0)
    assert manifest.settings["shards"] == 3 and "output" not in manifest.settings
    assert manifest.versions["tensorflow-text"].startswith("2.20.")


def test_the_records_are_shuffled_by_the_seed(configure, tmp_path, read_back):
    orders = {}
    for seed in (1, 2):
        config = configure(FILLER, FILLER[:20], seed=seed, shards=1, output=str(tmp_path / f"data-{seed}"))
        preprocess(config)
        orders[seed] = read_back(config.output, "train")
    assert sorted(orders[1]) == sorted(orders[2]) == sorted(FILLER[20:])
    assert orders[1] != orders[2] and sorted(FILLER[20:]) not in orders.values()


def test_the_same_input_gives_the_same_bytes(configure, tmp_path):
    config = configure(FILLER)
    again = dataclasses.replace(config, output=str(tmp_path / "again"))
    preprocess(config)
    preprocess(again)
    assert contents(config.output) == contents(again.output)


def test_vocabularies_can_be_separate(configure, read_back):
    config = configure(FILLER, FILLER[:20], joint_vocabulary=False)
    manifest = preprocess(config)
    assert (manifest.source.file, manifest.target.file) == ("source.spm", "target.spm")
    assert manifest.source.fingerprint != manifest.target.fingerprint
    assert sorted(read_back(config.output, "train")) == sorted(FILLER[20:])
    # Doubled words are whole pieces of the target's vocabulary alone.
    source, target = (Tokenizer.read(Path(config.output, f"{side}.spm")) for side in ("source", "target"))
    [row] = target.tokenize(tf.constant(["gimgim"])).to_list()
    assert len(row) == 2 < len(source.tokenize(tf.constant(["gimgim"])).to_list()[0])


def test_what_both_sides_protect_becomes_placeholders(configure, read_back):
    train = [
        *((f"{source} {{n{n % 7}}} <b>", f"<b> {target} {{n{n % 7}}}") for n, (source, target) in enumerate(FILLER)),
        ("AT&amp;T %s", "AT und T %s"),
        ("du ba fe", "bu ba fe"),
    ]
    valid = [(*pair,) for pair in train[:3]]
    # Leaks are found by what stands in the files.
    config = configure(train, [*valid, ("bata {n1} <b>", "<b> bata {n1}")], protect=True, joint_vocabulary=False)
    manifest = preprocess(config)
    masked = [(f"{source} ⟦0⟧ ⟦1⟧", f"⟦1⟧ {target} ⟦0⟧") for source, target in FILLER]
    expected = [*masked[3:], ("AT&amp;T ⟦0⟧", "AT und T ⟦0⟧"), train[-1]]
    assert sorted(read_back(config.output, "train")) == sorted(expected)
    assert read_back(config.output, "valid") == [*masked[:3], ("bata ⟦0⟧ ⟦1⟧", "⟦1⟧ bata ⟦0⟧")]
    assert rejects(manifest) == {"leaked": 3}
    assert (manifest.protected, manifest.masked) == (PATTERN, len(FILLER) + 2)
    for side in (manifest.source, manifest.target):
        tokenizer = Tokenizer.read(Path(config.output, side.file))
        assert tokenizer.spell(range(4, 14)) == list(SYMBOLS)


def test_without_validation_files_a_share_is_held_out(configure, read_back):
    # Every source has two targets, and every target two sources.
    train = [(f"source {number}", f"target {number // 2 * 2 + other}") for number in range(300) for other in (0, 1)]
    config = configure(train, valid_share=0.2)
    manifest = preprocess(config)
    held, kept = read_back(config.output, "valid"), read_back(config.output, "train")
    # Of 300 sources 60 on average, with a standard deviation of 7; each brings two pairs.
    assert 60 <= len(held) <= 180
    for side in (0, 1):
        assert not {pair[side] for pair in held} & {pair[side] for pair in kept}
    assert rejects(manifest) == {"leaked": 600 - len(held) - len(kept)} and set(held) | set(kept) <= set(train)


@pytest.mark.parametrize("reject_text", ["all", "none"])
def test_what_became_of_each_pair_is_found_out(configure, reject_text):
    config = configure([*FILLER, ("", "x"), FILLER[30]], FILLER[:20], reject_text=reject_text)
    manifest = preprocess(config)
    findings = Findings.read_from(config.output)
    names = [
        f"{one[0]}|{other[0]}"
        for one, other in ((config.source, config.target), (config.valid_source, config.valid_target))
    ]
    assert findings.inputs == {
        "files": {names[0]: {"kept": 380, "leaked": 20, "empty": 1, "duplicate": 1}, names[1]: {"kept": 20}}
    }
    for split, statistics in findings.splits.items():
        told = manifest.splits[split]
        assert statistics.source.sentences == statistics.ratios.sum() == told.records
        assert (statistics.source.tokens, statistics.target.tokens) == (told.source_tokens, told.target_tokens)
    train = findings.splits["train"]
    assert train.source.characters == sum(len(source) for source, _ in FILLER[20:])
    # Every word is doubled.
    assert train.ratios[40 - 8] == 0 and train.ratios[32:40].sum() == 380
    assert train.target.words == 4 * 380
    [example] = findings.examples["empty"]
    texts = {"source": "", "target": "x"} if reject_text == "all" else {}
    place = {"corpus": "files", "file": names[0], "line": 401}
    assert example == {"rule": "empty", **place, "value": None, "threshold": None} | texts
    assert len(findings.examples["leaked"]) == 5
    page = Path(config.output, "report.html").read_text("utf-8")
    assert "<title>Data set</title>" in page and page.count("<q ") == (2 * 7 if reject_text == "all" else 0)


def refused(config, message, tmp_path, left=()):
    before = {path.name for path in tmp_path.iterdir()} - {"data.work"}
    with pytest.raises(UserError, match=message):
        preprocess(config)
    assert {path.name for path in tmp_path.iterdir()} == before | {*left}


def test_mistakes_are_refused_and_leave_no_data_set(configure, write_lines, tmp_path):
    config = configure(FILLER)
    longer = write_lines("longer.txt", ["x"] * 401)
    unequal = dataclasses.replace(config, target=(longer,))
    refused(unequal, r"--source, --target: .*source\.txt' with 400 and .*longer\.txt' with 401", tmp_path)
    unknown = dataclasses.replace(config, cleaning=CleaningConfig(min_language=0.1), source_language="tlh")
    refused(unknown, "--source-language: .*received 'tlh'", tmp_path)
    gone = str(tmp_path / "gone")
    refused(dataclasses.replace(config, exclude=(gone,)), "--exclude: .*gone", tmp_path)
    refused(dataclasses.replace(config, exclude=config.source), "for train, received none .*leaked", tmp_path)
    refused(dataclasses.replace(config, valid_share=1e-9), "for valid, received none .*--valid-share", tmp_path)
    given = dataclasses.replace(config, subwords=(gone,), vocab_size=PreprocessConfig.vocab_size)
    refused(given, "--subwords: expected a SentencePiece model.*gone", tmp_path)
    # What has been cleaned stays for the next one, if anything is left of it.
    work = ("data.work",)
    refused(dataclasses.replace(config, vocab_size=261), "--vocab-size: expected at least 28[0-9]", tmp_path, work)
    refused(dataclasses.replace(config, max_pieces=2), "for train, received none .*400 too_many_pieces", tmp_path, work)


def test_a_model_that_exists_gives_the_records_that_it_was_learned_for(configure, tmp_path):
    config = configure([(f"<2xx> {source}", target) for source, target in FILLER], user_symbols=("<2xx>",))
    manifest = preprocess(config)
    subwords = str(Path(config.output, manifest.source.file))
    other = dataclasses.replace(config, output=str(tmp_path / "other"), vocab_size=PreprocessConfig.vocab_size)
    found = preprocess(dataclasses.replace(other, subwords=(subwords,)))
    assert (found.splits, found.source, found.target) == (manifest.splits, manifest.source, manifest.source)
    assert (found.settings["subwords"], found.settings["subword_threads"]) == ([subwords], 8)
    tokenizer = Tokenizer.read(subwords)
    [ids] = tokenizer.tokenize(tf.constant(["<2xx> ba"])).to_list()
    assert tokenizer.spell(ids)[:2] == ["\u2581", "<2xx>"] and ids[1] == 4


def test_an_output_that_holds_something_is_refused(configure, tmp_path):
    config = configure(FILLER)
    Path(config.output).mkdir()
    kept = Path(config.output, "kept")
    kept.write_text("mine")
    refused(config, "--output: expected a new or empty folder", tmp_path)
    assert kept.read_text() == "mine"
    refused(dataclasses.replace(config, output=str(kept)), "--output: expected a new or empty folder", tmp_path)
    kept.unlink()
    assert preprocess(config).splits["train"].records > 300


def start(config, cwd):
    """A job in a process of its own."""
    code = (
        "import sys; from pipeline.cleaning.config import CleaningConfig; from pipeline.config import PreprocessConfig;"
        "from pipeline.preprocess import preprocess; preprocess(eval(sys.argv[1]))"
    )
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code, repr(config)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_job_leaves_no_data_set(configure, tmp_path):
    config = configure(FILLER)
    job = start(config, tmp_path)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("data.work/text/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    job.kill()
    job.communicate()
    assert job.returncode == -signal.SIGKILL
    assert not Path(config.output).exists() and not list(tmp_path.rglob("manifest.json"))
    assert preprocess(config).splits["train"].records > 300
