import hashlib
import math

import numpy as np
import pytest

from pipeline.job.minhash import HASHES, RECALL, SKETCH_BYTES, Banding, banding, normalized, similarity, sketch

PAIR = ("Ein Hund läuft über die Wiese.", "A dog runs across the meadow.")
SHAPE = banding(0.8)


def sketched(*pairs, ngram=4, shape=SHAPE):
    return sketch(*zip(*pairs, strict=True), ngram, shape)


def likeness(pair, other, ngram=4):
    bits = sketched(pair, other, ngram=ngram).bits
    return similarity(bits[:1], bits[1:])[0]


@pytest.fixture(scope="module")
def cases(similar_pairs):
    return similar_pairs(1500, 1)


@pytest.fixture(scope="module")
def exact(cases, jaccard):
    return np.array([jaccard(*case, 4) for case in cases])


def test_recall_is_the_chance_that_some_band_is_equal_in_all_rows():
    # 0.5^2 = 0.25 for one band, 1 - 0.75^3 for three.
    assert Banding(bands=3, rows=2).recall(0.5) == pytest.approx(1 - 27 / 64)
    assert Banding(bands=1, rows=1).recall(0.3) == pytest.approx(0.3)


@pytest.mark.parametrize(("threshold", "bands", "rows"), [(0.5, 23, 3), (0.7, 17, 5), (0.8, 13, 7), (0.9, 10, 12)])
def test_banding_has_the_most_rows_that_find_what_reaches_the_threshold(threshold, bands, rows):
    assert banding(threshold) == (bands, rows)
    assert bands * rows <= HASHES
    assert Banding(bands, rows).recall(threshold) >= RECALL > Banding(bands - 1, rows).recall(threshold)
    more = rows + 1
    assert Banding(HASHES // more, more).recall(threshold) < RECALL


def test_case_and_spaces_are_no_difference():
    assert normalized(" Die  STRASSE\tist\u00a0lang ") == normalized("die straße ist lang") == "die strasse ist lang"
    assert likeness(PAIR, (f" {PAIR[0].upper()}", PAIR[1].replace(" ", "  "))) == 1


def test_sides_are_two_things():
    source, target = PAIR
    assert likeness((source, source), (target, target)) < 0.25
    assert likeness((source, target), (target, source)) < 0.25
    # Half of the n-grams of each, so a third of those of both.
    assert likeness((source, "0123456789" * 3), (source, "abcdefghij" * 3)) == pytest.approx(0.68, abs=0.15)


def test_texts_shorter_than_an_ngram_have_ngrams():
    assert likeness(("a", "b"), ("a", "b")) == 1
    assert likeness(("a", "b"), ("c", "d")) < 0.25
    assert likeness(("", ""), ("", "")) == 1
    assert likeness(("日", "日"), ("日", "月"), ngram=2) == pytest.approx(1 / 3, abs=0.2)


def test_characters_of_every_plane_count():
    assert likeness(("😀😀😀😀", "x"), ("😁😁😁😁", "x")) < 0.6
    assert likeness(("ab\0cd", "x"), ("ab\0cd", "x")) == 1


def test_estimate_is_near_the_exact_similarity(cases, exact):
    assert np.histogram(exact, [0.3, 0.5, 0.7, 0.9, 1.01])[0].min() > 50
    pairs, others = zip(*cases, strict=True)
    errors = similarity(sketched(*pairs).bits, sketched(*others).bits) - exact
    # Two bits are equal where the least values are, and else by chance of a quarter.
    equal = 0.25 + 0.75 * exact
    expected = np.sqrt(equal * (1 - equal) / HASHES) / 0.75
    assert abs(errors.mean()) < 0.01
    assert math.sqrt((errors**2).mean()) == pytest.approx(math.sqrt((expected**2).mean()), rel=0.1)
    assert np.abs(errors).max() < 0.25


@pytest.mark.parametrize("ngram", [2, 3, 6])
def test_the_length_of_an_ngram_decides_what_is_alike(ngram, cases, jaccard):
    few = cases[:200]
    exact = np.array([jaccard(*case, ngram) for case in few])
    pairs, others = zip(*few, strict=True)
    errors = similarity(sketched(*pairs, ngram=ngram).bits, sketched(*others, ngram=ngram).bits) - exact
    # The standard error is 0.06 at most; lengths one apart differ by 0.05 in the mean.
    assert abs(errors.mean()) < 0.015


@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.9])
def test_bands_meet_as_often_as_they_should(threshold, cases, exact):
    shape = banding(threshold)
    pairs, others = zip(*cases, strict=True)
    meet = (sketched(*pairs, shape=shape).bands == sketched(*others, shape=shape).bands).any(axis=1)
    for low in np.arange(0.3, 1, 0.1):
        within = (exact >= low) & (exact < low + 0.1)
        # Three standard errors of a share.
        assert meet[within].mean() == pytest.approx(shape.recall(exact[within]).mean(), abs=1.5 / within.sum() ** 0.5)
    assert meet[exact >= threshold].mean() > RECALL


def test_bands_of_equal_values_differ():
    one = sketched(("a", "b"), shape=Banding(64, 2)).bands[0]
    assert len(set(one.tolist())) == 64


@pytest.mark.parametrize("size", [1, 7, 4000])
def test_blocks_decide_nothing(size, similar_pairs):
    # About 600,000 n-grams, several times what is hashed at once.
    pairs = [pair for case in similar_pairs(2000, 3) for pair in case]
    whole = sketched(*pairs)
    assert whole.bands.shape == (4000, SHAPE.bands) and whole.bits.shape == (4000, SKETCH_BYTES)
    count = min(len(pairs), 50 * size)
    for start in range(0, count, size):
        part = sketched(*pairs[start : start + size])
        np.testing.assert_array_equal(part.bands, whole.bands[start : start + size])
        np.testing.assert_array_equal(part.bits, whole.bits[start : start + size])


def test_an_empty_block_has_no_sketches():
    bands, bits = sketch([], [], 4, SHAPE)
    assert bands.shape == (0, SHAPE.bands) and bits.shape == (0, SKETCH_BYTES)
    assert similarity(bits, bits).shape == (0,)


def test_a_long_sentence_does_not_hinder_its_neighbours():
    long = ("x y z " * 50_000, "a b c " * 50_000)
    together = sketched(PAIR, long, PAIR)
    alone = sketched(PAIR)
    np.testing.assert_array_equal(together.bits[[0, 2]], alone.bits[[0, 0]])
    np.testing.assert_array_equal(together.bits[1:2], sketched(long).bits)


def test_the_same_text_has_the_same_sketch_everywhere():
    bands, bits = sketched(PAIR)
    found = hashlib.sha256(bands.astype("<u8").tobytes() + bits.tobytes()).hexdigest()
    assert found == "cc03fb136a7bb8230293d5adf1fc20de632ea71c035f74fb7d50b2ecb507f3f8"


def test_similarity_counts_equal_twos_of_bits():
    some = np.zeros((3, SKETCH_BYTES), np.uint8)
    others = some.copy()
    # One, two and four of the 128 differ, by either bit or both.
    others[0, 0] = 0b00000010
    others[1, 5] = 0b01_00_00_11
    others[2, 31] = 0b10_11_01_10
    differing = np.array([1, 2, 4])
    np.testing.assert_allclose(similarity(some, others), (1 - differing / 128 - 0.25) / 0.75)
    assert similarity(some, ~some).tolist() == [0, 0, 0]
