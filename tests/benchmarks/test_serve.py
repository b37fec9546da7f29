import gzip
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.load import Measurement
from benchmarks.places import Places
from benchmarks.serve import BATCHING, IN_PROCESS, NO_BATCHING, bench_serve, call_in_process, report
from pipeline.errors import UserError
from serving.exports.export_folder import newest_version
from serving.servable import Servable


def measurement(rate: float, *milliseconds: float) -> Measurement:
    return Measurement(rate, [each / 1000 for each in milliseconds], [])


FOUND = {
    IN_PROCESS: [measurement(200.0, 10, 30), measurement(100.0, 20)],
    BATCHING: [measurement(150.0, *range(101)), measurement(130.0, *range(101))],
    NO_BATCHING: [measurement(70.0, *range(0, 303, 3)), measurement(50.0, *range(0, 303, 3))],
}


def test_rows_of_speed_and_of_waits(capsys: pytest.CaptureFixture[str]) -> None:
    rows = report(32, FOUND)
    assert {row.benchmark for row in rows} == {"serve-32"}
    assert [(row.peer, row.ours, row.theirs, row.unit) for row in rows] == [
        ("in-process", 140.0, 150.0, "sentences a second"),
        ("no batching", 140.0, 60.0, "sentences a second"),
        ("no batching, p50", 50.0, 150.0, "milliseconds"),
        ("no batching, p95", 95.0, 285.0, "milliseconds"),
        ("no batching, p99", 99.0, 297.0, "milliseconds"),
    ]
    assert (
        "in-process: 150 (100 to 200) sentences a second; p50 20, p95 29, p99 29.8 milliseconds"
        in capsys.readouterr().out
    )


def test_one_client_is_compared_by_its_wait() -> None:
    row, *others = report(1, FOUND)
    assert (row.benchmark, row.peer, row.ours, row.theirs, row.unit) == (
        "serve-1",
        "in-process",
        50.0,
        20.0,
        "milliseconds",
    )
    assert row.ratio == 0.4
    assert [other.unit for other in others] == ["sentences a second", *["milliseconds"] * 3]


def test_calls_in_process_are_in_batches(upper_export: Path) -> None:
    servable = Servable(newest_version(upper_export))
    measured = call_in_process(servable, ["a", "é", "c"], 2)
    servable.close()
    assert measured.translations == ["A", "É", "C"]
    assert len(measured.seconds) == 2
    assert measured.rate == pytest.approx(3 / sum(measured.seconds))


def test_other_numbers_of_clients_have_no_table() -> None:
    with pytest.raises(UserError, match="--clients: expected some of 1, 8, 32, 128, received 2; leave it out"):
        bench_serve(Places(), clients=(1, 2))


@pytest.mark.slow
def test_the_benchmark_itself(upper_export: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with gzip.open(tmp_path / "test_2016_flickr.en.gz", "wt") as file:
        file.writelines(f"sentence {number}\n" for number in range(100))
    places = Places(multi30k=str(tmp_path), work=str(tmp_path / "work"), results=str(tmp_path / "results.jsonl"))
    bench_serve(places, export=str(upper_export), clients=(1, 8), rounds=2, sentences=20)
    rows = results.read(places.results)
    assert [(row.benchmark, row.peer) for row in rows[::5]] == [("serve-1", "in-process"), ("serve-8", "in-process")]
    assert all(row.ours > 0 and row.theirs > 0 for row in rows)
    out, err = capfd.readouterr()
    assert out.count("ratio") == 10
    assert err.splitlines()[-1] == "round 2 of 2: no batching"
    # Of both servers, for one client and for eight: to warm up, and two rounds.
    assert places.log("serve").read_text().count('"status": 200') == 2 * (2 + 2 * 20 + 16 + 2 * 64)
