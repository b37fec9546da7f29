import dataclasses
import json
import re
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.results import Row


def row(**changed: object) -> Row:
    fields = {
        "benchmark": "train",
        "peer": "OpenNMT-py",
        "ours": 6000.0,
        "theirs": 3000.0,
        "unit": "tokens a second",
        "ratio": 2.0,
        "limit_share": 0.5,
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "date": "2020-02-03T04:05:06+00:00",
        "machine": "A processor, 2 cores",
    }
    return Row(**{**fields, **changed})  # type: ignore[arg-type]


def test_more_sentences_a_second_are_better() -> None:
    assert Row.compare("decode-batch-64", "OpenNMT-py", 30.0, 20.0, "sentences a second").ratio == 1.5


def test_a_shorter_wait_is_better() -> None:
    assert Row.compare("decode-batch-1", "OpenNMT-py", 20.0, 30.0, "milliseconds").ratio == 1.5


def test_fewer_minutes_are_better() -> None:
    assert Row.compare("time-to-bleu", "OpenNMT-py", 20.0, 30.0, "minutes").ratio == 1.5


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(KeyError):
        Row.compare("train", "OpenNMT-py", 1.0, 2.0, "parsecs")


def test_a_row_tells_where_and_when() -> None:
    made = Row.compare("train", "Keras", 1234.5678, 1000.0, "tokens a second", 0.123456)
    assert (made.ours, made.theirs, made.ratio, made.limit_share) == (1235.0, 1000.0, 1.235, 0.1235)
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", made.commit)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", made.date)
    assert re.fullmatch(r".+, \d+ cores", made.machine)


def test_rows_are_appended_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.jsonl"
    rows = [row(), row(benchmark="decode-batch-1", limit_share=None)]
    assert results.read(path) == []
    for one in rows:
        results.append(one, path)
    assert results.read(path) == rows
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert list(first) == [field.name for field in dataclasses.fields(Row)]
    assert "limit_share" not in second


def test_recording_prints_the_ratio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results.record([row()], tmp_path / "results.jsonl")
    assert "ratio 2.00  50% of the limit" in capsys.readouterr().out
    assert results.read(tmp_path / "results.jsonl") == [row()]


def test_tables_show_the_newest_row_of_each_peer_on_each_machine() -> None:
    text = results.tables(
        [
            row(ours=1.0),
            row(benchmark="time-to-bleu", unit="minutes", limit_share=None, commit="f" * 40 + "-dirty"),
            row(peer="Keras"),
            row(peer="Keras", machine="Another, 4 cores"),
            row(ours=12345.0, ratio=4.115),
        ]
    )
    train, minutes = text.split("## ")[1:]
    assert train.startswith("Training: source and target tokens")
    assert train.strip().splitlines()[2:] == [
        "| peer | ours | theirs | unit | ratio | share of the limit | commit | date | machine |",
        "|---|---|---|---|---|---|---|---|---|",
        "| OpenNMT-py | 12,345 | 3,000 | tokens a second | 4.12 | 50% | `0123456789` | 2020-02-03"
        " | A processor, 2 cores |",
        "| Keras | 6,000 | 3,000 | tokens a second | 2.00 | 50% | `0123456789` | 2020-02-03 | A processor, 2 cores |",
        "| Keras | 6,000 | 3,000 | tokens a second | 2.00 | 50% | `0123456789` | 2020-02-03 | Another, 4 cores |",
    ]
    assert "| 2.00 |  | `ffffffffff-dirty` |" in minutes


def test_tables_are_written_from_the_file(tmp_path: Path) -> None:
    results.append(row(), tmp_path / "results.jsonl")
    results.write_tables(results=str(tmp_path / "results.jsonl"), tables_file=str(tmp_path / "performance.md"))
    assert (tmp_path / "performance.md").read_text() == results.tables([row()])
