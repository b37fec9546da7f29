"""Scripts of the world (UAX 24): which one a language is written in, and how many letters of it a text has."""

import functools
import re
import string
import sys
from collections.abc import Callable

import regex
from babel.core import get_global

# ISO 15924 names these mixtures by a code of their own.
_MIXED = {
    "Hanb": ("Hani", "Bopo"),
    "Hans": ("Hani",),
    "Hant": ("Hani", "Bopo"),
    "Hrkt": ("Hira", "Kana"),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}
_SCRIPT, _REGION = re.compile("[A-Z][a-z]{3}"), re.compile("[A-Z]{2}|[0-9]{3}")
_NAME = re.compile("[A-Za-z]+(?:[ _-][A-Za-z]+)*")
WITHOUT_SPACES = ("Han", "Hiragana", "Katakana", "Bopomofo", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan", "Yi")
_LATIN = {"Latin", "Latn"}
_NO_ASCII_LETTERS = bytes(byte for byte in range(256) if chr(byte) not in string.ascii_letters)
_HIGH = "\U00010000"


def scripts_of(language: str) -> tuple[str, ...]:
    """The scripts that a language is written in.

    Args:
        language: A tag (BCP 47). Without a script in it, CLDR's likely one of the language, in the region if the tag
            has one.

    Returns:
        Unicode's names or codes of scripts; none if CLDR does not know the language.
    """
    name, *rest = language.split("-")
    script = next(filter(_SCRIPT.fullmatch, rest), None)
    if script is None:
        region = next(filter(_REGION.fullmatch, rest), None)
        likely = get_global("likely_subtags")
        full = likely.get(f"{name}_{region}") or likely.get(name, "")
        script = next(filter(_SCRIPT.fullmatch, full.split("_")), None)
    return _MIXED.get(script, (script,)) if script else ()


def is_script(name: str) -> bool:
    """Whether Unicode knows a script by that name or code."""
    try:
        return bool(_NAME.fullmatch(name) and regex.compile(rf"\p{{Script={name}}}"))
    except regex.error:
        return False


@functools.cache
def _every_character() -> str:
    # No letter is defined beyond this plane. A space stands for the surrogates, which are no characters.
    return "".join(" " if 0xD800 <= point <= 0xDFFF else chr(point) for point in range(0x40000))


@functools.cache
def runs(members: str) -> re.Pattern[str]:
    """Compiles what matches each run of some characters.

    Python's own `re` finds them several times faster than `regex` does, but does not know Unicode's properties.

    Args:
        members: A set of characters in the syntax of `regex`, version 1, such as `\\p{Script=Thai}`.
    """
    found = regex.compile(rf"(?V1)[{members}]+").findall(_every_character())
    ranges = [(re.escape(run[0]), re.escape(run[-1])) for run in found]
    low = "".join(f"{first}-{last}" for first, last in ranges if last < _HIGH)
    high = "".join(f"{first}-{last}" for first, last in ranges if last >= _HIGH)
    # A set that reaches beyond 16 bits is searched range by range; so it is asked of such characters alone.
    parts = ([f"[{low}]+"] if low else []) + ([rf"(?=[{_HIGH}-{chr(sys.maxunicode)}])[{high}]+"] if high else [])
    return re.compile("|".join(parts))


@functools.cache
def letters(scripts: tuple[str, ...] = ()) -> re.Pattern[str]:
    """Matches each run of letters (Unicode's property Alphabetic), or of those of some scripts."""
    if not scripts:
        return runs(r"\p{Alphabetic}")
    return runs(rf"\p{{Alphabetic}}&&[{_any_of(scripts)}]")


@functools.cache
def letters_with_a_script() -> re.Pattern[str]:
    """Matches each run of letters that belong to a single script, unlike the Japanese sign of a long vowel."""
    return runs(rf"\p{{Alphabetic}}--[{_any_of(('Common', 'Inherited'))}]")


def count(pattern: re.Pattern[str], text: str) -> int:
    """How many characters of a text are in the runs of a pattern."""
    return len("".join(pattern.findall(text)))


def least_letters(scripts: tuple[str, ...]) -> Callable[[str], int]:
    """Makes what counts letters of some scripts fast: a number that is not above the true one, and seldom far below it.

    Args:
        scripts: The scripts; without any, those of all are counted.
    """
    if not scripts or _LATIN & set(scripts):
        return _ascii_letters
    return functools.partial(count, letters(scripts))


def without_spaces(text: str) -> bool:
    """Whether most letters of a text are of a script that puts no spaces between words."""
    if text.isascii():
        return False
    twice = 2 * count(letters(WITHOUT_SPACES), text)
    return twice > len(text) or twice > count(letters(), text)


def _ascii_letters(text: str) -> int:
    return len(text.encode().translate(None, _NO_ASCII_LETTERS))


def _any_of(scripts: tuple[str, ...]) -> str:
    return "".join(rf"\p{{Script={script}}}" for script in scripts)
