import itertools

import numpy as np
import pytest

from pipeline.reading.batching import divide

LIMITS = {"max_source_length": 9, "max_target_length": 9}


def divided(source, target, **settings):
    batches = divide(np.array(source), np.array(target), **LIMITS | settings)
    return [batch.pairs.tolist() for batch in batches]


def test_pairs_are_sorted_by_target_then_source_then_place():
    source, target = [3, 1, 2, 1, 3], [2, 2, 1, 2, 2]
    assert divided(source, target, unit="sentences", size=2) == [[2, 1], [3, 0], [4]]


def test_tokens_count_the_padding_of_the_longer_side():
    # Sorted: (source, target) = (1, 1), (5, 1), (1, 2), (1, 3), (1, 9).
    source, target = [1, 1, 5, 1, 1], [9, 1, 1, 3, 2]
    assert divided(source, target, unit="tokens", size=10) == [[1, 2], [4, 3], [0]]
    assert divided(source, target, unit="tokens", size=9) == [[1], [2], [4, 3], [0]]
    assert divided(source, target, unit="tokens", size=1) == [[1], [2], [4], [3], [0]]


@pytest.mark.parametrize("unit", ["sentences", "tokens"])
def test_long_pairs_are_left_out(unit):
    assert divided([10, 9, 1], [1, 9, 10], unit=unit, size=50) == [[1]]
    assert divided([10], [1], unit=unit, size=50) == []


@pytest.mark.parametrize(("unit", "size"), [("sentences", 7), ("tokens", 40)])
def test_chance_decides_the_company_and_the_order_alone(unit, size):
    draw = np.random.default_rng(0)
    source, target = draw.integers(1, 10, 500), draw.integers(1, 10, 500)

    def run(seed):
        return divided(source, target, unit=unit, size=size, random=np.random.default_rng(seed))

    def shapes(batches):
        return [sorted(zip(target[batch], source[batch], strict=True)) for batch in batches]

    assert run(1) == run(1) != run(2)
    assert sorted(np.concatenate(run(1))) == list(range(500))
    by_length = shapes(divided(source, target, unit=unit, size=size))
    assert [*itertools.chain(*by_length)] == sorted(zip(target, source, strict=True))
    assert sorted(by_length) == sorted(shapes(run(1))) and by_length != shapes(run(1))
    assert set(map(frozenset, run(1))) != set(map(frozenset, run(2)))


def test_buckets_are_cut_by_their_rows():
    # Lengths 1 to 4 are of the first bucket, 5 to 8 of the second.
    source, target = [1, 6, 4, 2, 3, 9], [4, 1, 1, 2, 8, 1]
    assert divided(source, target, unit="sentences", size=2, bucket_width=4) == [[0, 2], [3], [1, 4], [5]]
    assert divided(source, target, unit="tokens", size=11, bucket_width=4) == [[0, 2], [3], [1], [4], [5]]


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"unit": "tokens", "size": 99}, (3, 5, 6)),
        ({"unit": "tokens", "size": 99, "bucket_width": 8}, (12, 8, 8)),
        ({"unit": "tokens", "size": 7, "bucket_width": 8}, (1, 8, 8)),
        ({"unit": "sentences", "size": 4, "bucket_width": 6}, (4, 6, 6)),
    ],
    ids=str,
)
def test_the_shape_of_a_batch(settings, shape):
    batches = divide(np.array([3, 2, 5]), np.array([1, 6, 4]), **LIMITS | settings)
    assert {batch.shape for batch in batches} == {shape}
