import itertools

import numpy as np
import pytest

from pipeline.job import band_rows
from pipeline.job.band_rows import BAND, COMPARED, SHARED
from pipeline.job.minhash import SKETCH_BYTES, banding


def rows(dtype, *values):
    found = np.zeros(len(values), dtype)
    for row, value in zip(found, values, strict=True):
        for field, part in zip(dtype.names, value, strict=True):
            row[field] = part
    return found


def member(band, rank, bits, place=None, origin=0):
    """A member whose place is its rank, with the first bytes of its sketch."""
    words = [0, rank], [0, rank if place is None else place]
    return (band, words[0], 0, words[1], origin, [*bits, *[0] * (SKETCH_BYTES - len(bits))])


def test_places_are_numbers_in_the_order_of_their_bytes():
    places = [bytes([0, 0, 0, 0, 0, 0, 1, 0] + [0] * 7 + [2]), b"\xff" * 16]
    words = band_rows.to_words(places, 16)
    assert words.tolist() == [[256, 2], [2**64 - 1, 2**64 - 1]]
    assert band_rows.to_places(words.astype("<u8")) == places and band_rows.to_places(words[:0]) == []
    assert band_rows.to_words([b"\x00" * 23 + b"\x07"], 24).tolist() == [[0, 0, 7]]


def test_origins_are_in_the_order_of_inputs_and_lines():
    places = [(0, 0), (0, 2**40 - 1), (1, 0), (7, 3_000_000_000), (2**24 - 1, 5)]
    origins = band_rows.to_origins(*zip(*places, strict=True))
    assert origins.tolist() == sorted(set(origins.tolist())) and origins.dtype == np.uint64
    assert band_rows.to_inputs_and_lines(origins) == places


def test_what_a_pair_weighs_in_the_shuffle():
    # As docs/preprocessing.md tells it.
    assert (banding(0.8).bands, BAND.itemsize, band_rows.sketch_type(16).itemsize) == (13, 8, 60)


def test_rows_are_divided_by_remainders():
    bands = rows(BAND, (5, 1), (7, 2), (8, 3), (2, 4))
    parts = {
        partition: band_rows.from_blocks([part], BAND)["name"].tolist()
        for partition, part in band_rows.divide(bands, bands["band"], 3)
    }
    assert parts == {1: [2], 2: [1, 3, 4]}
    assert list(band_rows.divide(bands[:0], bands["band"][:0], 3)) == []


def test_bands_of_one_name_are_not_shared():
    bands = rows(BAND, (9, 1), (3, 2), (9, 5), (3, 2), (4, 7), (9, 1), (2**32 - 1, 2**32 - 1), (2**32 - 1, 0))
    found = band_rows.shared(bands, partition=6)
    assert found.tolist() == [
        *((6 * 2**32 + 9, name) for name in (1, 5)),
        *((7 * 2**32 - 1, name) for name in (0, 2**32 - 1)),
    ]
    assert band_rows.shared(bands[:0], 1).dtype == SHARED and not len(band_rows.shared(bands[:0], 1))


def test_sketches_go_to_the_bands_of_their_names():
    bits = [*range(SKETCH_BYTES)]
    # The last is the first's text once more, read before it.
    places = ((1, 10, 6), (2, 20, 7), (2, 21, 8), (3, 30, 9), (1, 10, 4))
    sketches = rows(band_rows.sketch_type(16), *((name, [0, place], origin, bits) for name, place, origin in places))
    # Of the pair 10 a copy, of two lines.
    copies = rows(band_rows.copy_type(16), *(([0, 10], 1, [0, 5], origin, bits) for origin in (6, 4)))
    shared = rows(SHARED, (77, 1), (77, 2), (88, 2))
    for order in (slice(None), slice(None, None, -1)):
        members = band_rows.meet(shared, sketches[order], copies[order])
        assert all(row["bits"].tolist() == bits for row in members)
        assert sorted(
            (*(int(row[field]) for field in ("band", "origin")), *(int(row[field][1]) for field in ("rank", "place")))
            for row in members
        ) == [
            (77, 4, 10, 5),
            (77, 4, 10, 10),
            (77, 7, 20, 20),
            (77, 8, 21, 21),
            (88, 7, 20, 20),
            (88, 8, 21, 21),
        ]
    assert not len(band_rows.meet(shared[:0], sketches, copies))
    assert not len(band_rows.meet(shared, sketches[:0], copies[:0]))


@pytest.fixture
def likeness():
    def compare(*members):
        found, best, _ = band_rows.likeness(rows(band_rows.member_type(16), *members))
        return {(int(row["band"]), int(row["place"][1])): value for row, value in zip(found, best, strict=True)}

    return compare


@pytest.fixture
def like():
    """The rank and the origin of what each member, by band and place, is most like."""

    def compare(*members):
        found, best, other = band_rows.likeness(rows(band_rows.member_type(16), *members))
        return {
            (int(row["band"]), int(row["place"][1])): (int(found["rank"][number][1]), int(found["origin"][number]))
            for row, value, number in zip(found, best, other, strict=True)
            if value >= 0
        }

    return compare


def test_a_member_is_compared_with_those_of_smaller_rank(likeness):
    # One of 128 values differs where one byte has another pair of bits: (127 / 128 - 1 / 4) / (3 / 4).
    one, three = (pytest.approx((1 - count / 128 - 0.25) / 0.75) for count in (1, 3))
    found = likeness(member(1, 8, [0b11]), member(1, 5, [0]), member(1, 9, [0b111111, 0]), member(2, 3, [0b11]))
    assert found == {(1, 5): -1, (1, 8): one, (1, 9): pytest.approx((1 - 2 / 128 - 0.25) / 0.75), (2, 3): -1}
    # The most alike counts, not the nearest in rank.
    assert likeness(member(1, 1, [1]), member(1, 2, [0, 0b010101]), member(1, 3, [0]))[1, 3] == one
    assert likeness(member(1, 1, [0b010101]), member(1, 2, [0]))[1, 2] == three
    assert likeness() == {}


def test_copies_are_not_compared_with_each_other(likeness):
    found = likeness(member(1, 4, [0], place=9), member(1, 4, [0], place=4), member(1, 6, [0], place=2))
    assert found == {(1, 4): -1, (1, 9): -1, (1, 2): 1}


def test_the_most_alike_of_smallest_rank_is_told(like):
    # The third has one value unlike the second, three unlike the first; the fourth is the second.
    members = [
        member(1, 3, [0b111111], origin=50),
        member(1, 5, [0], origin=40),
        member(1, 7, [0b11], origin=30),
        member(1, 9, [0], origin=20),
        # As much like the fourth.
        member(1, 11, [0], origin=10),
        # Nothing stands before it in its band.
        member(2, 7, [0b11], origin=30),
    ]
    expected = {(1, 5): (3, 50), (1, 7): (5, 40), (1, 9): (5, 40), (1, 11): (5, 40)}
    assert like(*members) == like(*members[::-1]) == expected


def test_of_the_copies_of_the_most_alike_the_smallest_origin_is_told(like):
    copies = [member(1, 4, [0], place, origin) for place, origin in ((4, 12), (9, 10), (2, 11))]
    for order in itertools.permutations([*copies, member(1, 6, [0], origin=5)]):
        assert like(*order) == {(1, 6): (4, 10)}


def test_in_a_large_band_those_of_smallest_rank_are_compared(likeness):
    unlike = [0b01010101] * 24
    members = [member(1, rank, [0]) for rank in range(COMPARED - 1)] + [
        member(1, COMPARED - 1, unlike),
        member(1, COMPARED, [0b10101010] * 28),
        member(1, COMPARED + 1, unlike),
        member(1, COMPARED + 2, [0b10101010] * 28),
    ]
    found = likeness(*members)
    # Its like is the last that counts; the like of the next is one too far.
    assert found[1, COMPARED + 1] == 1
    assert found[1, COMPARED + 2] < 0.5
