import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.corpora.corpus import Corpus, aligned, paired
from pipeline.corpora.inputs import excluded_inputs, inputs
from pipeline.corpora.readers import first, read, sentences, units
from pipeline.errors import UserError

PAIRS = [(b"s%d" % at, b"t%d" % at) for at in range(6)]


@pytest.fixture
def corpora(tmp_path):
    """The same six pairs in each format."""
    sides = [[side.decode() for side in sides] for sides in zip(*PAIRS, strict=True)]
    (tmp_path / "a.en").write_text("\n".join(sides[0]))
    (tmp_path / "a.de.gz").write_bytes(gzip.compress("\n".join(sides[1]).encode()))
    (tmp_path / "a.tsv").write_text("".join(f"{one}\t{other}\n" for one, other in zip(*sides, strict=True)))
    rows = (f'{{"source": "{one}", "target": "{other}"}}\n' for one, other in zip(*sides, strict=True))
    (tmp_path / "a.jsonl").write_text("".join(rows))
    pq.write_table(pa.table({"source": sides[0], "target": sides[1]}), tmp_path / "a.parquet")
    rows = (
        f'<tu><tuv xml:lang="en"><seg>{one}</seg></tuv><tuv xml:lang="de"><seg>{other}</seg></tuv></tu>'
        for one, other in zip(*sides, strict=True)
    )
    (tmp_path / "a.tmx").write_text(f"<tmx><body>{''.join(rows)}</body></tmx>")
    files = tuple(str(tmp_path / f"a.{ending}") for ending in ("tsv", "jsonl", "parquet", "tmx"))
    heavy = Corpus("heavy", 2.5, pairs=files[:1], option="--corpora")
    return *aligned([f"{tmp_path}/a.en"], [f"{tmp_path}/a.de.gz"]), *paired(files), heavy


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_every_format_gives_the_same_pairs(corpora, block_bytes):
    cut = units(inputs(corpora, ("en", "de")), block_bytes)
    pairs = [pair for unit in cut for pair in read(unit)]
    assert [(pair.source, pair.target) for pair in pairs] == PAIRS * 6
    assert [(pair.file, pair.line) for pair in pairs] == [(file, line) for file in range(6) for line in range(6)]
    assert sum(unit.pairs for unit in cut) == 36
    assert {unit.weight for unit in cut if unit.file == 5} == {2.5}
    assert {unit.weight for unit in cut if unit.file < 5} == {1}


def test_the_first_pairs_go_across_formats(corpora):
    found = inputs(corpora, ("en", "de"))
    assert [(pair.source, pair.target) for pair in first(found, 33)] == (PAIRS * 6)[:33]


@pytest.mark.parametrize(
    ("text", "lines", "found"),
    [(b"", 0, []), (b"\n", 1, []), (b"a\nb", 2, [b"a", b"b"]), (b"\xef\xbb\xbfa\r\n\nb\n", 3, [b"a", b"b"])],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_sentences_of_text_are_its_lines(tmp_path, text, lines, found, pack, block_bytes):
    path = tmp_path / "file"
    path.write_bytes(pack(text))
    cut = units(excluded_inputs(Corpus("excluded", pairs=(str(path),), option="--exclude")), block_bytes)
    assert sum(unit.pairs for unit in cut) == lines
    assert [sentence for unit in cut for sentence in sentences(read(unit))] == found


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_sentences_of_pairs_are_both_sides(corpora, block_bytes):
    files = corpora[1].pairs
    found = excluded_inputs(Corpus("excluded", pairs=files, option="--exclude"), ("en", "de"))
    cut = units(found, block_bytes)
    assert [text for unit in cut for text in sentences(read(unit))] == [side for pair in PAIRS for side in pair] * len(
        files
    )


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"--exclude: .*gone\.txt"):
        excluded_inputs(Corpus("excluded", pairs=(str(tmp_path / "gone.txt"),), option="--exclude"))


@pytest.mark.parametrize("damage", [lambda packed: packed[:-9], lambda packed: packed[:10] + b"\xff" * 20])
def test_a_damaged_gzip_file_is_named(tmp_path, damage):
    path = tmp_path / "a.gz"
    path.write_bytes(damage(gzip.compress(b"text\n" * 1000)))
    with pytest.raises(UserError, match=r"--exclude: .*a\.gz"):
        units(excluded_inputs(Corpus("excluded", pairs=(str(path),), option="--exclude")))
