import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.embedded.grouping import choose


@pytest.mark.parametrize(
    ("lengths", "rows", "max_rows", "chosen"),
    [
        ([10], [1], 64, [0]),
        ([10, 10, 10], [1, 1, 1], 64, [0, 1, 2]),
        ([10, 10, 10], [1, 1, 1], 2, [0, 1]),
        # The oldest is run even if it is too large, and then alone.
        ([10, 10], [100, 1], 64, [0]),
        # Requests of other length are left out, and those of like length taken from among them.
        ([0, 1000, 2, 1000, 1], [1, 1, 1, 1, 1], 64, [0, 2, 4]),
        ([1000, 0, 999, 1, 1001], [1, 1, 1, 1, 1], 64, [0, 2, 4]),
        # If not all of like length fit, the nearest do.
        ([50, 80, 60, 45, 20], [1, 1, 1, 1, 1], 3, [0, 2, 3]),
        # 16 + 4 = 20, 16 + 24 = 40. The short one alone: 20 / (5 x 20) = 1/5; both: 60 / (6 x 40) = 1/4.
        ([4, 24], [1, 1], 64, [0, 1]),
        # 16 + 84 = 100: both are 120 / (6 x 100) = 1/5, which is not more; a byte less is.
        ([4, 84], [1, 1], 64, [0]),
        ([4, 83], [1, 1], 64, [0, 1]),
        # Five short ones: 100 / (9 x 20) = 0.56; with one of 40, 140 / (10 x 40) = 0.35.
        ([4, 24], [5, 1], 64, [0]),
        # As the oldest, the long one takes them along: 40 / (5 x 40) = 0.2 is less than 0.35.
        ([24, 4], [1, 5], 64, [0, 1]),
    ],
)
def test_worked_out_by_hand(lengths, rows, max_rows, chosen):
    assert choose(lengths, rows, max_rows) == chosen


requests = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 9)), min_size=1, max_size=40)


def _efficiency(chosen):
    """How much of what a run costs goes to the texts' own lengths, for (length, rows) of each request."""
    cost = (4 + sum(rows for _, rows in chosen)) * (16 + max(length for length, _ in chosen))
    return sum((16 + length) * rows for length, rows in chosen) / cost


@given(requests, st.integers(1, 64))
def test_the_batch_is_the_most_efficient_stretch_with_the_oldest(waiting, max_rows):
    chosen = choose(*zip(*waiting, strict=True), max_rows)
    batch = [waiting[i] for i in chosen]
    assert chosen[0] == 0
    assert len(set(chosen)) == len(chosen)
    assert len(batch) == 1 or sum(rows for _, rows in batch) <= max_rows
    order = sorted(range(len(waiting)), key=lambda i: waiting[i][0])
    stretches = [order[i:j] for i in range(len(order)) for j in range(i + 1, len(order) + 1) if 0 in order[i:j]]
    allowed = [[waiting[i] for i in stretch] for stretch in stretches]
    allowed = [each for each in allowed if len(each) == 1 or sum(rows for _, rows in each) <= max_rows]
    assert _efficiency(batch) == pytest.approx(max(map(_efficiency, allowed)))


@given(requests, st.integers(1, 64))
def test_everything_is_run_once(waiting, max_rows):
    left, run = list(range(len(waiting))), []
    while left:
        chosen = [left[i] for i in choose(*zip(*(waiting[i] for i in left), strict=True), max_rows)]
        run += chosen
        left = [i for i in left if i not in chosen]
    assert sorted(run) == list(range(len(waiting)))
