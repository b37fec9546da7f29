import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.corpora.corpus import paired
from pipeline.corpora.inputs import inputs
from pipeline.corpora.readers import first, read, units
from pipeline.errors import UserError

SOURCE = [f"s{at}" for at in range(10)]
TARGET = [f"t{at}" for at in range(10)]


def write(path, columns, row_group_size=None):
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return str(path)


def pairs(path, fields=(None, None), block_bytes=1 << 20):
    cut = units(inputs(paired([path], *fields)), block_bytes)
    read_pairs = [tuple(pair[1:]) for unit in cut for pair in read(unit)]
    assert sum(unit.pairs for unit in cut) == len(read_pairs)
    return cut, read_pairs


@pytest.mark.parametrize(("block_bytes", "count"), [(1, 4), (1 << 20, 1)])
def test_row_groups_are_units(tmp_path, block_bytes, count):
    path = write(tmp_path / "a.parquet", {"id": range(10), "source": SOURCE, "target": TARGET}, 3)
    cut, read_pairs = pairs(path, block_bytes=block_bytes)
    assert len(cut) == count
    assert read_pairs == [(at, b"s%d" % at, b"t%d" % at) for at in range(10)]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_kinds_of_text(tmp_path, kind):
    columns = {"en": pa.array(["x", None, "ü"], pa.string()).cast(kind), "de": pa.array(["a", "b", ""])}
    path = write(tmp_path / "a.parquet", columns)
    assert pairs(path, ("en", "de"))[1] == [(0, b"x", b"a"), (1, b"", b"b"), (2, "ü".encode(), b"")]


def test_columns_inside_others(tmp_path):
    rows = [{"en": "x", "de": "y"}, None, {"en": "z", "de": None}]
    path = write(tmp_path / "a.parquet", {"id": [1, 2, 3], "translation": rows, "a.b": ["p", "q", "r"]})
    assert pairs(path, ("translation.en", "translation.de"))[1] == [(0, b"x", b"y"), (1, b"", b""), (2, b"z", b"")]
    assert pairs(path, ("translation.de", "a.b"))[1] == [(0, b"y", b"p"), (1, b"", b"q"), (2, b"", b"r")]


def test_bytes_that_are_no_utf8_stay(tmp_path):
    odd = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff"))
    path = write(tmp_path / "a.parquet", {"source": odd, "target": ["x"]})
    assert pairs(path)[1] == [(0, b"a\xff", b"x")]


def test_the_first_pairs_alone(tmp_path):
    path = write(tmp_path / "a.parquet", {"source": SOURCE, "target": TARGET}, 3)
    assert [pair.source for pair in first(inputs(paired([path, path])), 12)] == [
        s.encode() for s in SOURCE + SOURCE[:2]
    ]


def test_a_file_without_rows_has_no_pair(tmp_path):
    path = write(tmp_path / "a.parquet", {"source": pa.array([], pa.string()), "target": pa.array([], pa.string())})
    assert pairs(path)[1] == []


@pytest.mark.parametrize("field", ["text", "source.en", "ids.id"])
def test_a_missing_column_is_named(tmp_path, field):
    path = write(tmp_path / "a.parquet", {"source": SOURCE, "target": TARGET})
    message = rf"^--pairs: expected a column '{field}', received '.*a\.parquet' with source, target;"
    with pytest.raises(UserError, match=message):
        pairs(path, (field, "target"))


@pytest.mark.parametrize("column", [[1, 2], [["x"], ["y"]], [{"en": "x"}, {"en": "y"}], [None, None]])
def test_a_column_that_is_no_text_is_named(tmp_path, column):
    path = write(tmp_path / "a.parquet", {"source": column, "target": ["u", "v"]})
    with pytest.raises(
        UserError, match=r"^--pairs: expected text in the column 'source', received '.*a\.parquet' with"
    ):
        pairs(path)


@pytest.mark.parametrize("damage", [lambda data: data[:-10], lambda data: b"", lambda data: b"PAR1 no more PAR1"])
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "a.parquet"
    write(path, {"source": SOURCE, "target": TARGET})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"^--pairs: expected a .*, received '.*a\.parquet' \("):
        pairs(str(path))
