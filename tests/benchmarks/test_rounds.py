import sys
from pathlib import Path

import pytest

from benchmarks.rounds import in_turn, measure, module, spread
from pipeline.errors import UserError


def test_sides_are_measured_in_turn() -> None:
    order = []

    def side(name: str, number: int) -> dict[str, int]:
        order.append((name, number))
        return {"number": number}

    found = in_turn({name: lambda number, name=name: side(name, number) for name in ("ours", "theirs")}, 2)
    assert order == [("ours", 1), ("theirs", 1), ("ours", 2), ("theirs", 2)]
    assert found == {name: [{"number": 1}, {"number": 2}] for name in ("ours", "theirs")}


def test_a_measurement_is_the_last_line_of_stdout(tmp_path: Path) -> None:
    code = "import sys; print('words'); print('{\"speed\": 2.5}'); print('told', file=sys.stderr)"
    assert measure([sys.executable, "-c", code], tmp_path / "logs" / "side.log") == {"speed": 2.5}
    assert (tmp_path / "logs" / "side.log").read_text() == "told\n"


def test_a_failed_process_is_told_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"received 3; read .*side\.log"):
        measure([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "side.log")


def test_a_module_runs_in_this_environment() -> None:
    assert module("nmt", "train", 1) == [sys.executable, "-m", "nmt", "train", "1"]


def test_the_spread_is_median_lowest_and_highest() -> None:
    assert spread([3.0, 1.0, 2.5]) == "2.5 (1 to 3)"
