"""How a data set with subwords is read: in either direction, with other pieces in every epoch."""

import random
from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf

from pipeline import records
from pipeline.files import file_sha256
from pipeline.pieces import train_subwords
from pipeline.reading.dataset import batches, pairs, survey
from pipeline.reading.features import Features
from pipeline.schema import Manifest, Shard, Split, Subwords
from pipeline.tokenizer import Tokenizer

WORDS = {"house": "Haus", "tree": "Baum", "window": "Fenster", "neighbour": "Nachbar", "morning": "Vormittag"}
PLAN = {"unit": "sentences", "size": 8, "max_source_length": 40, "max_target_length": 40, "shuffle_buffer": 60}
DRAWN = {**PLAN, "subword_regularization": 0.2, "seed": 5}


@pytest.fixture(scope="module")
def texts():
    """Each pair of texts is another one."""
    draw = random.Random(2)
    chosen = [[draw.choice(list(WORDS)) for _ in range(draw.randint(1, 6))] for _ in range(100)]
    sides = [
        (f"{number} {' '.join(words)}.", f"{' '.join(WORDS[word] for word in words)}, {number}")
        for number, words in enumerate(chosen)
    ]
    return sides


@pytest.fixture(scope="module")
def data(texts, tmp_path_factory):
    """The source has a vocabulary of BPE, the target one of a unigram model."""
    folder, subwords, sides = tmp_path_factory.mktemp("data"), [], []
    for name, model_type, lines in zip(("source", "target"), ("bpe", "unigram"), zip(*texts, strict=True), strict=True):
        model = train_subwords(lines, vocab_size=360, model_type=model_type)
        (folder / f"{name}.spm").write_bytes(model)
        tokenizer = Tokenizer(model)
        subwords.append(Subwords(f"{name}.spm", tokenizer.fingerprint, tokenizer.vocab_size))
        sides.append(tokenizer.tokenize(tf.constant(lines)).to_list())
    path = folder / "train"
    path.write_bytes(b"".join(records.frame(records.serialize(*pair)) for pair in zip(*sides, strict=True)))
    split = Split((Shard("train", 100, file_sha256(path)),), 100, 7, 8)
    Manifest(*subwords, {"train": split}, 100, {}, {}, {}).write(folder)
    return folder


def read(data, **settings):
    """The batches: ids of source and target, padded."""
    return [
        (inputs["source_ids"].tolist(), target.tolist())
        for inputs, target in batches(data, "train", **settings).as_numpy_iterator()
    ]


def spelt(data, read_batches, reverse=False):
    """The texts of batches, sorted."""
    names = ("target", "source") if reverse else ("source", "target")
    tokenizers = [Tokenizer.read(data / f"{name}.spm") for name in names]
    rows = [pair for batch in read_batches for pair in zip(*batch, strict=True) if any(pair[0])]
    sides = [
        tokenizer.detokenize(tf.ragged.constant(ids, dtype=tf.int32)).numpy().tolist()
        for tokenizer, ids in zip(tokenizers, zip(*rows, strict=True), strict=True)
    ]
    return sorted((source.decode(), target.decode()) for source, target in zip(*sides, strict=True))


def count(ids):
    return sum(token != 0 for row in ids for token in row)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("bucket_width", [0, 8])
def test_every_epoch_has_each_text_once_in_as_many_batches(data, texts, reverse, bucket_width):
    expected = sorted(pair[::-1] if reverse else pair for pair in texts)
    settings = {"bucket_width": bucket_width, "reverse": reverse}
    counted = survey(data, "train", **PLAN, **settings).batches
    for epoch in (0, 3):
        drawn = read(data, **DRAWN, **settings, first_epoch=epoch)
        assert spelt(data, drawn, reverse) == expected
        assert len(drawn) == counted
        for source, target in drawn:
            lengths = {len(row) for row in source}, {len(row) for row in target}
            assert all(len(each) == 1 and max(each) <= 40 for each in lengths)
            if bucket_width:
                assert lengths[0] == lengths[1] and max(lengths[0]) % bucket_width == 0


def test_pieces_and_order_are_a_function_of_seed_and_epoch_from_any_batch_on(data):
    whole = read(data, **DRAWN, epochs=3)
    a_third = len(whole) // 3
    tf.random.set_seed(1)
    assert read(data, **DRAWN, first_epoch=1, epochs=2) == whole[a_third:]
    assert read(data, **DRAWN, first_epoch=1, first_batch=5, epochs=2) == whole[a_third + 5 :]
    assert read(data, **{**DRAWN, "seed": 6}) != whole[:a_third]


def pieces(data, read_batches):
    """The source ids of each sentence."""
    rows = [[token for token in row if token] for source, _ in read_batches for row in source]
    texts = Tokenizer.read(data / "source.spm").detokenize(tf.ragged.constant(rows, dtype=tf.int32)).numpy().tolist()
    return dict(zip(texts, rows, strict=True))


def test_pieces_differ_from_epoch_to_epoch_and_from_those_of_the_data_set(data):
    drawn = read(data, **DRAWN, epochs=2)
    half = len(drawn) // 2
    # Without a seed, nothing is drawn.
    own, *epochs = (pieces(data, each) for each in (read(data, **{**DRAWN, "seed": None}), drawn[:half], drawn[half:]))
    assert sorted(own.values()) == sorted(source.tolist() for source, _ in pairs(data, "train"))
    for one, other in pairwise([own, *epochs, own]):
        assert np.mean([one[text] != other[text] for text in own]) > 0.4


@pytest.mark.parametrize(("sides", "drawn"), [("source", 0), ("target", 1)])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_sides_that_are_drawn(data, sides, drawn, reverse):
    own = read(data, **PLAN, seed=5, reverse=reverse)
    found = read(data, **DRAWN, regularized_sides=sides, reverse=reverse)
    for number in (0, 1):
        one, other = ([batch[number] for batch in each] for each in (own, found))
        assert (one != other) == (number == drawn)


@pytest.mark.parametrize(
    "settings", [{"bucket_width": 8}, {"unit": "tokens", "size": 200}, {"max_source_length": 20}], ids=str
)
def test_a_survey_knows_how_large_a_batch_may_grow(data, settings):
    plan = {**PLAN, **settings, "subword_regularization": 0.4}
    found = read(data, **plan, seed=5)
    shapes = [(len(source), len(source[0]), len(target[0])) for source, target in found]
    assert max(map(np.prod, shapes)) <= np.prod(survey(data, "train", **plan).largest)
    assert max(count([row]) for source, _ in found for row in source) <= plan["max_source_length"]


def test_the_largest_shape_by_hand(data):
    settings = {"limits": (30, 25), "reverse": False, "strength": 0.1}
    make = lambda **others: Features(data, **{"bucket_width": 0, "sides": "both", **settings, **others})  # noqa: E731
    assert make().largest((4, 10, 20)) == (4, 20, 25)
    assert make(sides="source").largest((4, 10, 20)) == (4, 20, 20)
    assert make(strength=0.0).largest((4, 10, 20)) == (4, 10, 20)
    assert make(bucket_width=8).largest((4, 8, 8)) == (4, 16, 16)
    assert make(bucket_width=8).largest((4, 24, 24)) == (4, 32, 32)


def test_reversed_pairs_come_as_they_stand_in_the_files(data):
    forward = [(source.tolist(), target.tolist()) for source, target in pairs(data, "train")]
    backward = [(source.tolist(), target.tolist()) for source, target in pairs(data, "train", reverse=True)]
    assert backward == [pair[::-1] for pair in forward]
