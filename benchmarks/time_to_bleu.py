"""Minutes of training until the quality that OpenNMT-py reaches, as `benchmarks.models` measured them."""

import sys

from benchmarks.command import run_command
from benchmarks.models import OURS, THEIRS, Curve, Point
from benchmarks.places import Places
from benchmarks.results import Row, record
from pipeline.errors import UserError


def bench_time_to_bleu(places: Places, /) -> None:
    """Compares the minutes to OpenNMT-py's last validation BLEU with its own.

    Ours are counted, validation included, until the end of the first epoch whose validation BLEU is as high. Theirs are
    counted without validation.
    """
    ours, theirs = Curve.read_from(places, OURS), Curve.read_from(places, THEIRS)
    goal = theirs.points[-1]
    reached = first_reaching(ours.points, goal.val_bleu)
    for side, point in ((THEIRS, goal), (OURS, reached)):
        print(f"{side}: validation BLEU {point.val_bleu:.1f} after {point.minutes:.1f} minutes")
    record([Row.compare("time-to-bleu", THEIRS, reached.minutes, goal.minutes, "minutes")], places.results)


def first_reaching(points: list[Point], val_bleu: float) -> Point:
    """The first point that is at least as good.

    Raises:
        UserError: None is.
    """
    for point in points:
        if point.val_bleu >= val_bleu:
            return point
    best = max(point.val_bleu for point in points)
    raise UserError(f"ours: expected a validation BLEU of {val_bleu:.2f} in some epoch, received {best:.2f} at most")


if __name__ == "__main__":
    sys.exit(run_command(bench_time_to_bleu))
