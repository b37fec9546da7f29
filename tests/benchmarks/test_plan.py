import pytest

from benchmarks.plan import Assumptions, Corpus, Rates, describe, plan, read_rates
from benchmarks.results import Row
from pipeline.errors import UserError

# A million seconds of one core for 1e9 tokens, and 10,000 tokens a second on a device of two cores.
RATES = Rates(preprocess=1e-3, record=3.0, train=10_000.0, device="M, 2 cores", gpu=False)
CORPUS = Corpus("c", pairs=1e8, tokens=10, epochs=7.2)
ASSUMED = Assumptions(core_price=0.1, gpu_price=5.0, days=1, cores=4, scaling=0.5)


def test_a_plan_worked_out_by_hand() -> None:
    preprocess, train = plan(CORPUS, RATES, ASSUMED)
    # 277.8 core hours; 69.4 hours on one machine of 4, so 3 of them within 24 hours.
    assert preprocess == ("preprocess", pytest.approx(1e6 / 3600 / 12), 3, pytest.approx(27.78, rel=1e-3))
    # 200 hours on one device, 400 together with others: 17 of them, each with two cores.
    assert train == ("train", pytest.approx(400 / 17), 17, pytest.approx(400 * 0.2))


def test_one_device_needs_no_others() -> None:
    _, train = plan(CORPUS._replace(pairs=1e7), RATES._replace(gpu=True), ASSUMED)
    assert train == ("train", pytest.approx(20), 1, pytest.approx(100))


def row(benchmark: str, ours: float, machine: str) -> Row:
    return Row(benchmark, "p", ours, 1.0, "tokens a second", ours, None, "c", "2020-02-03", machine)


def test_rates_are_the_newest_and_a_gpu_comes_first() -> None:
    scale = {
        "machine": "N, 2 cores",
        "preprocess": [{"x": x, "core_seconds": 9 + x / 1e4, "bytes": 3 * x} for x in (10, 20)],
    }
    rows = [row("train", 5.0, "M, 2 cores"), row("train", 7.0, "M, 2 cores"), row("decode-batch-1", 9.0, "M, 2 cores")]
    found = read_rates(rows, scale)
    assert found == (pytest.approx(1e-4), pytest.approx(3.0), 7.0, "M, 2 cores", False)
    assert read_rates([row("gpu-train", 99.0, "G"), *rows], scale)[2:] == (99.0, "G", True)
    with pytest.raises(UserError, match="run `make bench-train`"):
        read_rates(rows[2:], scale)


def test_the_page_says_what_is_measured_and_what_is_assumed() -> None:
    page = describe(RATES, ASSUMED)
    assert (
        "1000.0 core seconds to preprocess a million tokens, 3.00 bytes" in page and "0.1 dollars a core hour" in page
    )
    assert "WMT14 English-French" in page and "1 billion pairs" in page
