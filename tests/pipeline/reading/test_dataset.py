import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipeline import records
from pipeline.errors import UserError
from pipeline.files import file_sha256
from pipeline.reading.dataset import Survey, batches, in_pieces, pairs, survey
from pipeline.schema import Manifest, Shard, Split, Subwords

PLAN = {"unit": "sentences", "size": 4, "max_source_length": 30, "max_target_length": 40, "shuffle_buffer": 50}
SUBWORDS = Subwords("joint.spm", "", 300)


def make_data(folder: Path, shards: list[list[tuple[list[int], list[int]]]]) -> str:
    listed = []
    for number, shard in enumerate(shards):
        path = folder / f"train-{number}"
        path.write_bytes(b"".join(records.frame(records.serialize(*pair)) for pair in shard))
        listed.append(Shard(path.name, len(shard), file_sha256(path)))
    count = sum(map(len, shards))
    Manifest(SUBWORDS, SUBWORDS, {"train": Split(tuple(listed), count, 0, 0)}, count, {}, {}, {}).write(folder)
    return str(folder)


def some_pairs(count: int) -> list[tuple[list[int], list[int]]]:
    """Pairs of many lengths, each with a first source id of its own."""
    draw = random.Random(1)
    return [
        ([10 + number] + [5] * draw.randint(0, 34) + [3], [6] * draw.randint(0, 44) + [3]) for number in range(count)
    ]


PAIRS = some_pairs(300)
SHORT = [pair for pair in PAIRS if len(pair[0]) <= 30 and len(pair[1]) <= 40]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"), [PAIRS[:120], PAIRS[120:200], PAIRS[200:], []])


def read(data, **settings):
    return [
        (features["source_ids"].tolist(), target.tolist())
        for features, target in batches(data, "train", **PLAN | settings).as_numpy_iterator()
    ]


def unpadded(batch):
    pairs = [tuple([token for token in row if token] for row in pair) for pair in zip(*batch, strict=True)]
    return [pair for pair in pairs if any(pair)]


def key(pair):
    return pair[0][0]


def test_a_batch_to_the_letter(tmp_path):
    data = make_data(tmp_path, [[([5, 6, 3], [7, 3]), ([8, 3], [9, 10, 11, 3])]])
    [(features, target)] = batches(data, "train", **PLAN)
    assert {tensor.dtype for tensor in (*features.values(), target)} == {tf.int32}
    assert features["source_ids"].numpy().tolist() == [[5, 6, 3], [8, 3, 0]]
    assert features["decoder_input_ids"].numpy().tolist() == [[2, 7, 0, 0], [2, 9, 10, 11]]
    assert target.numpy().tolist() == [[7, 3, 0, 0], [9, 10, 11, 3]]


@pytest.mark.parametrize(
    "settings", [{}, {"unit": "tokens", "size": 90}, {"size": 1000}, {"unit": "tokens", "size": 90, "bucket_width": 7}]
)
@pytest.mark.parametrize("seed", [None, 3])
def test_every_epoch_has_each_short_pair_once(data, settings, seed):
    counted = survey(data, "train", **PLAN | settings)
    for epoch in (0, 5):
        read_batches = read(data, seed=seed, first_epoch=epoch, **settings)
        assert sorted((pair for batch in read_batches for pair in unpadded(batch)), key=key) == sorted(SHORT, key=key)
        assert len(read_batches) == counted.batches


def test_pairs_come_as_they_stand_in_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.reading.dataset._PAIRS_AT_ONCE", 7)
    data = make_data(tmp_path, [PAIRS[:10], PAIRS[10:30]])
    assert [(source.tolist(), target.tolist()) for source, target in pairs(data, "train")] == PAIRS[:30]


def test_a_batch_has_its_size(data):
    sizes = Counter(len(source) for source, _ in read(data, seed=1, size=5, shuffle_buffer=1000))
    assert sizes == {5: len(SHORT) // 5, len(SHORT) % 5: 1}
    areas = [
        len(source) * max(len(source[0]), len(target[0]))
        for source, target in read(data, seed=1, unit="tokens", size=120, shuffle_buffer=1000)
    ]
    assert 90 < max(areas) <= 120
    assert {len(source) for source, _ in read(data, unit="tokens", size=1)} == {1}


def test_each_pool_is_sorted_and_its_batches_are_shuffled(data):
    pool = SHORT[:]
    ordered = sorted(pool, key=lambda pair: (len(pair[1]), len(pair[0])))
    expected = [ordered[at : at + 4] for at in range(0, len(ordered), 4)]
    assert [unpadded(batch) for batch in read(data, shuffle_buffer=1000)] == expected

    def lengths(batch):
        return [(len(target), len(source)) for source, target in batch]

    shuffled = [lengths(unpadded(batch)) for batch in read(data, seed=1, shuffle_buffer=1000)]
    assert shuffled != sorted(shuffled) == sorted(map(lengths, expected))


def test_pairs_of_the_same_lengths_meet_others_in_every_epoch(tmp_path):
    data = make_data(tmp_path, [[([10 + number, 3], [3]) for number in range(64)]])
    company = [
        {frozenset(key(pair) for pair in unpadded(batch)) for batch in read(data, seed=1, first_epoch=epoch)}
        for epoch in (0, 1)
    ]
    assert not company[0] & company[1]


def test_a_pool_holds_as_many_pairs_as_the_shuffle_buffer(tmp_path):
    pairs = [([10 + number, 3], [3]) for number in range(20)]
    data = make_data(tmp_path, [pairs[:7], pairs[7:]])
    for epoch in (0, 1):
        numbers = [
            key(pair) for batch in read(data, seed=1, shuffle_buffer=10, first_epoch=epoch) for pair in unpadded(batch)
        ]
        assert set(numbers[:10]) == set(range(10, 20)) and numbers != sorted(numbers)


def test_the_order_is_a_function_of_seed_and_epoch(data):
    whole = read(data, seed=7, epochs=4)
    tf.random.set_seed(99)
    count = len(whole) // 4
    assert read(data, seed=7, first_epoch=2, epochs=2) == whole[2 * count :]
    epochs = [whole[count * number : count * (number + 1)] for number in range(4)]
    assert len({str(epoch) for epoch in epochs}) == 4
    assert read(data, seed=8) != epochs[0]


def test_one_shuffled_block_spreads_its_pairs(tmp_path):
    data = make_data(tmp_path, [[([10 + number, 3], [3]) for number in range(1000)]])
    order = [key(pair) for batch in read(data, seed=1, shuffle_buffer=1000) for pair in unpadded(batch)]
    # Of a random permutation the rank correlation with the order of the file is about 0 +- 0.032.
    assert abs(np.corrcoef(order, np.arange(1000))[0, 1]) < 0.15


def test_a_missing_shard_is_named(tmp_path):
    data = make_data(tmp_path, [PAIRS[:5], PAIRS[5:9]])
    (tmp_path / "train-1").unlink()
    with pytest.raises(UserError, match=r"--data: expected the shard '.*train-1', which manifest\.json lists"):
        batches(data, "train", **PLAN)


@pytest.mark.parametrize(
    "damage", [lambda old: old[:-1], lambda old: old + b"\0", lambda old: old[:20] + b"\xff" + old[21:]]
)
def test_a_damaged_shard_is_named_even_when_it_was_whole_before(tmp_path, damage):
    data = make_data(tmp_path, [PAIRS[:5], PAIRS[5:9]])
    assert read(data)
    path = tmp_path / "train-1"
    path.write_bytes(damage(path.read_bytes()))
    for function in (batches, survey):
        with pytest.raises(UserError, match=r"--data: expected the shard '.*train-1' as manifest\.json describes it"):
            function(data, "train", **PLAN)


def test_only_the_listed_shards_are_read(tmp_path):
    data = make_data(tmp_path, [PAIRS[:5]])
    (tmp_path / "train-1").write_bytes(records.frame(records.serialize([9, 3], [3])))
    assert sorted((pair for batch in read(data) for pair in unpadded(batch)), key=key) == [
        pair for pair in PAIRS[:5] if pair in SHORT
    ]


def test_an_unknown_split_is_named(data):
    with pytest.raises(UserError, match=r"--data: expected a data set with 'valid', received .* with \['train'\]"):
        batches(data, "valid", **PLAN)


def test_limits_that_leave_nothing_are_named(data):
    with pytest.raises(UserError, match=r"batching\.max_source_length.*received 1 and 40, which leave none; raise"):
        survey(data, "train", **PLAN | {"max_source_length": 1})


def test_what_a_survey_tells(data):
    shapes = [np.shape(source) + np.shape(target)[1:] for source, target in read(data, seed=1)]
    assert survey(data, "train", **PLAN) == Survey(len(shapes), max(shapes, key=np.prod))


@pytest.mark.parametrize(
    ("settings", "rows"),
    [({"unit": "tokens", "size": 90}, {10: 9, 20: 4, 30: 3, 40: 2}), ({"size": 6}, dict.fromkeys((10, 20, 30, 40), 6))],
    ids=["tokens", "sentences"],
)
def test_buckets_have_few_shapes_and_full_batches(data, settings, rows):
    read_batches = read(data, seed=1, bucket_width=10, **settings)
    shapes = {np.shape(source) for source, _ in read_batches}
    assert shapes == {(count, length) for length, count in rows.items()}
    assert shapes == {np.shape(target) for _, target in read_batches}
    for batch in read_batches:
        longest = [max(map(len, pair)) for pair in unpadded(batch)]
        length = len(batch[0][0])
        assert all(length - 10 < each <= length for each in longest)
    largest = survey(data, "train", **PLAN | settings, bucket_width=10).largest
    assert largest == (rows[40], 40, 40)


def test_pieces_of_a_batch(tmp_path):
    data = make_data(tmp_path, [[([5, 6, 3], [7, 3]), ([8, 3], [9, 3]), ([4, 3], [4, 3])]])
    pieces = [
        (inputs["source_ids"].tolist(), inputs["decoder_input_ids"].tolist(), target.tolist())
        for inputs, target in in_pieces(batches(data, "train", **PLAN), 2).as_numpy_iterator()
    ]
    assert pieces == [
        ([[8, 3, 0], [4, 3, 0]], [[2, 9], [2, 4]], [[9, 3], [4, 3]]),
        ([[5, 6, 3], [0, 0, 0]], [[2, 7], [0, 0]], [[7, 3], [0, 0]]),
    ]
    [(whole, _)] = in_pieces(batches(data, "train", **PLAN), 1, rows=5).as_numpy_iterator()
    assert whole["source_ids"].shape == (5, 3)
