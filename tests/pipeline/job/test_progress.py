import json
import re
import time

import pytest

from pipeline.job.progress import KEPT, READ, Tally, left, told, watched


def test_counts_of_several_workers_add_up(tmp_path):
    one, other = Tally(tmp_path), Tally(tmp_path)
    one.add({READ: 10, KEPT: 8, "empty": 2})
    other.add({READ: 5, KEPT: 4, "ratio": 1})
    assert left(tmp_path) == {READ: 15, KEPT: 12, "empty": 2, "ratio": 1}


def test_counts_are_written_now_and_then_and_all_of_them_when_asked(tmp_path):
    tally = Tally(tmp_path)
    begin = time.monotonic()
    while time.monotonic() < begin + 0.2:
        tally.add({READ: 1})
    assert left(tmp_path) == {READ: 1}
    tally.leave()
    assert left(tmp_path)[READ] > 100
    assert [json.loads(path.read_text()) for path in tmp_path.iterdir()] == [left(tmp_path)]


def test_where_the_folder_is_not_nothing_is_left(tmp_path):
    Tally(tmp_path / "gone").add({READ: 1})
    assert not list(tmp_path.iterdir()) and left(tmp_path / "gone") == {}


def test_the_most_frequent_rule_is_told_first():
    counts = {"empty": 3, READ: 1234567, "ratio": 20000, "words": 3, KEPT: 1200000, "script": 0}
    assert told(counts) == "kept 1,200,000, ratio 20,000, empty 3, words 3"
    assert told({READ: 7}) == ""


def test_what_is_counted_is_told_while_it_runs(tmp_path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "progress"
    with watched(folder, "clean", total=40, every=0.01):
        tally = Tally(folder)
        tally.add({READ: 20, KEPT: 19, "empty": 1})
        time.sleep(0.2)
        between = capsys.readouterr().err
        tally.add({READ: 20, KEPT: 20})
        tally.leave()
    lines = between.split("\r") + capsys.readouterr().err.split("\r")
    assert any(re.search(r"clean: +50%.* 20/40 .* pairs/s, kept 19, empty 1\]", line) for line in lines[:-2])
    assert re.search(r"clean: 100%.* 40/40 .*kept 39, empty 1\]", lines[-1])


def test_a_failure_comes_through_and_the_counts_until_then(tmp_path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ZeroDivisionError), watched(tmp_path, "clean", every=60):
        Tally(tmp_path).add({READ: 3, KEPT: 3})
        _ = 1 / 0
    assert "kept 3" in capsys.readouterr().err
