import json
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.models import OURS, THEIRS, Curve, Point, model_folder
from benchmarks.places import Places
from benchmarks.time_to_bleu import bench_time_to_bleu, first_reaching
from pipeline.errors import UserError

POINTS = [Point(1.0, 10.0), Point(2.0, 30.0), Point(3.0, 29.0), Point(4.0, 31.0)]


@pytest.mark.parametrize(("val_bleu", "minutes"), [(5.0, 1.0), (10.5, 2.0), (30.0, 2.0), (30.5, 4.0)])
def test_the_first_epoch_that_is_good_enough_counts(val_bleu: float, minutes: float) -> None:
    assert first_reaching(POINTS, val_bleu).minutes == minutes


def test_a_quality_that_was_not_reached_is_told() -> None:
    with pytest.raises(UserError, match=r"of 31\.50 in some epoch, received 31\.00 at most"):
        first_reaching(POINTS, 31.5)


def test_models_have_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `make bench-models` first"):
        bench_time_to_bleu(Places(work=str(tmp_path)))


def test_a_curve_of_another_version_is_refused(tmp_path: Path) -> None:
    places = Places(work=str(tmp_path))
    model_folder(places, OURS).mkdir(parents=True)
    (model_folder(places, OURS) / "curve.json").write_text('{"points": [[1.0, 2.0]], "search": "greedy search"}')
    with pytest.raises(UserError, match=r"expected the points of a training in .*, received others; remove its folder"):
        Curve.read_from(places, OURS)


def test_minutes_are_compared(tmp_path: Path) -> None:
    places = Places(work=str(tmp_path), results=str(tmp_path / "results.jsonl"))
    theirs = Curve([Point(5.0, 12.0), Point(10.0, 29.5)])
    for side, curve in ((OURS, Curve(POINTS)), (THEIRS, theirs)):
        model_folder(places, side).mkdir(parents=True)
        curve.write(model_folder(places, side))
        assert Curve.read_from(places, side) == curve
    bench_time_to_bleu(places)
    (row,) = results.read(places.results)
    assert (row.benchmark, row.peer, row.ours, row.theirs, row.ratio) == ("time-to-bleu", THEIRS, 2.0, 10.0, 5.0)
    assert "limit_share" not in json.loads(Path(places.results).read_text())
