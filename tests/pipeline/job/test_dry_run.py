import gzip
import json
import logging

import pytest

import nmt
from pipeline.cleaning.config import CleaningConfig
from pipeline.config import PreprocessConfig
from pipeline.errors import UserError
from pipeline.job.dry_run import dry_run
from pipeline.job.runners import Runner
from pipeline.preprocess import preprocess

FILLER = [
    (f"word{chr(97 + n // 26)}{chr(97 + n % 26)} one", f"wort{chr(97 + n // 26)}{chr(97 + n % 26)} eins")
    for n in range(300)
]
PAIRS = [
    *FILLER,
    ("", "empty"),
    (b"\xff", b"\xff"),
    ("a b c d e f", "a b c d e f g"),
    ("short", "very much longer than short"),
    FILLER[7],
    ("excluded sentence", "of another target"),
    ("another source", "the valid target"),
]


@pytest.fixture
def settings(write_lines, tmp_path):
    """The settings of a job over `PAIRS`, with or without validation files."""

    def make(valid=(), **given):
        sides = [write_lines(f"{side}.txt", [pair[number] for pair in PAIRS]) for number, side in enumerate("st")]
        exclude = write_lines("exclude.txt", ["excluded sentence"])
        given = {"cleaning": CleaningConfig(max_words=5), "vocab_size": 400, "exclude": (exclude,), **given}
        if valid:
            for number, side in enumerate(("source", "target")):
                given[f"valid_{side}"] = (write_lines(f"valid-{side}.txt", [pair[number] for pair in valid]),)
        return PreprocessConfig(
            source=(sides[0],), target=(sides[1],), output=str(tmp_path / "data"), shards=1, **given
        )

    return make


def test_the_first_pairs_of_each_input_are_tried(settings, write_lines, tmp_path):
    config = settings([("valid source", "the valid target"), ("", "no sentence")])
    tried = dry_run(config, len(PAIRS))
    assert tried.read == 307 and tried.kept == {"train": 300}
    assert tried.rejected == {
        "empty": 1, "invalid_utf8": 1, "words": 1, "characters_ratio": 1, "duplicate": 1, "leaked": 2
    }  # fmt: skip
    names = f"{config.source[0]}|{config.target[0]}"
    ratio = {"rule": "characters_ratio", "corpus": "files", "file": names, "line": 304, "value": 5.4, "threshold": 3.0}
    assert tried.examples["characters_ratio"] == [ratio | {"source": PAIRS[303][0], "target": PAIRS[303][1]}]
    assert [example["line"] for example in tried.examples["leaked"]] == [306, 307]
    assert not (tmp_path / "data").exists() and not list(tmp_path.glob("data*"))


def test_inputs_of_a_store_are_tried(bucket):
    for side in (0, 1):
        bucket.put(f"{side}.txt", "".join(f"{pair[side]}\n" for pair in [("a b", "c d"), ("", "e f")]).encode())
    Runner()
    config = PreprocessConfig(source=(f"{bucket.url}/0.txt",), target=(f"{bucket.url}/1.txt",), output="unused")
    tried = dry_run(config, 10, bucket.flags)
    assert (tried.read, tried.rejected) == (2, {"empty": 1})


def test_a_limit_is_shared_by_the_inputs(settings, write_lines):
    config = settings(valid=FILLER[:1], exclude=())
    both = [write_lines(f"more-{side}.txt", [pair[number] for pair in PAIRS[300:]]) for number, side in enumerate("st")]
    many = PreprocessConfig(source=(*config.source, both[0]), target=(*config.target, both[1]), output="unused")
    tried = dry_run(many, 3)
    assert tried.read == 4 and tried.rejected == {"empty": 1, "invalid_utf8": 1}
    assert tried.examples["empty"][0]["file"] == "|".join(both)
    # The second input has seven pairs alone.
    assert dry_run(many, 100).read == 50 + 7


@pytest.mark.parametrize("given", [{}, {"dedup": "none"}, {"leak_side": "source"}, {"reject_text": "none"}])
def test_a_dry_run_counts_what_the_job_does(settings, given):
    config = settings(valid_share=0.2, **given)
    tried = dry_run(config, len(PAIRS))
    manifest = preprocess(config)
    assert {split: count.records for split, count in manifest.splits.items()} == tried.kept
    assert {rule: count for rule, count in manifest.rejected.items() if count} == tried.rejected
    with gzip.open(f"{config.output}/rejected-train-00000-of-00001.jsonl.gz") as file:
        rejected = [json.loads(line) for line in file]
    told = [example for examples in tried.examples.values() for example in examples]
    # Which of equal pairs stays is decided by their places, once there are all.
    assert [example for example in told if example["rule"] != "duplicate" and example not in rejected] == []
    assert ("source" in told[0]) == (config.reject_text == "all")


def test_weights_leave_out_and_repeat(settings, tmp_path):
    config = settings(exclude=())
    corpora = tmp_path / "corpora.yaml"
    parts = [(name, weight) for name, weight in (("half", 0.5), ("twice", 2))]
    corpora.write_text(
        "".join(
            f"- {{name: {name}, weight: {weight}, source: [{config.source[0]}], target: [{config.target[0]}]}}\n"
            for name, weight in parts
        )
    )
    tried = dry_run(PreprocessConfig(corpora=str(corpora), output="unused", dedup="none", valid_share=1e-9), 200)
    assert tried.read == 200 and 20 < tried.rejected["sampled_out"] < 80
    assert tried.kept == {"train": 100 - tried.rejected["sampled_out"] + 200, "valid": 0}
    assert tried.copies == 100


def test_the_command_tells_what_is_rejected(settings, capsys: pytest.CaptureFixture[str]):
    config = settings()
    argv = ["--source", *config.source, "--target", *config.target, "--output", config.output]
    assert nmt.main(["preprocess", *argv, "--dry-run", "--limit", "304", "--cleaning.max_words", "5"]) == 0
    assert not logging.root.manager.disable
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["read", "304"] in rows and ["words", "1", "0.33", "%"] in rows
    assert ["source", "a", "b", "c", "d", "e", "f"] in rows
    assert ["limit", "5"] in [row[-2:] for row in rows]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--limit", "5"], "--limit: expected --dry-run beside it, received 5 alone"),
        (["--dry-run", "--limit", "0"], "--limit: expected at least 1, received 0"),
    ],
)
def test_mistakes_are_refused(settings, flags, message, capsys: pytest.CaptureFixture[str]):
    config = settings()
    argv = ["--source", *config.source, "--target", *config.target, "--output", config.output]
    assert nmt.main(["preprocess", *argv, *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_file_is_an_error_too(settings):
    with pytest.raises(UserError, match="gone"):
        dry_run(settings(exclude=("gone.txt",)), 5)
