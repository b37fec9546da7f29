"""The settings of cleaning: which pairs of sentences are good enough to learn from."""

import dataclasses
import importlib.util
from typing import Any

from pipeline.errors import UserError

# In the order in which they are asked; a pair is counted under the first one that rejects it.
RULES = (
    "invalid_utf8",
    "empty",
    "characters",
    "words",
    "characters_ratio",
    "longest_word",
    "identical",
    "letters",
    "script",
    "numerals",
    "punctuation",
    "repetition",
    "urls",
    "language",
)
ALWAYS_ON = "invalid_utf8"
_SHARES = ("min_letters", "min_script", "min_numerals", "max_urls", "min_language")
# The package that a setting needs, beyond those that are always installed.
_PACKAGES = {"ftfy": "ftfy", "min_language": "py3langid"}


def _require(holds: bool, setting: str, expected: str, received: Any) -> None:
    if not holds:
        option = f"--cleaning.{setting}"
        raise UserError(f"{option}: expected {expected}, received {received!r}; change {option}")


@dataclasses.dataclass(frozen=True)
class CleaningConfig:
    """Cleaning of pairs; `docs/preprocessing.md` tells each rule's source. The last five are off unless they are set.

    Attributes:
        off: Names of rules that are not asked, such as `identical letters`.
        normalize: Whether text is brought into one form: NFC, no control characters, one space between words; if not,
            into NFC alone.
        ftfy: Whether HTML entities and mojibake are repaired first, by the package ftfy.
        max_characters: Rule `characters`: longest side.
        min_words: Rule `words`: shortest side, in words between spaces; not asked of a script without spaces.
        max_words: Rule `words`: longest side.
        max_ratio: Rule `characters_ratio`: largest quotient of the sides' widths in characters, wider by narrower;
            one of East Asian width (UAX 11) counts as two.
        max_word_length: Rule `longest_word`: most characters of a word, URLs and scripts without spaces aside.
        min_letters: Rule `letters`: least share of letters among a side's characters other than spaces.
        min_script: Rule `script`: least share of a side's letters that are of its language's script.
        source_scripts: The source's scripts by their Unicode names, such as `Latin`, where the language's own would be
            wrong or no language is given.
        target_scripts: The target's.
        min_numerals: Rule `numerals`: least similarity of the sides' digits, 0 left out, from 0 to 1; 0.5 is usual.
        min_punctuation: Rule `punctuation`: least score of the sides' sentence ends, at most 0; -2 is usual.
        max_repetitions: Rule `repetition`: how often something of 3 to 100 characters may follow itself; 1 is usual.
        max_urls: Rule `urls`: largest share of a side's characters that URLs and mail addresses have; 0.5 is usual.
        min_language: Rule `language`: least probability of a side's language, by the package py3langid; 0.1 is usual.
    """

    off: tuple[str, ...] = ()
    normalize: bool = True
    ftfy: bool = False
    max_characters: int = 1024
    min_words: int = 1
    max_words: int = 250
    max_ratio: float = 3.0
    max_word_length: int = 40
    min_letters: float = 0.5
    min_script: float = 0.5
    source_scripts: tuple[str, ...] = ()
    target_scripts: tuple[str, ...] = ()
    min_numerals: float | None = None
    min_punctuation: float | None = None
    max_repetitions: int | None = None
    max_urls: float | None = None
    min_language: float | None = None

    def __post_init__(self) -> None:
        for name in ("off", "source_scripts", "target_scripts"):
            object.__setattr__(self, name, tuple(map(str, getattr(self, name))))
        can_be_off = [name for name in RULES if name != ALWAYS_ON]
        for name in self.off:
            _require(name in can_be_off, "off", f"names among {', '.join(can_be_off)}", name)
        for name in ("source_scripts", "target_scripts"):
            for script in getattr(self, name):
                from pipeline.cleaning.scripts import is_script  # needs more than the standard library

                _require(is_script(script), name, "Unicode names of scripts, such as Latin", script)
        for name in ("max_characters", "max_words", "max_word_length"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _require(0 <= self.min_words <= self.max_words, "min_words", f"0 to {self.max_words}", self.min_words)
        _require(self.max_ratio >= 1, "max_ratio", "at least 1", self.max_ratio)
        for name in _SHARES:
            share = getattr(self, name)
            _require(share is None or 0 <= share <= 1, name, "a share, 0 to 1", share)
        score, repetitions = self.min_punctuation, self.max_repetitions
        _require(score is None or score <= 0, "min_punctuation", "at most 0", score)
        _require(repetitions is None or repetitions >= 0, "max_repetitions", "at least 0", repetitions)
        for setting, package in _PACKAGES.items():
            wanted = getattr(self, setting) not in (None, False)
            if wanted and importlib.util.find_spec(package) is None:
                raise UserError(
                    f"--cleaning.{setting}: expected the package {package}, received none;"
                    ' do `pip install "keras-nmt[clean]"`'
                )
