import pytest
import tensorflow as tf

from pipeline import records
from pipeline.pieces import train_subwords
from pipeline.protected import mask_pair
from pipeline.reading.direction import lengths, read_pairs
from pipeline.tokenizer import Tokenizer

PAIRS = [([20, 21, 3], [30, 3]), ([3], [31, 32, 33, 3])]


def serialized(pairs):
    return tf.constant([records.serialize(*pair) for pair in pairs])


@pytest.mark.parametrize("protects", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_sides_are_exchanged(reverse, protects):
    sides = [side.to_list() for side in read_pairs(serialized(PAIRS), reverse, protects)]
    expected = [list(side) for side in zip(*PAIRS, strict=True)]
    assert sides == (expected[::-1] if reverse else expected)
    assert lengths(serialized(PAIRS), reverse).numpy().tolist() == [[2, 4], [3, 1]] if reverse else [[3, 1], [2, 4]]


def test_placeholders_are_numbered_in_the_order_of_what_is_read_as_the_source():
    # Placeholders have the ids from 4 on, ten of them.
    pairs = [([4, 20, 5, 6, 3], [6, 30, 4, 5, 3]), ([21, 3], [31, 3]), ([4, 3], [14, 4, 3]), ([4, 5, 3], [5, 4, 3])]
    source, target = (side.to_list() for side in read_pairs(serialized(pairs), reverse=True, protects=True))
    assert source == [[4, 30, 5, 6, 3], [31, 3], [14, 4, 3], [4, 5, 3]]
    assert target == [[5, 20, 6, 4, 3], [21, 3], [4, 3], [5, 4, 3]]
    # Subwords without them have other pieces there.
    source, target = (side.to_list() for side in read_pairs(serialized(pairs), reverse=True, protects=False))
    assert (source, target) == ([pair[1] for pair in pairs], [pair[0] for pair in pairs])


def test_a_reversed_pair_is_what_the_exchanged_pair_gives():
    sides = [
        ("see www.a.org and mail a@b.com or b@c.com, {x}", "{x}: b@c.com, a@b.com, www.a.org"),
        ("no {x} here", "none"),
        ("{x} {x} {y}", "{y} {x} {x}"),
    ]
    tokenizer = Tokenizer(train_subwords([text for pair in sides for text in pair], vocab_size=320, placeholders=True))

    def encoded(pairs):
        return [tokenizer.tokenize(tf.constant(side)).to_list() for side in zip(*pairs, strict=True)]

    forward = zip(*encoded([mask_pair(*pair) for pair in sides]), strict=True)
    source, target = (side.to_list() for side in read_pairs(serialized(forward), reverse=True, protects=True))
    assert [source, target] == encoded([mask_pair(*pair[::-1]) for pair in sides])
