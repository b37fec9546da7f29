import pytest

from pipeline.corpora.corpus import Corpus, aligned, paired
from pipeline.corpora.inputs import inputs
from pipeline.errors import UserError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.en", "b.en", "a.de", "b.de", "x.tsv", "y.JSONL.gz", "z.ndjson.zst", "p.parquet", "m.tmx.bz2"):
        (tmp_path / name).write_text("x\n")


def test_each_input_has_a_number_and_a_name(here):
    news = Corpus("news", 2.5, source=("?.en",), target=("?.de",))
    found = inputs([*aligned(["a.en"], ["a.de"]), *paired(["x.tsv", "y.JSONL.gz"], "3", "text"), news])
    named = [(one.number, one.corpus.name, one.format, one.name, one.fields) for one in found]
    assert named == [
        (0, "files", "lines", "a.en|a.de", ("", "")),
        (1, "pairs", "tsv", "x.tsv", ("3", "text")),
        (2, "pairs", "jsonl", "y.JSONL.gz", ("3", "text")),
        (3, "news", "lines", "a.en|a.de", ("", "")),
        (4, "news", "lines", "b.en|b.de", ("", "")),
    ]
    assert [one.corpus.weight for one in found] == [1, 1, 1, 2.5, 2.5]
    assert [file.size for file in found[0].files] == [2, 2]


def test_fields_have_defaults(here):
    found = inputs(paired(["x.tsv", "z.ndjson.zst", "p.parquet", "m.tmx.bz2"]), ("en", "pt-BR"))
    assert [(one.format, one.fields) for one in found] == [
        ("tsv", ("1", "2")),
        ("jsonl", ("source", "target")),
        ("parquet", ("source", "target")),
        ("tmx", ("en", "pt-BR")),
    ]


def test_a_tmx_file_needs_languages(here):
    with pytest.raises(UserError, match=r"^--pairs: expected the languages of 'm\.tmx\.bz2'; give --source-field"):
        inputs(paired(["m.tmx.bz2"]), ("en", None))


@pytest.mark.parametrize(("fields", "zero"), [(("0", "1"), "0"), (("2", "00"), "00")])
def test_columns_are_counted_from_one(here, fields, zero):
    with pytest.raises(UserError, match=rf"^--pairs: expected a column's number from 1 on, received '{zero}' for"):
        inputs(paired(["x.tsv"], *fields))
    # Elsewhere it is a name.
    assert inputs(paired(["z.ndjson.zst"], *fields))[0].fields == fields


def test_patterns_that_match_unequal_counts_are_refused(here):
    with pytest.raises(UserError, match=r"'\?\.en', which names 2, and 'a\.de', which names 1;"):
        inputs(aligned(["?.en"], ["a.de"]))


def test_files_of_patterns_that_are_paired_by_order_alone_are_told(here, tmp_path, capsys):
    (tmp_path / "c.de.gz").write_text("x\n")
    inputs([*aligned(["?.en"], ["[ab].de"]), *aligned(["b.*n"], ["c.de*"])])
    assert capsys.readouterr().err == ""
    inputs(aligned(["?.en"], ["[ac].de*"]))
    told = "nmt: note: --source, --target: paired in the order of their names: 'b.en' with 'c.de.gz'\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("name", ["a.en", "x.tsv.rar", "tsv"])
def test_an_unknown_ending_is_refused(here, tmp_path, name):
    (tmp_path / name).write_text("x\n")
    with pytest.raises(UserError, match=rf"^--pairs: expected a name that ends with \.tsv, .*, received '{name}'"):
        inputs(paired([name]))


def test_a_packed_parquet_file_is_refused(here, tmp_path):
    (tmp_path / "p.parquet.gz").write_text("x\n")
    with pytest.raises(
        UserError, match=r"^--pairs: expected a Parquet file as it is, received 'p\.parquet\.gz'; unpack"
    ):
        inputs(paired(["p.parquet.gz"]))
