"""Parquet files of which each row holds a pair."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.corpora.filesystems import open_stored
from pipeline.corpora.inputs import Input
from pipeline.corpora.units import RawPair, Unit
from pipeline.errors import UserError
from pipeline.lines import readable

_ROWS = 4096


@contextlib.contextmanager
def _opened(option: str, path: str) -> Iterator[pq.ParquetFile]:
    try:
        with readable(option, path), open_stored(path) as stored, pq.ParquetFile(stored) as file:
            yield file
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{option}: expected a Parquet file, received {path!r} ({reason}); give another file") from None


def whole(one: Input) -> Unit:
    """A file as one unit.

    Raises:
        UserError: The file cannot be read, or lacks a column of text.
    """
    [found], option = one.files, one.corpus.option
    with _opened(option, found.path) as file:
        for field in one.fields:
            _check(one, file.schema_arrow, field)
        rows = file.metadata.num_rows
    return Unit(one.number, one.corpus.weight, one.format, (found.path,), one.fields, 0, rows, (), option)


def _check(one: Input, schema: pa.Schema, field: str) -> None:
    kind: Any = pa.struct(list(schema))
    for name in _path(schema, field):
        at = kind.get_field_index(name) if kind is not None and pa.types.is_struct(kind) else -1
        kind = kind.field(at).type if at >= 0 else None
    if kind is None:
        raise UserError(
            f"{one.corpus.option}: expected a column {field!r}, received {one.name!r} with {', '.join(schema.names)};"
            " change --source-field or --target-field"
        )
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not any(pa.types.is_string(kind) or test(kind) for test in (pa.types.is_large_string, pa.types.is_string_view)):
        raise UserError(
            f"{one.corpus.option}: expected text in the column {field!r}, received {one.name!r} with {kind};"
            " change --source-field or --target-field"
        )


def _path(schema: pa.Schema, field: str) -> list[str]:
    return [field] if field in schema.names else field.split(".")


def units(one: Input, block_bytes: int) -> list[Unit]:
    """Divides a file between its row groups, small ones taken together.

    Raises:
        UserError: The file cannot be read, or lacks a column of text.
    """
    unit = whole(one)
    with _opened(unit.option, unit.paths[0]) as file:
        groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
        ends = list(itertools.accumulate(group.total_byte_size for group in groups))
    divided, first = [], 0
    for _, members in itertools.groupby(range(len(groups)), key=lambda number: ends[number] // block_bytes):
        numbers = list(members)
        pairs = sum(groups[number].num_rows for number in numbers)
        size = sum(_size(groups[number], unit.fields) for number in numbers)
        divided.append(unit._replace(first=first, pairs=pairs, parts=((numbers[0], numbers[-1] + 1),), size=size))
        first += pairs
    return divided


def _size(group: pq.RowGroupMetaData, fields: tuple[str, str]) -> int:
    """About how many bytes the texts of a row group have; fewer where a column repeats its texts."""
    columns = map(group.column, range(group.num_columns))
    return sum(column.total_uncompressed_size for column in columns if column.path_in_schema in fields)


def read(unit: Unit) -> Iterator[RawPair]:
    """Yields a unit's pairs, few rows in memory at once; what is null is empty."""
    [path] = unit.paths
    with _opened(unit.option, path) as file:
        begin, end = unit.parts[0] if unit.parts else (0, file.num_row_groups)
        batches = file.iter_batches(_ROWS, row_groups=range(begin, end), columns=list(unit.fields))
        sides = (zip(*(_texts(batch, field) for field in unit.fields), strict=True) for batch in batches)
        for line, (source, target) in enumerate(itertools.chain.from_iterable(sides), unit.first):
            yield RawPair(unit.file, line, source or b"", target or b"")


def _texts(batch: pa.RecordBatch, field: str) -> list[bytes | None]:
    first, *inner = _path(batch.schema, field)
    column = batch.column(first)
    if inner:
        column = pc.struct_field(column, inner)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    # As text, a byte that is not UTF-8 would be an error of the whole.
    return column.cast(pa.large_binary()).to_pylist()
