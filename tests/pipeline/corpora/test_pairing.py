import pytest

from pipeline.corpora.pairing import unlike


@pytest.mark.parametrize(
    "pairs",
    [
        [("g/a.en", "g/a.de"), ("g/b.en", "g/b.de")],
        [("en/a.en", "de/a.de"), ("en/b.en", "de/b.de")],
        [("a-1_en.txt", "a-1_de.txt"), ("a-2_en.txt", "a-2_de.txt")],
        [("src-1.en", "tgt-1.de"), ("src-2.en", "tgt-2.de")],
        [("a", "a"), ("b", "b")],
    ],
)
def test_names_that_differ_by_the_language(pairs):
    assert unlike(pairs) == []


@pytest.mark.parametrize(
    ("pairs", "odd"),
    [
        ([("g/a.en", "g/a.de"), ("g/b.en", "g/c.de")], [1]),
        ([("b.en", "c.de"), ("a.en", "a.de"), ("d.en", "e.de")], [0, 2]),
        ([("1.en", "2.de"), ("2.en", "3.de")], [0, 1]),
        ([("b.en", "c.de"), ("d.en", "e.de")], [0, 1]),
        ([("a.en", "a.de"), ("b.en", "b.x.de")], [1]),
        ([("a.x.en", "a.de"), ("b.x.en", "b.de")], [0, 1]),
    ],
)
def test_names_that_differ_otherwise(pairs, odd):
    assert unlike(pairs) == odd
