"""Cleaning: which rules are asked of a pair, and in which order."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from pipeline.cleaning import content_rules, length_rules, optional_rules
from pipeline.cleaning.config import ALWAYS_ON, RULES, CleaningConfig
from pipeline.cleaning.language_rule import language_rule
from pipeline.cleaning.normalization import normalizer
from pipeline.cleaning.scripts import least_letters, scripts_of
from pipeline.cleaning.sides import Broken, Sides, sides

__all__ = ["RULES", "Clean", "Rejected", "cleaner", "packages"]

Rule = Callable[[Sides], Broken | None]
# A line of megabytes need not be told whole: its place in the file is.
_MOST_TOLD = 10_000


class Clean(NamedTuple):
    """A pair that no rule rejects, normalized."""

    source: str
    target: str


class Rejected(NamedTuple):
    """A pair that is not learned from.

    Attributes:
        rule: The first of `RULES` that rejects it.
        value: What was measured, if something was.
        threshold: What it would have had to reach, or not to exceed.
        source: The source as it was read; what is no UTF-8 of it as `\\xff`. After 10,000 characters it is cut.
        target: The target, likewise.
    """

    rule: str
    value: float | None
    threshold: float | None
    source: str
    target: str


def cleaner(
    config: CleaningConfig, source_language: str | None = None, target_language: str | None = None
) -> Callable[[bytes, bytes], Clean | Rejected]:
    """Makes the function that cleans a pair; it loads what the rules need, and cannot be pickled.

    Args:
        config: The rules' thresholds.
        source_language: The source language's tag (BCP 47); without it, its script and language are not looked at.
        target_language: The target language's.

    Returns:
        A pure function of the bytes of two lines.

    Raises:
        UserError: The rule `language` is wanted, and a language is not given, or not among those it knows.
    """
    asked = rules(config, source_language, target_language)
    letters = [least_letters(scripts) for scripts in _scripts(config, source_language, target_language)]
    normal = normalizer(config)

    def clean(raw_source: bytes, raw_target: bytes) -> Clean | Rejected:
        try:
            source, target = raw_source.decode(), raw_target.decode()
        except UnicodeDecodeError:
            return _reject(ALWAYS_ON, Broken(), raw_source, raw_target)
        source, target = normal(source), normal(target)
        pair = sides(source, target, *letters)
        for name, rule in asked:
            broken = rule(pair)
            if broken is not None:
                return _reject(name, broken, raw_source, raw_target)
        return Clean(source, target)

    return clean


def rules(
    config: CleaningConfig, source_language: str | None = None, target_language: str | None = None
) -> list[tuple[str, Rule]]:
    """The rules that are asked of a pair of texts, by name and in order.

    Args:
        config: Their thresholds.
        source_language: The source language's tag (BCP 47), if it is told.
        target_language: The target language's.
    """
    source_scripts, target_scripts = _scripts(config, source_language, target_language)
    by_name: dict[str, Rule] = {
        "empty": length_rules.empty,
        "characters": partial(length_rules.characters, most=config.max_characters),
        "words": partial(length_rules.words, least=config.min_words, most=config.max_words),
        "characters_ratio": partial(length_rules.characters_ratio, most=config.max_ratio),
        "longest_word": length_rules.longest_word(config.max_word_length),
        "identical": content_rules.identical,
        "letters": partial(content_rules.letters, least=config.min_letters),
    }
    if source_scripts or target_scripts:
        by_name["script"] = partial(
            content_rules.script, least=config.min_script, source=source_scripts, target=target_scripts
        )
    if config.min_numerals is not None:
        by_name["numerals"] = partial(optional_rules.numerals, least=config.min_numerals)
    if config.min_punctuation is not None:
        by_name["punctuation"] = partial(optional_rules.punctuation, least=config.min_punctuation)
    if config.max_repetitions is not None:
        by_name["repetition"] = optional_rules.repetition(config.max_repetitions)
    if config.max_urls is not None:
        by_name["urls"] = partial(optional_rules.urls, most=config.max_urls)
    if config.min_language is not None and "language" not in config.off:
        by_name["language"] = language_rule(config.min_language, source_language, target_language)
    return [(name, by_name[name]) for name in RULES if name in by_name and name not in config.off]


def packages(config: CleaningConfig) -> list[str]:
    """The packages whose versions decide about what is kept, beside Python's."""
    asks = config.min_language is not None
    return ["babel", "regex", *(["ftfy"] if config.ftfy else []), *(["py3langid"] if asks else [])]


def _scripts(
    config: CleaningConfig, source_language: str | None, target_language: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (
        config.source_scripts or (scripts_of(source_language) if source_language else ()),
        config.target_scripts or (scripts_of(target_language) if target_language else ()),
    )


def _reject(rule: str, broken: Broken, raw_source: bytes, raw_target: bytes) -> Rejected:
    return Rejected(rule, broken.value, broken.threshold, _told(raw_source), _told(raw_target))


def _told(raw: bytes) -> str:
    # A character has four bytes at most; what is cut off within one is not told at all.
    text = raw[: 4 * _MOST_TOLD].decode(errors="backslashreplace")
    return text if len(text) <= _MOST_TOLD and len(raw) <= 4 * _MOST_TOLD else text[:_MOST_TOLD]
