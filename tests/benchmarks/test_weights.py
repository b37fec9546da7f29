import pytest

from benchmarks.weights import Figures, report


def test_each_kind_is_compared_with_float32(capsys: pytest.CaptureFixture[str]) -> None:
    found = {
        "float32": [Figures(38.0, 40.0, 3.0, 100.0, 20.0), Figures(38.0, 40.0, 5.0, 140.0, 30.0)],
        "bfloat16": [Figures(38.0, 25.0, 4.0, 60.0, 50.0)],
        "int8": [Figures(19.0, 10.0, 2.0, 240.0, 12.5)],
    }
    rows = report(found)
    assert {row.benchmark for row in rows} == {"weights"}
    assert [(row.peer, row.ours, row.theirs, row.unit, row.ratio) for row in rows] == [
        ("bfloat16, quality", 38.0, 38.0, "BLEU", 1.0),
        ("int8, quality", 19.0, 38.0, "BLEU", 0.5),
        ("bfloat16, size", 25.0, 40.0, "megabytes", 1.6),
        ("int8, size", 10.0, 40.0, "megabytes", 4.0),
        ("bfloat16, loading", 4.0, 4.0, "seconds", 1.0),
        ("int8, loading", 2.0, 4.0, "seconds", 2.0),
        ("bfloat16, many sentences a request", 60.0, 120.0, "sentences a second", 0.5),
        ("int8, many sentences a request", 240.0, 120.0, "sentences a second", 2.0),
        ("bfloat16, one sentence a request", 50.0, 25.0, "milliseconds", 0.5),
        ("int8, one sentence a request", 12.5, 25.0, "milliseconds", 2.0),
    ]
    assert "float32, loading: 4 (3 to 5) seconds\n" in capsys.readouterr().out
