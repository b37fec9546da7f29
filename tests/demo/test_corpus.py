"""The demo's corpus on disk: the same bytes, distinct, unleaked but for the dirt that is counted."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from demo.corpus import RATIO, draw_pairs, read_phenomena, write_corpus
from pipeline.cleaning.config import CleaningConfig

PAIRS = 2_000


@pytest.fixture(scope="module")
def drawn():
    return draw_pairs(1, PAIRS, 50, 100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def corpus(folder):
    return write_corpus(folder, seed=1, pairs=PAIRS)


def lines(path):
    text = path.read_bytes().decode()
    assert text.endswith("\n")
    return text.split("\n")[:-1]


def read(folder, part):
    return list(zip(lines(folder / f"{part}.en"), lines(folder / f"{part}.de"), strict=True))


def test_numbers(corpus, folder):
    assert (corpus.train, corpus.valid, corpus.test) == (PAIRS, 50, 100)
    # 2 % of 2040 lines, in four kinds.
    assert corpus.dirt == {"duplicate": 10, "empty": 10, "characters_ratio": 10, "leaked": 10}
    assert len(read(folder, "train")) == 2040
    assert len(read(folder, "valid")) == 50
    assert len(read(folder, "test")) == len(read_phenomena(folder)) == 100
    assert sorted(os.listdir(folder)) == sorted(
        ["train.en", "train.de", "valid.en", "valid.de", "test.en", "test.de", "test.jsonl"]
    )


def test_dirt_is_what_it_is_called(corpus, folder):
    train, test = Counter(read(folder, "train")), set(read(folder, "test"))
    assert sum(count for pair, count in train.items() if pair in test) == 10
    assert sum(count for pair, count in train.items() if "" in pair) == 10
    misaligned = 0
    for source, target in train:
        sizes = len(source.split()), len(target.split())
        misaligned += min(sizes) > 0 and max(sizes) >= RATIO * min(sizes)
    assert misaligned == 10
    assert sum(count - 1 for count in train.values()) == 10


def test_clean_pairs_pass_the_rule_that_misaligned_ones_fail(drawn):
    ratio = CleaningConfig.max_ratio
    assert ratio < RATIO
    for part in drawn:
        for pair in part:
            sizes = len(pair.english), len(pair.german)
            assert max(sizes) <= ratio * min(sizes)


def test_clean_pairs_are_distinct_and_unleaked(drawn):
    train, valid, test = drawn
    everything = [pair.english for part in drawn for pair in part]
    assert len(set(everything)) == len(everything) == PAIRS + 150
    german = {pair.german for pair in train}
    assert not any(pair.german in german for pair in valid + test)


def test_held_out_pairs_have_combinations_and_names_that_training_never_saw(drawn):
    train, valid, test = drawn
    combinations = set().union(*(pair.combinations for pair in train))
    names = set().union(*(pair.names for pair in train))
    for pair in valid + test:
        assert pair.combinations - combinations
        assert not pair.names & names
    assert any(pair.names for pair in test)


def test_lengths(drawn):
    train, _, test = drawn
    for side in (0, 1):
        words = [pair.words[side] for pair in train]
        assert min(words) >= 4 and max(words) <= 40
        assert sum(words) / len(words) <= 10
    assert sum(pair.words[0] >= 25 for pair in test) == 6


def test_another_seed_gives_another_corpus(drawn):
    assert drawn[0][0] != draw_pairs(2, 50, 2, 2)[0][0]


def test_same_bytes_in_another_process(corpus, folder, tmp_path):
    """Also with another seed of Python's own hashes, which order sets."""
    code = f"from demo.corpus import write_corpus; write_corpus({str(tmp_path)!r}, seed=1, pairs={PAIRS})"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONHASHSEED": "123"})
    for name in os.listdir(folder):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_a_second_writing_replaces_the_first(corpus, folder, tmp_path):
    for seed in (5, 1):
        write_corpus(tmp_path, seed=seed, pairs=PAIRS)
    assert (tmp_path / "train.en").read_bytes() == (folder / "train.en").read_bytes()
