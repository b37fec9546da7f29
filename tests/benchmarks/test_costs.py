import pytest

from benchmarks.costs import BARE, ONE_PROCESS, PLAIN, SETTINGS, TWO_PROCESSES, report


def test_each_setting_is_compared_with_the_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    found = {name: [90.0, 50.0, 100.0] for name in SETTINGS}
    found |= {BARE: [120.0], PLAIN: [100.0, 80.0, 120.0], ONE_PROCESS: [10.0], TWO_PROCESSES: [6.0]}
    rows = {row.peer: (row.ours, row.theirs, row.ratio) for row in report(found)}
    assert rows.pop(f"{PLAIN}, beside {BARE}") == (100.0, 120.0, pytest.approx(0.8333))
    assert rows.pop(f"{TWO_PROCESSES}, beside {ONE_PROCESS}") == (6.0, 10.0, 0.6)
    assert rows == {f"{name}, beside {PLAIN}": (90.0, 100.0, 0.9) for name in SETTINGS}
    assert f"{PLAIN}: 100 (80 to 120) tokens a second" in capsys.readouterr().out
