import math

import pytest

from pipeline.corpora.corpora_file import read_corpora
from pipeline.corpora.corpus import Corpus, aligned, paired
from pipeline.errors import UserError


def test_no_file_is_no_corpus():
    assert aligned([], []) == paired([]) == ()


def test_options_name_a_corpus():
    assert aligned(["a"], ["b"], "valid-") == (
        Corpus("files", source=("a",), target=("b",), option="--valid-source, --valid-target"),
    )
    assert paired(["a.tsv"], "1", None) == (Corpus("pairs", pairs=("a.tsv",), source_field="1", option="--pairs"),)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": ("a", "b"), "target": ("c",)}, r"as many target files as source files \(2\), received 1"),
        ({"source": ("a",), "target": ("b",), "target_field": "de"}, "fields of pairs alone, received 'de'"),
        ({"target": ("c",)}, "at least one file, received"),
        ({}, "at least one file, received"),
        ({"source": ("a",), "target": ("b",), "pairs": ("c",)}, r"either .* or pairs, received 'both \(a, b\)'"),
        ({"pairs": ("c",), "source_field": "en", "target_field": "en"}, "two different fields, received 'en'"),
        *(
            ({"pairs": ("c",), "weight": weight}, "a weight above 0, received")
            for weight in (0.0, -1.0, math.nan, math.inf)
        ),
    ],
)
def test_a_wrong_corpus_is_refused(settings, message):
    with pytest.raises(UserError, match=f"^--o: expected {message}.*; change --o$"):
        Corpus("name", option="--o", **settings)


def test_a_file_of_corpora(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("""
- name: news
  weight: 2
  source: [a.en, b.en]
  target: [a.de, b.de]
- {name: talks, pairs: t.tsv, source_field: 2, target_field: text}
""")
    assert read_corpora(str(path)) == (
        Corpus("news", 2.0, ("a.en", "b.en"), ("a.de", "b.de"), option=f"--corpora (news in {path})"),
        Corpus(
            "talks", 1.0, pairs=("t.tsv",), source_field="2", target_field="text", option=f"--corpora (talks in {path})"
        ),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"a list of corpora in '.*', received NoneType; begin each with"),
        ("news: {}", "a list of corpora in '.*', received dict;"),
        ("- news", "settings of corpus 1 in '.*', received 'news'; write"),
        (
            "- {name: a, sorce: x}",
            "name, weight, .* of corpus 1 in '.*', received 'sorce'; the nearest known one is source",
        ),
        ("- {pairs: x.tsv}", "a name of corpus 1 in '.*', received None;"),
        ("- {name: 3, pairs: x.tsv}", "a name of corpus 1 in '.*', received 3;"),
        ("- {name: a, pairs: x.tsv, weight: much}", "a number as weight of a in '.*', received 'much';"),
        ("- {name: a, pairs: x.tsv, weight: yes}", "a number as weight of a in '.*', received True;"),
        (
            "- {name: a, pairs: [x.tsv, 3]}",
            r"a file or a list of files as pairs of a in '.*', received \['x.tsv', 3\];",
        ),
        ("- {name: a, pairs: []}", r"a file or a list of files as pairs of a in '.*', received \[\];"),
        (
            "- {name: a, pairs: x.tsv, source_field: [1]}",
            r"a name or number as source_field of a in '.*', received \[1\];",
        ),
        (
            "- {name: a, pairs: x.tsv}\n- {name: a, pairs: y.tsv}",
            "a name for each corpus in '.*', received 'a' 2 times;",
        ),
        ("- {name: a, pairs: x.tsv, pairs: y.tsv}", r"a YAML file, received '.*' \(the key 'pairs' stands twice in"),
        ("- {name: a, pairs: x", r"a YAML file, received '.*' \(while parsing"),
        ("- \xff", r"a YAML file, received '.*' \("),
    ],
)
def test_a_wrong_file_of_corpora_is_refused(tmp_path, text, message):
    path = tmp_path / "c.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=f"^--corpora: expected {message}"):
        read_corpora(str(path))


def test_a_wrong_corpus_of_a_file_is_named(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("- {name: a, pairs: x.tsv, weight: -1}")
    with pytest.raises(UserError, match=rf"^--corpora \(a in {path}\): expected a weight above 0, received -1.0;"):
        read_corpora(str(path))


def test_a_missing_file_of_corpora_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"^--corpora: expected a YAML file, received .*gone.yaml"):
        read_corpora(str(tmp_path / "gone.yaml"))
