import re

import numpy as np
import pytest

from benchmarks.scale import AXES, describe, fit


def test_points_on_a_line_are_that_line() -> None:
    found = fit([1, 2, 5], [5, 7, 13])
    assert found.coefficients == pytest.approx((3, 2)) and found.worst == pytest.approx(0, abs=1e-9)


def test_points_on_a_parabola_are_that_parabola() -> None:
    found = fit([1, 2, 3, 5], [6, 11, 18, 38], degree=2)
    assert found.coefficients == pytest.approx((3, 2, 1)) and found.worst == pytest.approx(0, abs=1e-9)


def test_a_fit_minimizes_relative_squares() -> None:
    xs, ys = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 100.0])

    def cost(start: float, slope: float) -> float:
        return float(np.sum(((start + slope * xs - ys) / ys) ** 2))

    (start, slope), worst = fit(xs, ys)
    around = [cost(start + a, slope + b) for a in (-0.01, 0, 0.01) for b in (-0.01, 0, 0.01)]
    assert min(around) == around[4]
    assert worst == pytest.approx(np.max(np.abs(start + slope * xs - ys) / ys))


def test_the_page_shows_points_and_fits() -> None:
    train = {
        axis: [{"x": x, "step_seconds": 0.01 + 0.001 * x, "peak_bytes": 5e6 * x} for x in values]
        for axis, values in AXES.items()
    }
    preprocess = [{"x": x, "seconds": 10 + x / 1000, "core_seconds": x / 500, "bytes": 2 * x} for x in (10_000, 20_000)]
    found = {"commit": "c" * 40, "date": "2020-02-03T04:05:06", "machine": "M, 2 cores"}
    page = describe({**found, "train": train, "preprocess": preprocess})
    assert "| ms a step | 26 | 42 | 74 | 138 | 266 | 10 + 1 x | 0% |" in page
    # The points of length lie on the same line.
    assert re.search(r"## length\n\n.*\n.*\n\| ms a step \| 18 \| .* \| 10 \+ 1 x \+ \S+ x² \| 0% \|", page)
    assert "| MB | 5 | 10 | 15 | 20 |" in page and "| seconds | 20 | 30 | 10 + 0.001 x | 0% |" in page
    assert "| core seconds | 20 | 40 | " in page and "| bytes | 2e+04 | 4e+04 | " in page
