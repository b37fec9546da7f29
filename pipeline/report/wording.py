"""How what a job did is told: what the rules mean, shares, settings by name."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Each rule that may reject a pair, in the order in which they are asked.
MEANINGS = {
    "invalid_utf8": "A line is not valid UTF-8.",
    "empty": "A side has no word.",
    "characters": "A side has too many characters.",
    "words": "A side has too few or too many words between spaces.",
    "characters_ratio": "One side is too many times as long as the other, as misaligned lines are.",
    "longest_word": "A side has a word of too many characters.",
    "identical": "Both sides are the same.",
    "letters": "Too few of a side's characters are letters.",
    "script": "Too few of a side's letters are of its language's script.",
    "numerals": "The sides have other numbers.",
    "punctuation": "The sides end with other punctuation.",
    "repetition": "Something in a side follows itself too often.",
    "urls": "Too much of a side is URLs or mail addresses.",
    "language": "A side does not seem to be in its language.",
    "leaked": "A side is a sentence of the validation pairs or of the excluded files.",
    "sampled_out": "The corpus has a weight below 1, and chance left the pair out.",
    "duplicate": "An equal pair stands before it in the shuffled order.",
    "near_duplicate": "A pair that is much alike stands before it in the shuffled order.",
    "too_many_pieces": "A side has too many subword pieces.",
}


def share(part: float, whole: float) -> str:
    """A share in percent; what is something is never told as nothing, nor what lacks something as all."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    if percent < 0.01:
        return "< 0.01 %"
    if 99.99 < percent < 100:
        return "> 99.99 %"
    return f"{percent:.2f} %" if percent < 10 else f"{percent:.1f} %"


def number(value: float) -> str:
    """A number that was measured, with three digits at most after the point."""
    return f"{value:,}" if isinstance(value, int) else f"{round(value, 3):,}"


def in_order(rejected: Mapping[str, int], rules: Iterable[str]) -> dict[str, int]:
    """The counts of rejected pairs in the order of the rules; the manifest's own is that of the names."""
    known = [rule for rule in rules if rule in rejected]
    return {rule: rejected[rule] for rule in dict.fromkeys([*known, *rejected])}


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The settings by their options' names, those of sections too; none is empty, several stand side by side."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            found[prefix + name] = " ".join(map(str, value))
        else:
            found[prefix + name] = "" if value is None else value
    return found
