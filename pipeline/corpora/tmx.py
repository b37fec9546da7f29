"""TMX files: translation memories, read as a stream (TMX 1.4b specification, GALA 2005)."""

import xml.parsers.expat
from collections.abc import Iterator
from typing import Any

from pipeline.corpora.filesystems import open_text
from pipeline.corpora.inputs import Input
from pipeline.corpora.units import RawPair, Unit
from pipeline.errors import UserError
from pipeline.lines import readable

_BLOCK = 1 << 18
# What stands in them are a file's own codes, no text.
_CODES = {"bpt", "ept", "it", "ph", "ut"}


def whole(one: Input) -> Unit:
    """A file as one unit whose pairs are not counted yet."""
    paths = (one.files[0].path,)
    return Unit(one.number, one.corpus.weight, one.format, paths, one.fields, 0, 0, (), one.corpus.option)


def units(one: Input, block_bytes: int) -> list[Unit]:
    """A file as one unit, after it has been read to its end.

    Args:
        one: The file.
        block_bytes: Of no use here: a stream of XML has no place to begin but its beginning.

    Raises:
        UserError: The file cannot be read, is not well-formed or lacks a language.
    """
    unit, pairs, languages = whole(one), 0, set()

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal pairs
        pairs += name == "tu"
        if name == "tuv":
            languages.add(_language(attributes))

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = start
    with readable(unit.option, one.name):
        for _ in _parsed(unit, parser):
            pass
    for language in one.fields:
        if pairs and not any(_is_of(found, language) for found in languages):
            raise UserError(
                f"{unit.option}: expected texts in {language!r}, received {one.name!r} with"
                f" {', '.join(sorted(languages)) or 'no language'}; change --source-field or --target-field"
            )
    return [unit._replace(pairs=pairs, size=parser.CurrentByteIndex)] if pairs else []


def read(unit: Unit) -> Iterator[RawPair]:
    """Yields a pair for each translation unit, `line` being its number; a side without a text is empty.

    Raises:
        UserError: The file is not well-formed.
    """
    return _Memory(*unit.fields).read(unit)


def _is_of(found: str, wanted: str) -> bool:
    """Whether `en-us` is of the language `en`."""
    return found == _normal(wanted) or found.startswith(f"{_normal(wanted)}-")


def _normal(language: str) -> str:
    return language.lower().replace("_", "-")


def _language(attributes: dict[str, str]) -> str:
    return _normal(attributes.get("xml:lang") or attributes.get("lang") or "")


def _parsed(unit: Unit, parser: xml.parsers.expat.XMLParserType) -> Iterator[bool]:
    """Parses a unit's file; tells after each block whether more follow."""
    with open_text(unit.paths[0]) as file:
        more = True
        while more:
            block = file.read(_BLOCK)
            more = bool(block)
            try:
                parser.Parse(block, not more)
            except xml.parsers.expat.ExpatError as error:
                raise UserError(
                    f"{unit.option}: expected a well-formed TMX file, received {unit.paths[0]!r} ({error});"
                    " mend it, or give another file"
                ) from None
            except (ValueError, LookupError) as error:
                # As Expat's module says it of an encoding that it does not know.
                raise UserError(
                    f"{unit.option}: expected a TMX file in UTF-8, UTF-16 or an encoding of one byte a character,"
                    f" received {unit.paths[0]!r} ({error}); write it in UTF-8, and so in its first line"
                ) from None
            yield more


class _Memory:
    """Takes the events of a parser and keeps what belongs to the pair that is being read.

    Args:
        fields: The source's and the target's language.
    """

    def __init__(self, *fields: str):
        self._fields = fields
        self._pairs: list[list[str | None]] = []
        self._side: int | None = None
        self._text: list[str] | None = None
        self._codes = 0

    def read(self, unit: Unit) -> Iterator[RawPair]:
        parser = xml.parsers.expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        # Of a document type that is in another file, which is not read.
        parser.SkippedEntityHandler = lambda name, is_parameter: self._characters("" if is_parameter else f"&{name};")
        line = 0
        for more in _parsed(unit, parser):
            # The last one goes on in the next block.
            done = max(len(self._pairs) - more, 0)
            for source, target in self._pairs[:done]:
                yield RawPair(unit.file, line, (source or "").encode(), (target or "").encode())
                line += 1
            del self._pairs[:done]

    def _start(self, name: str, attributes: dict[str, Any]) -> None:
        if self._text is not None:
            self._codes += name in _CODES
        elif name == "seg" and self._side is not None:
            self._text = []
        elif name == "tuv":
            side = self._side_of(_language(attributes))
            self._side = side if self._pairs and side is not None and self._pairs[-1][side] is None else None
        elif name == "tu":
            self._pairs.append([None, None])

    def _side_of(self, language: str) -> int | None:
        """The side of a language: of `pt` and `pt-BR`, the second is that of `pt-br`."""
        wanted = [_normal(field) for field in self._fields]
        if language in wanted:
            return wanted.index(language)
        return next((at for at, field in enumerate(wanted) if _is_of(language, field)), None)

    def _end(self, name: str) -> None:
        if name == "seg" and self._text is not None and self._side is not None:
            self._pairs[-1][self._side] = "".join(self._text)
            self._text = self._side = None
        elif name in _CODES and self._text is not None:
            self._codes -= 1

    def _characters(self, text: str) -> None:
        if self._text is not None and not self._codes:
            self._text.append(text)
