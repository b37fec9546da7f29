import gzip
import json

import pytest
from backports import zstd

from pipeline.corpora.corpus import paired
from pipeline.corpora.inputs import inputs
from pipeline.corpora.readers import read, units
from pipeline.errors import UserError


@pytest.fixture
def pairs(tmp_path):
    """Writes one file and reads it, in blocks of about so many bytes: its units and its pairs."""

    def write(name, text: bytes):
        (tmp_path / name).write_bytes(text)
        return str(tmp_path / name)

    def read_all(name, text: bytes, fields=(None, None), block_bytes=1 << 20):
        cut = units(inputs(paired([write(name, text)], *fields)), block_bytes)
        read_pairs = [tuple(pair[1:]) for unit in cut for pair in read(unit)]
        assert sum(unit.pairs for unit in cut) == len(read_pairs)
        return cut, read_pairs

    read_all.write = write
    return read_all


TSV = b"id\ten\tde\n" + b"".join(b"%d\ts%d\tt%d\n" % (at, at, at) for at in range(20))


@pytest.mark.parametrize("block_bytes", [1, 50, 1 << 20])
@pytest.mark.parametrize("fields", [("en", "de"), ("2", "de"), ("en", "3")])
def test_columns_by_name(pairs, fields, block_bytes):
    cut, read_pairs = pairs("a.tsv", TSV, fields, block_bytes)
    assert read_pairs == [(at + 1, b"s%d" % at, b"t%d" % at) for at in range(20)]
    assert len(cut) == {1: 20, 50: 4, 1 << 20: 1}[block_bytes]


def test_columns_by_number(pairs):
    text = b'a\t"b"\tc\r\n\nd\te\\t\t\n'
    assert pairs("a.tsv", text)[1] == [(0, b"a", b'"b"'), (1, b"", b""), (2, b"d", b"e\\t")]
    assert pairs("a.tsv", text, ("3", "1"))[1] == [(0, b"c", b"a"), (1, b"", b""), (2, b"", b"d")]


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".zst", zstd.compress)])
def test_a_packed_file_is_one_unit(pairs, ending, pack):
    [unit], read_pairs = pairs(f"a.tsv{ending}", pack(TSV), ("de", "en"), 1)
    assert (unit.first, unit.pairs) == (1, 20)
    assert read_pairs[0] == (1, b"t0", b"s0")
    text = b"".join(json.dumps({"source": f"s{at}", "target": f"t{at}"}).encode() + b"\n" for at in range(9))
    [unit], read_pairs = pairs(f"a.jsonl{ending}", pack(text), block_bytes=1)
    assert read_pairs == [(at, b"s%d" % at, b"t%d" % at) for at in range(9)]


def test_a_missing_column_is_named(pairs):
    with pytest.raises(
        UserError, match=r"^--pairs: expected a column 'fr', received '.*a\.tsv' with id, en, de in its"
    ):
        pairs("a.tsv", TSV, ("en", "fr"))
    with pytest.raises(UserError, match=r"expected at least 4 columns, received line 1 of '.*a\.tsv' with 3; mend"):
        pairs("a.tsv", TSV, ("2", "4"))


# It is told before the job begins, but where tabs of other lines make up for it.
@pytest.mark.parametrize(("before", "other"), [(20, b"s\tt\tu\n"), (2000, b""), (2000, b"s\tt\tu\n")])
def test_a_line_without_a_column_is_named(tmp_path, before, other):
    (tmp_path / "a.tsv").write_bytes(b"en\tde\n" + b"s\tt\n" * before + b"x\n" + other)
    found = inputs(paired([str(tmp_path / "a.tsv")], "en", "de"))
    message = rf"^--pairs: expected at least 2 columns, received line {before + 2} of '.*a\.tsv' with 1; mend"
    if before == 20 or not other:
        with pytest.raises(UserError, match=message):
            units(found, 100)
    else:
        [last] = units(found, 1 << 20)
        with pytest.raises(UserError, match=message):
            [*read(last)]


def test_an_empty_file_has_no_unit(pairs):
    assert pairs("a.tsv", b"") == pairs("a.jsonl", b"") == ([], [])
    assert pairs("a.tsv", b"en\tde\n", ("en", "de")) == ([], [])


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_fields_of_json(pairs, block_bytes):
    text = (
        b'\xef\xbb\xbf{"translation": {"en": "a\\nb", "de": "\\u00fc\\ud83d\\ude00"}, "x": [1]}\r\n\n'
        b'{"translation": {"en": null, "de": ""}}\n{"translation.en": "dotted", "translation": {"de": "d"}}'
    )
    assert pairs("a.jsonl", text, ("translation.en", "translation.de"), block_bytes)[1] == [
        (0, b"a\nb", "ü😀".encode()),
        (1, b"", b""),
        (2, b"", b""),
        (3, b"dotted", b"d"),
    ]


def test_bytes_that_are_no_utf8_stay(pairs):
    text = b'{"source": "a\xff", "target": "\\ud83d"}\n'
    [(_, source, target)] = pairs("a.jsonl", text)[1]
    assert source == b"a\xff"
    with pytest.raises(UnicodeDecodeError):
        target.decode()
    assert pairs("a.tsv", b"a\xff\tb\n")[1] == [(0, b"a\xff", b"b")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"t": {"en": "x"}}', "with 't.de', received line 2002 of '.*' without it;"),
        (b'{"t": {"en": "x", "de": "y', r"received line 2002 of '.*' \(Unterminated string"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_late_line_that_lacks_something_is_named_before_the_job(pairs, line, message, pack):
    text = b'{"t": {"en": "x", "de": "{y}"}}\n' * 2000 + b"\n"
    # A line that lacks all is an empty pair, and no mistake.
    assert len(pairs("a.jsonl", pack(text), ("t.en", "t.de"))[1]) == 2001
    with pytest.raises(UserError, match=f"^--pairs: expected a JSON object.*{message}"):
        units(inputs(paired([pairs.write("a.jsonl", pack(text + line))], "t.en", "t.de")))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"source": "x"}', "a JSON object with 'target', received line 2 of '.*' without it;"),
        (b'["source"]', "a JSON object with 'source', received line 2 of '.*' without it;"),
        (b'{"source": "x", "target": 5}', "text in 'target', received line 2 of '.*' with a number;"),
        (b'{"source": "x", "target": false}', "text in 'target', received line 2 of '.*' with true or false;"),
        (b'{"source": "x", "target": ["secret"]}', "text in 'target', received line 2 of '.*' with a list;"),
        (b'{"source": "x", "target": {"a": "secret"}}', "text in 'target', received line 2 of '.*' with an object;"),
        (b'{"source": "x", "target": ', r"a JSON object, received line 2 of '.*' \(Expecting value"),
        (b"[" * 200_000, r"a JSON object, received line 2 of '.*' \(maximum recursion"),
    ],
)
def test_a_line_without_the_fields_is_named(pairs, line, message):
    with pytest.raises(UserError, match=f"^--pairs: expected {message}"):
        pairs("a.jsonl", b'{"source": "x", "target": "y"}\n' + line + b"\n")
