"""Settings that were given and that nobody would read: refused, as what they ask for would not be done.

A value that is the default's says nothing that is not so.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

from pipeline.config import PreprocessConfig
from pipeline.errors import UserError

_OF_LEARNING = (
    *("vocab_size", "joint_vocabulary", "model_type"),
    *("character_coverage", "subword_sample", "subword_threads"),
)
_OF_RULES = {
    "characters": ("max_characters",),
    "words": ("min_words", "max_words"),
    "characters_ratio": ("max_ratio",),
    "longest_word": ("max_word_length",),
    "letters": ("min_letters",),
    "script": ("min_script", "source_scripts", "target_scripts"),
    "numerals": ("min_numerals",),
    "punctuation": ("min_punctuation",),
    "repetition": ("max_repetitions",),
    "urls": ("max_urls",),
    "language": ("min_language",),
}


def refuse_unread(config: PreprocessConfig) -> None:
    """Refuses a setting of which another one takes away the use.

    Raises:
        UserError: There is one.
    """
    for settings, names, expected in _unread(config):
        defaults = {field.name: field.default for field in dataclasses.fields(settings)}
        for name in names:
            value = getattr(settings, name)
            if value != defaults[name]:
                option = f"--{name.replace('_', '-')}" if settings is config else f"--cleaning.{name}"
                received = f"{value!r}, which nobody would read"
                raise UserError(f"{option}: expected {expected}, received {received}; change one of them")


def _unread(config: PreprocessConfig) -> Iterator[tuple[Any, tuple[str, ...], str]]:
    """Names of settings that are not read, where they stand, and what they lack."""
    cleaning = config.cleaning
    if not (config.pairs or config.valid_pairs or config.exclude):
        # A file of corpora names the fields of each itself.
        yield config, ("source_field", "target_field"), "--pairs, --valid-pairs or --exclude beside it"
    if config.valid_source or config.valid_pairs:
        yield config, ("valid_share",), "no validation files beside it"
    if config.near_duplicates is None:
        yield config, ("near_ngram",), "--near-duplicates beside it"
    if config.subwords:
        yield config, _OF_LEARNING, "no --subwords beside it"
    if config.shards is not None and config.readers is not None and config.shards < config.readers:
        yield config, ("readers",), f"at most --shards {config.shards}"
    for rule in cleaning.off:
        yield cleaning, _OF_RULES.get(rule, ()), f"no {rule} in --cleaning.off"
    if not (config.source_language or config.target_language or cleaning.source_scripts or cleaning.target_scripts):
        yield cleaning, ("min_script",), "--source-language or --target-language beside it"
