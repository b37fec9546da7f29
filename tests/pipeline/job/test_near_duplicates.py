import itertools
import pickle
import random

import apache_beam as beam
import numpy as np
import pytest

from pipeline.config import PreprocessConfig
from pipeline.corpora import readers
from pipeline.corpora.corpus import aligned
from pipeline.corpora.inputs import inputs
from pipeline.corpora.intake import take_in
from pipeline.corpora.readers import BLOCK_BYTES
from pipeline.job import digests, graph
from pipeline.job.assignment import PAIRS, REJECTED
from pipeline.job.band_rows import COMPARED
from pipeline.job.blocks import pack, unpack
from pipeline.job.minhash import banding, similarity, sketch
from pipeline.job.near_duplicates import NearDuplicates
from pipeline.job.survivors import most_alike
from pipeline.job.text_shards import read_rows, read_text_shard, shard_names
from pipeline.job.transforms import NEAR
from pipeline.schema import TRAIN, VALID

# Each is like the next one (0.82 and 0.78), the first is not like the last (0.63).
CHAIN = [
    ("the old man sits on a bench in the park and reads his newspaper", "der alte Mann sitzt auf einer Bank im Park"),
    ("the old man sits on a bench in the park and reads his letters", "der alte Mann sitzt auf einer Bank im Park"),
    ("the old man sits on a bench in the yard and reads his letters", "der alte Mann sitzt auf einer Bank im Hof"),
]


def settings(**changes):
    fields = {"source": ("s",), "target": ("t",), "output": "o", "near_duplicates": 0.8}
    return PreprocessConfig(**fields | changes)


def place(pair, config, copy=0):
    return digests.place(*pair, copy, config.dedup, config.seed)


def rows_of(pairs, config, copies=1):
    return [
        (place(pair, config, copy), 0, line, *pair, copy) for line, pair in enumerate(pairs) for copy in range(copies)
    ]


def elements_of(rows, shards, block=100):
    """Blocks of rows, each of one shard."""
    found = []
    for start in range(0, len(rows), block):
        by_shard = {}
        for row in rows[start : start + block]:
            by_shard.setdefault(digests.shard(row[0], shards), []).append(row)
        found += [((TRAIN, shard), (PAIRS, pack(group))) for shard, group in by_shard.items()]
    return found


@pytest.fixture
def dropped(tmp_path):
    """Runs the job's steps on elements; gives of each place that is dropped the similarity, and file and line of what
    it is like."""

    def run(elements, config, shards=1):
        path = tmp_path / "found.pickle"

        def write(found):
            path.write_bytes(pickle.dumps(found))

        with beam.Pipeline("FnApiRunner") as root:
            found = root | beam.Create(elements) | NearDuplicates(config, shards)
            _ = found | beam.combiners.ToList() | beam.Map(write)
        rows = {}
        for (split, shard), (tag, block) in pickle.loads(path.read_bytes()):
            assert (split, tag) == (TRAIN, NEAR)
            for row in unpack(block):
                assert digests.shard(row[0], shards) == shard
                rows.setdefault(row[0], []).append(row)
        return {name: most_alike(*own)[1::2] for name, own in rows.items()}

    return run


def by_definition(pairs, config):
    """Each pair with each one of smaller place, without any grouping: similarities and most alike pairs by place."""
    pairs = sorted(set(pairs), key=lambda pair: place(pair, config))
    shape = banding(config.near_duplicates)
    bands, bits = sketch(*zip(*pairs, strict=True), config.near_ngram, shape)
    found = {}
    for later in range(1, len(pairs)):
        meets = (bands[:later] == bands[later]).any(axis=1)
        likeness = similarity(bits[:later], np.broadcast_to(bits[later], bits[:later].shape))
        # Of equal ones the first.
        best = np.argmax(np.where(meets, likeness, -1))
        if meets[best] and likeness[best] >= config.near_duplicates:
            found[place(pairs[later], config)] = round(float(likeness[best]), 3), pairs[best]
    return found


@pytest.mark.parametrize(
    ("changes", "shards", "block"),
    [
        ({}, 1, 1000),
        ({}, 5, 37),
        ({"near_duplicates": 0.6, "near_ngram": 3, "seed": 9, "dedup": "none"}, 2, 100),
        ({"dedup": "source"}, 3, 100),
    ],
)
def test_what_the_rule_says_is_dropped(changes, shards, block, dropped, similar_pairs):
    config = settings(**changes)
    pairs = [pair for case in similar_pairs(300, 4) for pair in case]
    expected = by_definition(pairs, config)
    assert 50 < len(expected) < 250
    # Equal pairs are none, as they are told by their places.
    given = [*pairs, *pairs[:50]]
    rows = rows_of(given, config)
    random.Random(1).shuffle(rows)
    assert dropped(elements_of(rows, shards, block), config, shards) == {
        name: (value, (0, given.index(other))) for name, (value, other) in expected.items()
    }


def test_dropped_pairs_are_those_of_enough_exact_similarity(dropped, similar_pairs, jaccard):
    config = settings(near_duplicates=0.7)
    cases = similar_pairs(800, 5)
    found = dropped(elements_of(rows_of([pair for case in cases for pair in case], config), 2), config, 2)
    exact = np.array([jaccard(*case, config.near_ngram) for case in cases])
    # Of a pair and its version one stays: the one of smaller place.
    larger = [max(case, key=lambda pair: place(pair, config)) for case in cases]
    smaller = [min(case, key=lambda pair: place(pair, config)) for case in cases]
    gone = np.array([place(pair, config) in found for pair in larger])
    assert not any(place(pair, config) in found for pair in smaller)
    assert gone[(exact >= 0.8) & (exact < 1)].mean() > 0.97
    assert gone[(exact >= 0.7) & (exact < 0.8)].mean() > 0.7
    assert gone[(exact >= 0.6) & (exact < 0.7)].mean() < 0.25
    assert not gone[exact < 0.55].any()


ORDERS = [*itertools.permutations(CHAIN)]


@pytest.mark.parametrize(
    ("seed", "places", "like", "orders"),
    [
        # The last goes as it is like the middle one, which goes itself.
        pytest.param(4, "first middle last", {"middle": "first", "last": "middle"}, ORDERS, marks=pytest.mark.slow),
        (1, "last first middle", {"middle": "first"}, ORDERS[:1]),
        (5, "middle last first", {"last": "middle", "first": "middle"}, ORDERS[:1]),
    ],
)
def test_chains_keep_the_same_in_every_order(seed, places, like, orders, dropped, jaccard):
    config = settings(near_duplicates=0.7, seed=seed)
    first, middle, last = CHAIN
    assert min(jaccard(first, middle, 4), jaccard(middle, last, 4)) > 0.75 > 0.65 > jaccard(first, last, 4)
    named = {name: place(pair, config) for name, pair in zip(("first", "middle", "last"), CHAIN, strict=True)}
    assert places.split() == sorted(named, key=lambda name: named[name])
    for order in orders:
        found = dropped(elements_of(rows_of(order, config), 2, block=1), config, 2)
        assert {name: place(order[of[1]], config) for name, (_, of) in found.items()} == {
            named[name]: named[other] for name, other in like.items()
        }


def test_all_copies_of_a_near_duplicate_go(dropped):
    config = settings(near_duplicates=0.7)
    pairs = CHAIN[:2]
    (gone,) = by_definition(pairs, config)
    rows = rows_of(pairs, config, copies=3)
    expected = {row[0] for row in rows if place(row[3:5], config) == gone}
    found = dropped(elements_of(rows, 3), config, 3)
    assert set(found) == expected and len(expected) == 3 and len(set(found.values())) == 1


def test_copies_and_equal_pairs_are_no_near_duplicates(dropped):
    config = settings()
    rows = rows_of([CHAIN[0]], config, copies=3)
    assert dropped(elements_of(rows + rows, 2), config, 2) == {}


def test_of_many_that_are_alike_one_stays(dropped):
    config = settings()
    count = 3 * COMPARED
    pairs = [
        (f"{CHAIN[0][0]} {CHAIN[1][0]}, page {page}", f"{CHAIN[0][1]}, Seite {page}")
        for page in range(100, 100 + count)
    ]
    assert len(dropped(elements_of(rows_of(pairs, config), 2), config, 2)) == count - 1


def test_training_pairs_alone_are_looked_at(dropped):
    config = settings(near_duplicates=0.7)
    block = pack(rows_of(CHAIN[:2], config))
    others = [((VALID, 0), (PAIRS, block)), ((TRAIN, 0), (REJECTED, pack([(0, 0, "empty", None, None, "", "")])))]
    assert dropped(others, config) == {}
    assert len(dropped([*others, ((TRAIN, 0), (PAIRS, block))], config)) == 1


@pytest.fixture
def cleaned(write_lines, tmp_path):
    """Reads files of pairs, cleans and shuffles them; gives each shard, the rejected pairs and a count of units."""

    def run(name, files, block_bytes=BLOCK_BYTES, **changes):
        sides = [
            tuple(write_lines(f"{name}-{number}.{side}", [pair[side] for pair in file]) for side in (0, 1))
            for number, file in enumerate(files)
        ]
        valid = [(write_lines(f"valid.{side}", [f"validation {side}"]),) for side in ("source", "target")]
        sources, targets = zip(*sides, strict=True)
        config = settings(
            source=sources, target=targets, valid_source=valid[0], valid_target=valid[1], shards=2, **changes
        )
        intake = take_in(config)
        units = readers.units(inputs(aligned(sources, targets)), block_bytes)
        text, progress = tmp_path / name, tmp_path / f"{name}.progress"
        progress.mkdir()
        with beam.Pipeline("FnApiRunner") as root:
            graph.clean(root, config, intake._replace(train=units), str(text), str(progress))
        shards = [[*read_text_shard(str(text / name.text))] for name in shard_names(TRAIN, 2)]
        paths = [str(text / name.rejects) for name in shard_names(TRAIN, 2)]
        rejected = [row for path in paths for block in read_rows(path) for row in block]
        return shards, sorted(rejected), len(units)

    return run


def test_the_job_drops_the_same_in_any_files_and_blocks(cleaned, similar_pairs):
    cases = [
        case for case in similar_pairs(100, 6) if all(max(map(len, pair)) < 2.5 * min(map(len, pair)) for pair in case)
    ]
    pairs = list(dict.fromkeys([*CHAIN, *(pair for case in cases for pair in case)]))
    config = settings()
    expected = by_definition(pairs, config)
    whole, rejected, _ = cleaned("whole", [pairs])
    found = {place(row[5:7], config): (row[3], pairs[row[7][1]]) for row in rejected}
    assert found == expected and len(expected) > 15
    assert {row[2:3] + row[4:5] for row in rejected} == {("near_duplicate", 0.8)}
    assert {pairs[row[1]] for row in rejected} == {row[5:7] for row in rejected}
    survivors = [pair for shard in whole for pair in shard]
    assert sorted(survivors) == sorted(pair for pair in pairs if place(pair, config) not in expected)
    shuffled = random.Random(2).sample(pairs, len(pairs))
    files = [shuffled[start::7] for start in range(7)]
    many, again, units = cleaned("many", files, block_bytes=1000)
    assert units > 14
    assert many == whole and sorted(row[2:7] for row in again) == sorted(row[2:7] for row in rejected)
    assert {place(row[5:7], config): (row[3], files[row[7][0]][row[7][1]]) for row in again} == expected


@pytest.mark.parametrize(
    ("dedup", "told"),
    [
        # File, line, and those of the pair that is told.
        (
            "pair",
            [
                (0, 1, "duplicate", (0, 0)),
                (0, 2, "near_duplicate", (0, 0)),
                (1, 0, "duplicate", (0, 2)),
                (1, 1, "duplicate", (0, 0)),
            ],
        ),
        ("none", [(0, 2, "near_duplicate", (0, 0)), (1, 0, "near_duplicate", (0, 0))]),
    ],
)
def test_duplicates_are_told_before_near_duplicates(dedup, told, cleaned):
    config = settings(near_duplicates=0.7, dedup=dedup)
    (gone,) = by_definition(CHAIN[:2], config)
    stays, goes = sorted(CHAIN[:2], key=lambda pair: place(pair, config) == gone)
    files = [[stays, stays, goes], [goes, stays]]
    shards, rejected, _ = cleaned("twice", files, block_bytes=100, near_duplicates=0.7, dedup=dedup)
    assert {pair for shard in shards for pair in shard} == {stays}
    assert [(*row[:3], row[7]) for row in rejected] == told
