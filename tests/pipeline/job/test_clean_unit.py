from collections import Counter

import pytest

from pipeline.config import PreprocessConfig
from pipeline.corpora.corpus import Corpus
from pipeline.corpora.inputs import inputs
from pipeline.corpora.readers import units
from pipeline.job import digests
from pipeline.job.assignment import HELD_OUT, PAIRS, REJECTED
from pipeline.job.blocks import unpack
from pipeline.job.clean_unit import CleanUnit

PAIRS_READ = [(f"source {number}", f"target {number}") for number in range(1000)]


@pytest.fixture
def clean(write_lines, tmp_path):
    """Cleans pairs as one unit and gives the rows by key and tag."""

    def run(pairs, weight=1.0, split="train", shards=4, excluded=(), **settings):
        files = [write_lines(f"{side}.txt", [pair[side] for pair in pairs]) for side in (0, 1)]
        [unit] = units(inputs((Corpus("made", weight, (files[0],), (files[1],)),)))
        given = {"valid_source": ("v",), "valid_target": ("w",)} | settings
        config = PreprocessConfig(source=(files[0],), target=(files[1],), output="o", **given)
        step = CleanUnit(config, shards, split, str(tmp_path / "progress"))
        step.setup()
        step.start_bundle()
        found = {}
        for key, (tag, block) in step.process(unit, excluded):
            found.setdefault((key, tag), []).extend([block] if tag == HELD_OUT else unpack(block))
        return found

    return run


def rows(found, wanted):
    return [row for (_, tag), group in found.items() for row in group if tag == wanted]


def test_a_pair_goes_where_its_place_says(clean):
    found = clean(PAIRS_READ)
    assert {key for key, _ in found} == {("train", shard) for shard in range(4)}
    for (key, _), group in found.items():
        for place, file, line, source, target, copy in group:
            assert (source, target) == PAIRS_READ[line] and (file, copy) == (0, 0)
            assert place == digests.place(source, target, 0, "pair", 1)
            assert key[1] == digests.shard(place, 4)
    assert len(rows(found, PAIRS)) == 1000


@pytest.mark.parametrize(("weight", "least", "most"), [(2.5, 2, 3), (1.0, 1, 1), (0.25, 0, 1)])
def test_a_weight_makes_copies_that_are_spread(clean, weight, least, most):
    found = clean(PAIRS_READ, weight)
    copies = Counter(row[2] for row in rows(found, PAIRS))
    assert {copies[line] for line in range(1000)} == {least, most}
    # Five standard deviations of a binomial count are less than 80.
    assert abs(copies.total() - 1000 * weight) < 80
    assert len({row[0] for row in rows(found, PAIRS)}) == copies.total()
    left_out = {row[1]: row[2:5] for row in rows(found, REJECTED)}
    assert left_out == {line: ("sampled_out", None, weight) for line in range(1000) if not copies[line]}


def test_of_two_weights_the_copies_of_the_larger_one_hold_those_of_the_smaller(clean):
    few, many = ({row[0] for row in rows(clean(PAIRS_READ, weight), PAIRS)} for weight in (1.3, 2.2))
    assert few < many


def test_rejected_pairs_tell_rule_value_threshold_and_text(clean):
    found = clean([("a good one", "ein guter"), ("x" * 50, "y" * 49), (b"a\xff", "b"), ("z" * 5000, "z")])
    told = sorted(rows(found, REJECTED), key=lambda row: row[1])
    assert [row[1:5] for row in told] == [
        (1, "longest_word", 50, 40),
        (2, "invalid_utf8", None, None),
        (3, "characters", 5000, 1024),
    ]
    assert [row[5:7] for row in told[:2]] == [("x" * 50, "y" * 49), ("a\\xff", "b")]
    assert told[2][5] == "z" * 2000 + "…"


def test_rejected_pairs_may_keep_their_text_to_themselves(clean):
    found = clean([("x" * 50, "y" * 49)], reject_text="none")
    assert [row[5:7] for row in rows(found, REJECTED)] == [(None, None)]


@pytest.mark.parametrize(("side", "leaked"), [("either", {1, 2}), ("source", {1})])
def test_excluded_sentences_leave_the_training_pairs_alone(clean, side, leaked):
    excluded = [b"".join(map(digests.sentence_digest, (PAIRS_READ[1][0], PAIRS_READ[2][1])))]
    found = clean(PAIRS_READ[:5], excluded=excluded, leak_side=side)
    assert {(row[1], row[2]) for row in rows(found, REJECTED)} == {(line, "leaked") for line in leaked}
    found = clean(PAIRS_READ[:5], excluded=excluded, split="valid")
    assert not rows(found, REJECTED)


def test_validation_pairs_keep_their_order_and_tell_their_sentences(clean):
    twice = [*PAIRS_READ[:5], PAIRS_READ[0]]
    found = clean(twice, split="valid")
    assert [row[2:5] for row in sorted(found[("valid", 0), PAIRS])] == [(n, *pair) for n, pair in enumerate(twice)]
    [told] = rows(found, HELD_OUT)
    assert told == b"".join(digests.sentence_digest(side) for pair in twice for side in pair)


def test_a_share_is_held_out_once_whatever_its_weight(clean):
    found = clean(PAIRS_READ, 3.0, valid_source=(), valid_target=(), valid_share=0.3)
    held = {row[2] for row in found[("valid", 0), PAIRS]}
    # Of 1000 pairs 300, with a standard deviation of 14.
    assert 230 < len(held) == len(found[("valid", 0), PAIRS]) < 370
    train = Counter(row[2] for key, tag in found if key[0] == "train" for row in found[key, tag])
    assert not held & set(train) and set(train.values()) == {3} and len(train) + len(held) == 1000
