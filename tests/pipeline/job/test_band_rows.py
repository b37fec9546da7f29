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


def member(band, rank, bits, place=None):
    """A member whose place is its rank, with the first bytes of its sketch."""
    words = [0, rank], [0, rank if place is None else place]
    return (band, words[0], 0, words[1], [*bits, *[0] * (SKETCH_BYTES - len(bits))])


def test_places_are_numbers_in_the_order_of_their_bytes():
    places = [bytes([0, 0, 0, 0, 0, 0, 1, 0] + [0] * 7 + [2]), b"\xff" * 16]
    words = band_rows.to_words(places, 16)
    assert words.tolist() == [[256, 2], [2**64 - 1, 2**64 - 1]]
    assert [band_rows.to_place(row.astype("<u8")) for row in words] == places
    assert band_rows.to_words([b"\x00" * 23 + b"\x07"], 24).tolist() == [[0, 0, 7]]


def test_what_a_pair_weighs_in_the_shuffle():
    # As docs/preprocessing.md tells it.
    assert (banding(0.8).bands, BAND.itemsize, band_rows.sketch_type(16).itemsize) == (13, 8, 52)


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
    sketches = rows(
        band_rows.sketch_type(16), *((name, [0, place], bits) for name, place in ((1, 10), (2, 20), (2, 21), (3, 30)))
    )
    # The second of two equal ones, and a copy of the pair 10.
    copies = rows(band_rows.copy_type(16), ([0, 10], 1, [0, 5], bits), ([0, 10], 1, [0, 5], bits))
    shared = rows(SHARED, (77, 1), (77, 2), (88, 2))
    members = band_rows.meet(shared, np.append(sketches, sketches[:1]), copies)
    assert sorted(
        (int(row["band"]), int(row["rank"][1]), int(row["place"][1]), row["bits"].tolist() == bits) for row in members
    ) == [
        (77, 10, 5, True),
        (77, 10, 10, True),
        (77, 20, 20, True),
        (77, 21, 21, True),
        (88, 20, 20, True),
        (88, 21, 21, True),
    ]
    assert not len(band_rows.meet(shared[:0], sketches, copies))
    assert not len(band_rows.meet(shared, sketches[:0], copies[:0]))


@pytest.fixture
def likeness():
    def compare(*members):
        found, best = band_rows.likeness(rows(band_rows.member_type(16), *members))
        return {(int(row["band"]), int(row["place"][1])): value for row, value in zip(found, best, strict=True)}

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
