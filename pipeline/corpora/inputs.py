"""The files of corpora, found and named."""

import itertools
import os
import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from tqdm import tqdm

from pipeline.corpora.corpus import Corpus
from pipeline.corpora.filesystems import StoredFile, find
from pipeline.corpora.pairing import unlike
from pipeline.errors import UserError

LINES, SENTENCES, TSV, JSONL, PARQUET, TMX = "lines", "sentences", "tsv", "jsonl", "parquet", "tmx"
_ENDINGS = {".tsv": TSV, ".jsonl": JSONL, ".ndjson": JSONL, ".parquet": PARQUET, ".tmx": TMX}
_COMPRESSED = re.compile(r"\.(gz|bz2|xz|zst|zstd)$", re.IGNORECASE)
_TOLD = 5
_FIELDS: dict[str, tuple[str | None, str | None]] = {
    LINES: ("", ""),
    TSV: ("1", "2"),
    JSONL: ("source", "target"),
    PARQUET: ("source", "target"),
    TMX: (None, None),
}


class Input(NamedTuple):
    """A file of pairs, or two parallel text files.

    Attributes:
        number: Its place among all of the job's inputs.
        corpus: The corpus to which it belongs.
        format: `lines`, `sentences`, `tsv`, `jsonl`, `parquet` or `tmx`.
        files: One file, or two.
        fields: Where the two sides stand, as `Corpus` has it; empty for text files.
    """

    number: int
    corpus: Corpus
    format: str
    files: tuple[StoredFile, ...]
    fields: tuple[str, str] = ("", "")

    @property
    def name(self) -> str:
        """What reports call it: `a.tsv`, or `a.en|a.de`."""
        return "|".join(file.path for file in self.files)


def inputs(corpora: Sequence[Corpus], languages: tuple[str | None, str | None] = (None, None)) -> list[Input]:
    """Finds the files of corpora, in the order in which they are named, those of a pattern sorted by path.

    Args:
        corpora: What is to be read.
        languages: The source's and the target's language, for a TMX file of a corpus that names none.

    Raises:
        UserError: A file is missing, is a folder, is of an unknown format or lacks a parallel file.
    """
    found: list[Input] = []
    for corpus in corpora:
        for source, target in zip(corpus.source, corpus.target, strict=True):
            for files in _parallel(corpus.option, source, target):
                found.append(Input(len(found), corpus, LINES, files))
        for pattern in corpus.pairs:
            for file in find(corpus.option, pattern):
                kind = _format(corpus.option, file.path)
                fields = _fields(corpus, kind, languages, file.path)
                found.append(Input(len(found), corpus, kind, (file,), fields))
    return found


def excluded_inputs(corpus: Corpus, languages: tuple[str | None, str | None] = (None, None)) -> list[Input]:
    """Finds files of sentences: those whose names end as those of pairs do hold both sides, any other is text.

    Args:
        corpus: The files, as its `pairs`.
        languages: The source's and the target's language, for a TMX file.

    Raises:
        UserError: A file is missing, is a folder, or is a packed Parquet file.
    """
    found: list[Input] = []
    for file in itertools.chain.from_iterable(find(corpus.option, pattern) for pattern in corpus.pairs):
        if _ending(file.path) in _ENDINGS:
            kind = _format(corpus.option, file.path)
            found.append(Input(len(found), corpus, kind, (file,), _fields(corpus, kind, languages, file.path)))
        else:
            found.append(Input(len(found), corpus, SENTENCES, (file,)))
    return found


def _parallel(option: str, source: str, target: str) -> list[tuple[StoredFile, StoredFile]]:
    found = find(option, source), find(option, target)
    if len(found[0]) != len(found[1]):
        raise UserError(
            f"{option}: expected as many target files as source files, received {source!r}, which names"
            f" {len(found[0])}, and {target!r}, which names {len(found[1])}; name each with its translation"
        )
    pairs = list(zip(*found, strict=True))
    if len(pairs) > 1:
        _tell_unlike(option, pairs)
    return pairs


def _tell_unlike(option: str, pairs: list[tuple[StoredFile, StoredFile]]) -> None:
    """Tells on stderr which files of patterns are paired though their names are no reason to."""
    names = [(_COMPRESSED.sub("", source.path), _COMPRESSED.sub("", target.path)) for source, target in pairs]
    if odd := unlike(names):
        told = ", ".join(f"{pairs[place][0].path!r} with {pairs[place][1].path!r}" for place in odd[:_TOLD])
        more = f" and {len(odd) - _TOLD} more" if len(odd) > _TOLD else ""
        tqdm.write(f"nmt: note: {option}: paired in the order of their names: {told}{more}", sys.stderr)


def _ending(path: str) -> str:
    return os.path.splitext(_COMPRESSED.sub("", path))[1].lower()


def _format(option: str, path: str) -> str:
    kind = _ENDINGS.get(_ending(path))
    if kind is None:
        raise UserError(
            f"{option}: expected a name that ends with {', '.join(_ENDINGS)}, perhaps with .gz, .bz2, .xz or .zst after"
            f" it, received {path!r}; rename the file"
        )
    if kind == PARQUET and _COMPRESSED.search(path):
        raise UserError(
            f"{option}: expected a Parquet file as it is, received {path!r}; unpack it, as it is compressed inside"
        )
    return kind


def _fields(corpus: Corpus, kind: str, languages: tuple[str | None, str | None], path: str) -> tuple[str, str]:
    defaults = languages if kind == TMX else _FIELDS[kind]
    source, target = corpus.source_field or defaults[0], corpus.target_field or defaults[1]
    if not source or not target:
        raise UserError(
            f"{corpus.option}: expected the languages of {path!r}; give --source-field and --target-field,"
            " or --source-language and --target-language"
        )
    for field in (source, target):
        if kind == TSV and field.isdecimal() and int(field) < 1:
            raise UserError(
                f"{corpus.option}: expected a column's number from 1 on, received {field!r} for {path!r}; change"
                " --source-field or --target-field"
            )
    return source, target
