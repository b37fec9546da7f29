import itertools

import pytest

from benchmarks.places import Places
from benchmarks.preprocess_memory import bench_preprocess_memory, drawn, told
from pipeline.errors import UserError


def test_drawn_sentences_have_the_lengths_and_words_of_the_lines():
    lines = ["a b c", "d", "e f"]
    found = list(itertools.islice(drawn(lines, "en"), 9))
    assert [len(line.split()) for line in found] == [3, 1, 2] * 3
    assert {word for line in found for word in line.split()} <= {*"abcdef"}
    assert found == list(itertools.islice(drawn(lines, "en"), 9)) != list(itertools.islice(drawn(lines, "de"), 9))


def test_peaks_are_beside_estimates_and_their_growth():
    peaks = {(100, None): 7e8, (100, 0.8): 7.1e8, (200, None): 9e8, (200, 0.8): 9.4e8}
    assert told("in-memory", peaks, {100: 10_000_000, 200: 60_000_000}) == [
        "in-memory, 100 pairs, no near duplicates: 700 MB, estimated 550",
        "in-memory, 100 pairs, near duplicates at 0.8: 710 MB, estimated 550",
        "in-memory, 200 pairs, no near duplicates: 900 MB, estimated 800",
        "in-memory, 200 pairs, near duplicates at 0.8: 940 MB, estimated 800",
        "in-memory: 4.0 bytes more for a byte more of text",
        "in-memory: 100,000 bytes more for each of 100 pairs that are compared",
        "in-memory: 200,000 bytes more for each of 200 pairs that are compared",
    ]
    # Two workers and what hands out the work: ten times the text, and half a gigabyte each.
    assert told("2-workers", peaks, {100: 10_000_000, 200: 60_000_000})[0].endswith("700 MB, estimated 1,570")


def test_the_larger_corpus_is_larger():
    with pytest.raises(UserError, match="--large: expected more than --pairs 10, received 10"):
        bench_preprocess_memory(Places(), pairs=10, large=10)
