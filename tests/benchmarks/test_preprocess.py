import pytest

from benchmarks.preprocess import compare, growth, read_growth
from benchmarks.watched import Taken

FOUND = {
    "loop": [Taken(100, 500), Taken(90, 600), Taken(110, 550)],
    "in-memory": [Taken(125, 1000), Taken(200, 1100), Taken(120, 1200)],
    "2-workers": [Taken(50, 2200)],
}


def test_the_job_is_compared_with_the_loop(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {(row.benchmark, row.peer): (row.ours, row.theirs, row.unit, row.ratio) for row in compare(FOUND)}
    assert rows == {
        ("preprocess-in-memory", "loop"): (125, 100, "seconds", 0.8),
        ("preprocess-in-memory", "loop, memory"): (1100, 550, "megabytes", 0.5),
        ("preprocess-2-workers", "loop"): (50, 100, "seconds", 2),
        ("preprocess-2-workers", "loop, memory"): (2200, 550, "megabytes", 0.25),
    }
    assert "loop: 100 (90 to 110) seconds, 550 (500 to 600) megabytes at the most" in capsys.readouterr().out


def test_growth_is_beside_so_many_times_the_smaller_corpus() -> None:
    grown = {"in-memory": [Taken(1000, 8800)], "2-workers": [Taken(600, 22000)]}
    rows = {row.peer: (row.ours, row.theirs, row.ratio) for row in growth(FOUND, grown, 10)}
    assert rows == {
        "in-memory, seconds": (1000, 1250, 1.25),
        "in-memory, megabytes": (8800, 11000, 1.25),
        "2-workers, seconds": (600, 500, pytest.approx(0.8333)),
        "2-workers, megabytes": (22000, 22000, 1),
    }


def test_the_reading_side_is_beside_as_much() -> None:
    row = read_growth({"peak_bytes": 900e6}, {"peak_bytes": 1000e6})
    assert (row.ours, row.theirs, row.unit, row.ratio) == (1000, 900, "megabytes", 0.9)
