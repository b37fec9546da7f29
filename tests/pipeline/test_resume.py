"""What a job leaves behind and takes up: finished shards, one job at a time, an error for too many rejects."""

import dataclasses
import gzip
import itertools
import json
import os
import re
from collections import Counter
from pathlib import Path

import filelock
import pytest

from pipeline.config import PreprocessConfig
from pipeline.errors import UserError
from pipeline.job import digests
from pipeline.job.survivors import survivors
from pipeline.job.work_folder import work_folder
from pipeline.preprocess import preprocess

PAIRS = [(f"the source {number}", f"das Ziel {number}") for number in range(300)]
DIRT = [("", "empty"), ("x" * 41, "y" * 41), PAIRS[5], (b"\xff", "broken")]


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_rejected_pairs_are_told_with_file_line_value_and_text(configure):
    config = configure(
        [*PAIRS, *DIRT, (" ".join(["abcdef"] * 60), " ".join(["ghijkl"] * 60))], PAIRS[:3], max_pieces=50
    )
    preprocess(config)
    told = []
    for path in sorted(Path(config.output).glob("rejected-*.jsonl.gz")):
        with gzip.open(path) as file:
            rows = [json.loads(line) for line in file]
        assert [row["line"] for row in rows] == sorted(row["line"] for row in rows)
        told += rows
    name = f"{config.source[0]}|{config.target[0]}"
    assert {row["file"] for row in told} == {name}
    by_line = {row["line"]: row for row in told if row["rule"] != "leaked"}
    assert {line: (row["rule"], row["value"], row["threshold"]) for line, row in by_line.items() if line != 305} == {
        301: ("empty", None, None),
        302: ("longest_word", 41, 40),
        303: ("duplicate", None, None),
        304: ("invalid_utf8", None, None),
    }
    assert by_line[305]["rule"] == "too_many_pieces" and by_line[305]["value"] > by_line[305]["threshold"] == 50
    assert [line for line, row in by_line.items() if "of" in row] == [303]
    assert by_line[303]["of"] == {"corpus": "files", "file": name, "line": 6}
    assert (by_line[304]["source"], by_line[303]["target"]) == ("\\xff", PAIRS[5][1])
    assert sorted(row["line"] for row in told if row["rule"] == "leaked") == [1, 2, 3]


@pytest.mark.slow
def test_more_rejected_than_allowed_is_an_error_after_the_report(configure):
    config = configure([*PAIRS, *[("", "empty")] * 100], max_rejected=0.2)
    with pytest.raises(
        UserError, match=r"--max-rejected: expected at most 20% of 400 .*received 25.0%, most .*empty"
    ) as told:
        preprocess(config)
    report = Path(re.search(r"see (\S+report\.html)", str(told.value))[1])
    assert "empty" in report.read_text() and not Path(config.output).exists()
    # What was made is taken up.
    records = report.with_name("train-00000-of-00003.tfrecord").stat().st_ino
    manifest = preprocess(dataclasses.replace(config, max_rejected=0.25))
    assert manifest.rejected["empty"] == 100 and not report.exists()
    assert Path(config.output, "train-00000-of-00003.tfrecord").stat().st_ino == records


def killed(config, at):
    """Ends a job by the system's failure to rename to such a name; gives the folder of what it leaves."""
    from pipeline import files

    replace = os.replace

    def refuse(source, target):
        if re.search(at, str(target)):
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files.os, "replace", refuse)
        with pytest.raises(Exception, match="No space left"):
            preprocess(config)
    work = Path(f"{config.output}.work")
    assert not Path(config.output).exists() and not list(work.rglob("manifest.json"))
    return work


@pytest.mark.slow
@pytest.mark.parametrize("at", [r"train-00001\.text$", r"train-00001-of-00003\.tfrecord$", r"manifest\.json$"])
def test_what_was_finished_is_taken_up_and_the_bytes_are_the_same(configure, tmp_path, at):
    config = configure(PAIRS, PAIRS[:20])
    work = killed(config, at)
    finished = {
        record: (work / "data" / record).stat().st_ino
        for record in (json.loads(path.read_text())["file"] for path in work.glob("encoded/*-00???.json"))
    }
    assert (work / "text" / "train-00000.json").exists() and bool(finished) == ("text" not in at)
    preprocess(config)
    assert {record: Path(config.output, record).stat().st_ino for record in finished} == finished
    assert not work.exists()
    whole = dataclasses.replace(config, output=str(tmp_path / "whole"))
    preprocess(whole)
    assert contents(config.output) == contents(whole.output)


@pytest.mark.slow
def test_nothing_stale_is_taken_up(configure, tmp_path):
    config = configure(PAIRS, PAIRS[:20])
    killed(config, r"manifest\.json$")
    other = dataclasses.replace(config, seed=2)
    manifest = preprocess(other)
    whole = dataclasses.replace(other, output=str(tmp_path / "whole"))
    assert manifest == preprocess(whole) and contents(other.output) == contents(whole.output)


@pytest.mark.slow
def test_a_changed_input_is_another_one(configure, tmp_path):
    config = configure(PAIRS, PAIRS[:20])
    killed(config, r"manifest\.json$")
    source = Path(config.source[0])
    source.write_text(source.read_text().replace("the source 7\n", "the saurce 7\n"))
    os.utime(source, (1, 1))
    whole = dataclasses.replace(config, output=str(tmp_path / "whole"))
    assert preprocess(config) == preprocess(whole)


def test_two_jobs_at_once_are_refused(configure):
    config = configure(PAIRS)
    with (
        work_folder(config.output),
        pytest.raises(UserError, match="--output: expected a folder that no other job"),
    ):
        preprocess(config)
    with filelock.FileLock(f"{config.output}.other"):
        assert preprocess(config).splits["train"].records > 200


@pytest.mark.parametrize("is_there", [True, False])
def test_an_output_that_is_a_link_is_made_where_it_leads(configure, tmp_path, is_there):
    config, aim = configure(PAIRS), tmp_path / "large disk" / "aim"
    if is_there:
        aim.mkdir(parents=True)
    Path(config.output).symlink_to(aim)
    # What is made beside the link would be on another disk.
    Path(f"{config.output}.work").write_text("mine")
    assert preprocess(config).splits["train"].records > 200
    assert Path(config.output).is_symlink() and (aim / "manifest.json").exists()
    assert [path.name for path in aim.parent.iterdir()] == ["aim"]


@pytest.mark.parametrize(("dedup", "count"), [("pair", 3), ("source", 2), ("target", 2), ("none", 4)])
def test_duplicates_are_by_pair_or_side_in_any_order(dedup, count):
    config = PreprocessConfig(source=("s",), target=("t",), output="o", dedup=dedup)
    given = [("a", "x"), ("a", "x"), ("a", "y"), ("b", "x")]
    found = set()
    for order in itertools.permutations(given):
        rows = [(digests.place(*pair, 0, dedup, 1), 0, line, *pair, 0) for line, pair in enumerate(order)]
        rejected = []
        stay = list(survivors(sorted(rows), {}, rejected, config))
        kept = [row[2:4] for row in stay]
        assert sorted([*kept, *(row[5:7] for row in rejected)]) == given
        assert {row[2] for row in rejected} <= {"duplicate"}
        asked = {"source": slice(0, 1), "target": slice(1, 2)}.get(dedup, slice(2))
        for row in rejected:
            # The one that stays, and of the same text the first line.
            [first] = [other for other in stay if other[:2] == row[7]]
            assert first[2:4][asked] == row[5:7][asked] and (first[2:4] != row[5:7] or first[1] < row[1])
        found.add(tuple(kept))
    [kept] = found
    assert len(kept) == count
    if dedup in ("source", "target"):
        assert len({pair[dedup == "target"] for pair in kept}) == 2


def test_the_doubles_of_a_near_duplicate_tell_its_place():
    config = PreprocessConfig(source=("s",), target=("t",), output="o", near_duplicates=0.8)
    place = digests.place("a", "x", 0, "pair", 1)
    rows = [(place, file, line, "a", "x", 0) for file, line in ((2, 4), (2, 9), (3, 0))]
    rejected = []
    assert list(survivors(rows, {place: (place, 0.9, b"rank", (7, 1))}, rejected, config)) == []
    assert rejected == [
        (2, 4, "near_duplicate", 0.9, 0.8, "a", "x", (7, 1)),
        (2, 9, "duplicate", None, None, "a", "x", (2, 4)),
        (3, 0, "duplicate", None, None, "a", "x", (2, 4)),
    ]


def test_the_order_in_which_training_files_are_given_decides_nothing(configure, write_lines, tmp_path):
    config = configure(PAIRS, PAIRS[:3])
    parts = {"b": PAIRS[:200], "a": PAIRS[150:], "c": PAIRS[170:180]}
    files = {name: [write_lines(f"{name}.{side}", [pair[side] for pair in own]) for side in (0, 1)]
             for name, own in parts.items()}  # fmt: skip
    found = []
    for order in ("bac", "cab"):
        source, target = zip(*(files[name] for name in order), strict=True)
        output = tmp_path / order
        preprocess(dataclasses.replace(config, source=source, target=target, output=str(output)))
        found.append(contents(output))
        # They tell the settings.
        del found[-1]["manifest.json"], found[-1]["report.html"]
    assert found[0] == found[1]
    rejects = [
        json.loads(line)
        for name, text in found[0].items()
        if name.startswith("rejected")
        for line in gzip.decompress(text).splitlines()
    ]
    doubles = [(Path(row["file"].partition("|")[0]).stem, row["line"], row["of"]["line"])
               for row in rejects if row["rule"] == "duplicate"]  # fmt: skip
    # Line 151 of b is the first of a.
    assert sorted(doubles) == [
        *(("b", line, line - 150) for line in range(151, 201)), *(("c", line, line + 20) for line in range(1, 11))
    ]  # fmt: skip
    assert {row["of"]["file"] for row in rejects if "of" in row} == {"|".join(files["a"])}


def test_a_share_of_a_corpus_that_is_left_out_is_no_flaw(configure, tmp_path):
    config = configure(PAIRS)
    corpora = tmp_path / "corpora.yaml"
    corpora.write_text(f"- name: few\n  weight: 0.2\n  source: {config.source[0]}\n  target: {config.target[0]}\n")
    manifest = preprocess(dataclasses.replace(config, source=(), target=(), corpora=str(corpora)))
    left_out = manifest.rejected["sampled_out"]
    # Of 270 pairs 216, with a standard deviation of 7.
    assert 170 < left_out < 262 and sum(split.records for split in manifest.splits.values()) == 300 - left_out


def test_copies_are_records_but_not_pairs(configure, tmp_path, read_back):
    config = configure(PAIRS, PAIRS[:20])
    corpora = tmp_path / "corpora.yaml"
    corpora.write_text(f"- name: many\n  weight: 3\n  source: {config.source[0]}\n  target: {config.target[0]}\n")
    config = dataclasses.replace(config, corpora=str(corpora), max_rejected=1.0)
    manifest = preprocess(config)
    assert manifest.splits["train"].records == 280 * 3 and manifest.copies == 280 * 2
    # The pairs of the corpus of weight 1 are the first copies of the other's.
    assert manifest.rejected["duplicate"] == 280 and manifest.rejected["leaked"] == 40
    kept = sum(split.records for split in manifest.splits.values())
    assert manifest.read + manifest.copies == kept + sum(manifest.rejected.values())
    assert sorted(set(read_back(config.output, "train"))) == sorted(PAIRS[20:])


@pytest.mark.parametrize("near", [None, 0.8])
def test_one_translation_of_a_source_stays_in_all_its_copies(configure, write_lines, tmp_path, read_back, near):
    words = [(f"{number} the source", f"das Ziel {number}") for number in range(100, 300)]
    files = [write_lines("one", [source for source, _ in words])]
    files += [write_lines(name, [f"{target} {name}" for _, target in words]) for name in ("light", "heavy")]
    corpora = tmp_path / "corpora.yaml"
    corpora.write_text(
        "".join(
            f"- name: {name}\n  source: {files[0]}\n  target: {target}\n  weight: {weight}\n"
            # The light one is a part of the heavy one, too.
            for name, target, weight in (("light", files[1], 0.5), ("both", files[1], 1), ("heavy", files[2], 2.5))
        )
    )
    config = configure((), PAIRS[:20], corpora=str(corpora), dedup="source", near_duplicates=near, max_rejected=1.0)
    manifest = preprocess(dataclasses.replace(config, vocab_size=300))
    copies = Counter(read_back(config.output, "train"))
    assert {source for source, _ in copies} == {source for source, _ in words} and len(copies) == 200
    assert manifest.copies == copies.total() - 200
    counts = Counter(copies.values())
    # Half a copy is 100 of 200 pairs on average, with a standard deviation of 7.
    if near is None:
        assert {*copies} == {(source, f"{target} heavy") for source, target in words}
        assert counts.keys() == {2, 3} and 60 < counts[3] < 140
    else:
        # In the stead of a near duplicate another translation stays, as often as its own weight says.
        assert {target.split()[-1] for _, target in copies} == {"light", "heavy"}
        assert {count for (_, target), count in copies.items() if target.endswith("light")} == {1}


def test_a_file_may_be_read_as_two_corpora(configure, write_lines, tmp_path):
    table = write_lines("m.tsv", [f"{source}\t{target}\t{target} fr" for source, target in [*PAIRS, ("", "")]])
    corpora = tmp_path / "corpora.yaml"
    corpora.write_text(
        "".join(
            f"- name: to {column}\n  pairs: {table}\n  source_field: 1\n  target_field: {column}\n  weight: 0.7\n"
            for column in (2, 3)
        )
    )
    config = configure((), corpora=str(corpora), vocab_size=300)
    manifest = preprocess(config)
    assert manifest.read == 2 * 301 and manifest.rejected["empty"] == 2 and manifest.rejected["sampled_out"] > 60
    examples = json.loads(Path(config.output, "statistics.json").read_text())["examples"]
    assert [(row["corpus"], row["line"]) for row in examples["empty"]] == [("to 2", 301), ("to 3", 301)] and len(
        examples["sampled_out"]
    ) == 5
