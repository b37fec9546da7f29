"""Text files of which each line holds a pair: TSV and JSONL."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.corpora.filesystems import read_lines
from pipeline.corpora.inputs import TSV, Input
from pipeline.corpora.newlines import divided, index_newlines, lines_of
from pipeline.corpora.units import RawPair, Unit
from pipeline.errors import UserError
from pipeline.lines import readable

_FIRST_LINES = 1000
_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
Parse = Callable[[bytes], tuple[bytes, bytes]]


class _Unfit(ValueError):
    """A line does not hold a pair; the message goes on after `received line 7 of 'a.tsv'`."""


def whole(one: Input) -> Unit:
    """A file as one unit whose pairs are not counted yet.

    Raises:
        UserError: The file cannot be read, or its first line names no such column.
    """
    [file] = one.files
    fields, first = one.fields, 0
    if one.format == TSV and not all(field.isdecimal() for field in fields):
        with readable(one.corpus.option, file.path):
            header = next(read_lines(file.path), b"")
        names = header.decode("utf-8", "replace").split("\t")
        fields, first = (_column(one, names, fields[0]), _column(one, names, fields[1])), 1
    return Unit(one.number, one.corpus.weight, one.format, (file.path,), fields, first, 0, (), one.corpus.option)


def _column(one: Input, names: list[str], field: str) -> str:
    if field.isdecimal():
        return field
    if field not in names:
        raise UserError(
            f"{one.corpus.option}: expected a column {field!r}, received {one.name!r} with {', '.join(names)} in its"
            " first line; change --source-field or --target-field"
        )
    return str(names.index(field) + 1)


def _marks(one: Input) -> list[bytes]:
    """What each line holds as often as the first one does, or it lacks something or is another kind of line."""
    if one.format == TSV:
        return [b"\t"]
    names = dict.fromkeys(field.split(".")[-1] for field in one.fields)
    return [b"}", *(json.dumps(name, ensure_ascii=False).encode() for name in names)]


def units(one: Input, block_bytes: int) -> list[Unit]:
    """Divides a file into blocks of lines, or makes one unit of it if it is compressed.

    Raises:
        UserError: The file cannot be read to its end, or a line does not hold both sides: one of the first, or one that
            makes tabs or names of fields too few for the count of lines.
    """
    unit, marks = whole(one), _marks(one)
    with readable(unit.option, one.name):
        index = index_newlines(unit.paths[0], marks)
        first = next(read_lines(unit.paths[0]), b"")
        whole_lines = all(
            count >= index.lines * first.count(mark) for mark, count in zip(marks, index.marks, strict=True)
        )
        # Wrong fields are told at once. Where no line seems to lack one, each is parsed once, by the workers.
        for _ in itertools.islice(read(unit), _FIRST_LINES if whole_lines else None):
            pass
    return divided(unit, [index], block_bytes)


def read(unit: Unit) -> Iterator[RawPair]:
    """Yields a unit's pairs; an empty line is an empty pair.

    Raises:
        UserError: A line does not hold both sides.
    """
    [path] = unit.paths
    parse = parse_tsv(*unit.fields) if unit.format == TSV else parse_json(*unit.fields)
    for number, line in enumerate(lines_of(unit), unit.first):
        try:
            source, target = parse(line) if line else (b"", b"")
        except _Unfit as error:
            raise UserError(
                f"{unit.option}: expected {error.args[0]}, received line {number + 1} of {path!r} {error.args[1]};"
                " mend the line, or change --source-field or --target-field"
            ) from None
        yield RawPair(unit.file, number, source, target)


def parse_tsv(source_field: str, target_field: str) -> Parse:
    """Reads two columns between tabs, as `cut -f` does: no quotes, nothing escaped.

    Args:
        source_field: The source's column, from 1 on.
        target_field: The target's.

    Returns:
        A function of a line.
    """
    source, target = int(source_field) - 1, int(target_field) - 1
    least = max(source, target) + 1

    def parse(line: bytes) -> tuple[bytes, bytes]:
        columns = line.split(b"\t", least)
        if len(columns) < least:
            raise _Unfit(f"at least {least} columns", f"with {len(columns)}")
        return columns[source], columns[target]

    return parse


def parse_json(source_field: str, target_field: str) -> Parse:
    """Reads two texts of a JSON object; null is an empty text.

    A byte that is not UTF-8 stays in its text, for the cleaning to tell.

    Args:
        source_field: The source's field, `a.b` for one inside another.
        target_field: The target's.

    Returns:
        A function of a line.
    """

    def parse(line: bytes) -> tuple[bytes, bytes]:
        try:
            record = json.loads(line.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError) as error:
            raise _Unfit("a JSON object", f"({error})") from None
        return _text(record, source_field), _text(record, target_field)

    return parse


def _text(record: Any, field: str) -> bytes:
    value = record
    for name in [field] if isinstance(record, dict) and field in record else field.split("."):
        if not isinstance(value, dict) or name not in value:
            raise _Unfit(f"a JSON object with {field!r}", "without it")
        value = value[name]
    if value is None:
        return b""
    if not isinstance(value, str):
        # A message may be read by more people than the text.
        raise _Unfit(f"text in {field!r}", f"with {_KINDS[type(value)]}")
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Half of a surrogate pair is no text, and cleaning finds no UTF-8 in it.
        return value.encode("utf-8", "surrogatepass")
