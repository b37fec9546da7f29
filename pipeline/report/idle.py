"""Which rules rejected nothing: those that were off, and those that were asked in vain."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.report.wording import MEANINGS, flat, in_order

# The settings of which a rule needs one; of these, what was not given is none, or empty.
_NEEDED = {
    "script": ("source_language", "target_language", "cleaning.source_scripts", "cleaning.target_scripts"),
    "numerals": ("cleaning.min_numerals",),
    "punctuation": ("cleaning.min_punctuation",),
    "repetition": ("cleaning.max_repetitions",),
    "urls": ("cleaning.max_urls",),
    "language": ("cleaning.min_language",),
    "sampled_out": ("corpora",),
    "near_duplicate": ("near_duplicates",),
}


class Idle(NamedTuple):
    """Names of rules that rejected no pair, in the order in which they are asked.

    Attributes:
        off: Those that the settings did not ask.
        in_vain: The others.
    """

    off: tuple[str, ...]
    in_vain: tuple[str, ...]


def idle(rejected: Mapping[str, int], settings: Mapping[str, Any]) -> Idle:
    """Finds the rules that rejected nothing.

    Args:
        rejected: Count of rejected pairs by rule, 0 for those that are meant.
        settings: What the job was asked to do, as the manifest has it.
    """
    names = [rule for rule, count in in_order(rejected, MEANINGS).items() if not count]
    off = _off(settings)
    return Idle(tuple(rule for rule in names if rule in off), tuple(rule for rule in names if rule not in off))


def _off(settings: Mapping[str, Any]) -> set[str]:
    given = {name for name, value in flat(settings).items() if value != ""}
    off = {rule for rule, needed in _NEEDED.items() if given.isdisjoint(needed)}
    off |= {"duplicate"} if settings.get("dedup") == "none" else set()
    return off | {*settings.get("cleaning", {}).get("off", ())}
