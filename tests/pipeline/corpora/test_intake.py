import bz2
import gzip
import itertools
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from pipeline.config import PreprocessConfig
from pipeline.corpora.intake import files_of, take_in
from pipeline.errors import UserError
from pipeline.preprocess import preprocess

PACKS = [gzip.compress, bz2.compress, lzma.compress, zstd.compress]
WORDS = [*"abcdefghijklmnop"]
PAIRS = [(f"the {one} or {other}{one}", f"{other}{one} das {one}") for one in WORDS for other in WORDS]


def write(path: Path, pairs: list[tuple[str, str]]) -> str:
    """Writes pairs in the format of the name's ending."""
    sides = list(zip(*pairs, strict=True))
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"source": sides[0], "target": sides[1]}), path, row_group_size=10)
    elif path.suffix == ".tmx":
        rows = (
            f'<tu><tuv xml:lang="en"><seg>{s}</seg></tuv><tuv xml:lang="de"><seg>{t}</seg></tuv></tu>' for s, t in pairs
        )
        path.write_text(f"<tmx><body>{''.join(rows)}</body></tmx>")
    elif path.suffix == ".tsv":
        path.write_text("".join(f"{one}\t{other}\n" for one, other in pairs))
    elif path.suffix == ".gz":
        rows = (json.dumps({"source": one, "target": other}) + "\n" for one, other in pairs)
        path.write_bytes(gzip.compress("".join(rows).encode()))
    return str(path)


@pytest.fixture
def settings(tmp_path):
    languages = {"source_language": "en", "target_language": "de"}
    return {"output": str(tmp_path / "data"), "vocab_size": 320, "valid_share": 0.1, "shards": 2, **languages}


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("packed", [("source",), ("target",), ("source", "target")])
def test_text_is_measured_unpacked(settings, tmp_path, pack, packed):
    files, expected = {}, 0
    for side, lines in zip(("source", "target"), zip(*PAIRS, strict=True), strict=True):
        text = "".join(f"{line}\n" * 100 for line in lines).encode()
        (tmp_path / side).write_bytes(pack(text) if side in packed else text)
        files[side] = (str(tmp_path / side),)
        expected += len(text)
    assert take_in(PreprocessConfig(**settings, **files)).size == expected


@pytest.mark.parametrize("pack", PACKS)
def test_the_number_of_shards_follows_the_text(settings, tmp_path, monkeypatch, pack):
    """Of what is packed to a hundredth as of what is plain."""
    monkeypatch.setattr("pipeline.corpora.intake._SHARD_BYTES", 10_000)
    text = b"a source that says the same again\tein Ziel, das noch einmal dasselbe sagt\n" * 2000
    assert len(pack(text)) < len(text) / 100
    found = []
    for name, stored in (("plain", text), ("packed", pack(text))):
        path = tmp_path / f"{name}.tsv"
        path.write_bytes(stored)
        found.append(take_in(PreprocessConfig(**settings | {"shards": None}, pairs=(str(path),))))
    assert [one.size for one in found] == [len(text)] * 2
    assert [one.shards for one in found] == [-(-(len(text) + 64 * 2000) // 10_000)] * 2


@pytest.mark.parametrize("ending", ["tmx", "tmx.bz2"])
def test_a_memory_is_measured_unpacked(settings, tmp_path, ending):
    text = Path(write(tmp_path / "plain.tmx", PAIRS)).read_bytes()
    (tmp_path / f"a.{ending}").write_bytes(bz2.compress(text) if ending.endswith("bz2") else text)
    assert take_in(PreprocessConfig(**settings, pairs=(str(tmp_path / f"a.{ending}"),))).size == len(text)


@pytest.mark.parametrize("nested", [False, True])
def test_of_parquet_the_texts_are_measured(settings, tmp_path, nested):
    columns = {"source": [f"{at} {one}" * 20 for at, (one, _) in enumerate(PAIRS)]}
    columns["target"] = [f"{at} {other}" * 20 for at, (_, other) in enumerate(PAIRS)]
    bytes_of_text = sum(map(len, itertools.chain(*columns.values())))
    fields = {}
    if nested:
        rows = [dict(zip(columns, texts, strict=True)) for texts in zip(*columns.values(), strict=True)]
        columns, fields = {"both": rows}, {"source_field": "both.source", "target_field": "both.target"}
    table = pa.table({**columns, "other": ["x" * 10_000] * len(PAIRS)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=100, compression="zstd")
    found = take_in(PreprocessConfig(**settings, **fields, pairs=(str(tmp_path / "a.parquet"),)))
    assert bytes_of_text < found.size < 1.2 * bytes_of_text


def test_corpora_of_all_options_are_taken_in(settings, tmp_path, write_lines):
    source, target = zip(*PAIRS[:5], strict=True)
    (tmp_path / "corpora.yaml").write_text(f"""
- name: talks
  weight: 2.5
  pairs: {write(tmp_path / "b.tmx", PAIRS[:7])}
""")
    config = PreprocessConfig(
        **settings,
        source=(write_lines("a.en", source),),
        target=(write_lines("a.de", target),),
        pairs=(write(tmp_path / "x.tsv", PAIRS[:3]), write(tmp_path / "y.tsv", PAIRS[:4])),
        source_field="2",
        target_field="1",
        corpora=str(tmp_path / "corpora.yaml"),
        valid_pairs=(write(tmp_path / "v.tsv", PAIRS[:2]),),
        exclude=(write_lines("e.txt", ["x"]),),
    )
    names = ["a.en", "a.de", "x.tsv", "y.tsv", "b.tmx", "v.tsv", "e.txt"]
    assert files_of(config) == [str(tmp_path / name) for name in names]
    intake = take_in(config)
    assert intake.pairs == 5 + 3 + 4 + 7 + 2
    assert [(unit.file, unit.weight, unit.pairs) for unit in intake.train] == [
        (0, 1, 5),
        (1, 2.5, 7),
        (2, 1, 3),
        (3, 1, 4),
    ]
    assert [(unit.file, unit.fields, unit.option) for unit in intake.valid] == [(4, ("2", "1"), "--valid-pairs")]
    assert [(corpus, name.replace(f"{tmp_path}/", "")) for corpus, name in intake.names] == [
        ("files", "a.en|a.de"),
        ("talks", "b.tmx"),
        ("pairs", "x.tsv"),
        ("pairs", "y.tsv"),
        ("pairs", "v.tsv"),
    ]


def test_what_is_read_otherwise_has_another_state(settings, tmp_path):
    file = write(tmp_path / "a.tsv", PAIRS)

    def states(weight: float, source_field: int) -> list:
        (tmp_path / "c.yaml").write_text(
            f"- {{name: a, pairs: {file}, weight: {weight}, source_field: {source_field}, target_field: 2}}"
        )
        return take_in(PreprocessConfig(**settings, corpora=str(tmp_path / "c.yaml"))).states

    first = states(1, 1)
    assert states(1.0, 1) == first
    assert states(2, 1) != first
    (tmp_path / "a.tsv").write_text("x\ty\tz\n")
    assert states(1, 1) != first
    assert states(1, 3) != states(1, 1)


def test_the_same_pairs_in_any_format_are_the_same_data_set(settings, tmp_path, write_lines):
    def made(name: str, **files) -> list[bytes]:
        manifest = preprocess(PreprocessConfig(**settings | {"output": str(tmp_path / name)}, **files))
        assert manifest.read == len(PAIRS)
        return [path.read_bytes() for path in sorted((tmp_path / name).glob("*.tfrecord"))]

    source, target = zip(*PAIRS, strict=True)
    aligned = made("aligned", source=(write_lines("a.en", source),), target=(write_lines("a.de", target),))
    parts = (("a.tsv", 0, 20), ("a.jsonl.gz", 20, 50), ("a.parquet", 50, 90), ("a.tmx", 90, None))
    pairs = tuple(write(tmp_path / name, PAIRS[begin:end]) for name, begin, end in parts)
    assert made("mixed", pairs=pairs) == aligned
    assert len(aligned) == 3


def test_some_corpus_is_needed(settings):
    with pytest.raises(
        UserError, match=r"^--source: expected at least one file, or --pairs or --corpora, received \(\);"
    ):
        PreprocessConfig(**settings)
