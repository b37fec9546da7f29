import hashlib

import pytest

from pipeline.job import digests


def test_sentences_are_compared_without_white_space_at_the_ends():
    assert digests.sentence_digest(" a b\t") == digests.sentence_digest("a b") != digests.sentence_digest("a  b")


def test_places_are_the_same_in_every_process():
    salt = (3).to_bytes(16, "big")
    expected = hashlib.blake2b("\u00fc\nx".encode(), digest_size=16, salt=salt).digest()
    assert digests.place("\u00fc", "x", 0, "pair", 3) == digests.place("\u00fc", "x", 0, "none", 3) == expected
    assert digests.place("\u00fc", "x", 0, "pair", 4) != expected != digests.place("\u00fc", "x", 1, "pair", 3)


def test_pairs_that_are_the_same_by_one_side_begin_alike():
    places = {(source, target): digests.place(source, target, 0, "source", 1) for source in "ab" for target in "xy"}
    assert places["a", "x"][:16] == places["a", "y"][:16] != places["b", "x"][:16]
    assert len(set(places.values())) == 4 and {len(place) for place in places.values()} == {32}
    assert digests.place("a", "x", 0, "target", 1)[:16] == digests.place("b", "x", 0, "target", 1)[:16]


@pytest.mark.parametrize("dedup", ["pair", "source", "target", "none"])
def test_where_a_source_of_several_lines_ends_is_told(dedup):
    pairs = [("a b\nc d", "e f"), ("a b", "c d\ne f"), ("", "a b\nc d\ne f"), ("a b\nc d\ne f", "")]
    assert len({digests.place(*pair, 0, dedup, 1) for pair in pairs}) == 4


@pytest.mark.parametrize("dedup", ["source", "target"])
def test_of_a_side_the_pair_of_most_copies_is_the_first_among_all_copies(dedup):
    weights = (0.25, 0.5, 1.0, 2.0, 2.5, 10.0)
    for copy in range(3):
        places = [digests.place("a", "x", copy, dedup, 1, weight) for weight in weights]
        assert places == sorted(places, reverse=True) and len({place[:16] for place in places}) == 1
    # Of equal weights a digest decides, which is the same one for all copies.
    pairs = [("a", "x"), ("a", "y"), ("a", "z")] if dedup == "source" else [("a", "x"), ("b", "x"), ("c", "x")]
    orders = [sorted(pairs, key=lambda pair: digests.place(*pair, copy, dedup, 1, 2.5)) for copy in range(3)]
    assert orders[0] == orders[1] == orders[2]


def test_the_shard_is_the_remainder_of_the_first_eight_bytes():
    assert digests.shard(b"\0" * 6 + b"\1\2" + b"\xff" * 8, 100) == (256 + 2) % 100


def test_shares_are_near_what_was_asked():
    names = [f"sentence {number}" for number in range(10_000)]
    held = sum(digests.held_out(name, 0.1, seed=1) for name in names)
    drawn = sum(digests.in_share(digests.place(name, "", 0, "pair", 1), 0.1) for name in names)
    # Five standard deviations of a binomial count.
    assert abs(held - 1000) < 150 and abs(drawn - 1000) < 150
    assert digests.in_share(b"\xff" * 16, 1) and not digests.in_share(b"\0" * 16, 0)
