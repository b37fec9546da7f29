r"""What must come through a translation unharmed: placeholders, markup, URLs and mail addresses.

A model is shown a numbered symbol in the place of each, in training and in service alike.
"""

import re
from collections import Counter, defaultdict, deque
from typing import Any

from pipeline.schema import END_ID

# As many stand in a part of a text at once. Their ids come before all others that are learned.
COUNT = 10
SYMBOLS = tuple(f"⟦{number}⟧" for number in range(COUNT))
FIRST_ID = END_ID + 1
SYMBOL = "⟦[0-9]⟧"
# What a text's own symbol becomes where nothing else stands for it.
STRANGE = "\ufffd"

# The syntax is what Python's and RE2's have in common, no repetition is nested in a way that costs Python more than
# linear time, and no control character is part of what is protected. Letters are those that domains and paths of
# European languages have: other scripts go on without a space.
_LETTERS = "A-Za-zÀ-ÖØ-öø-ɏͰ-ϿЀ-ӿ"
_IN_URL = rf"[!#-'*-;=?@\[\]_~{_LETTERS}]"
# With what a sentence goes on after a URL, it does not end.
_ENDS_URL = rf"[#$%&+/0-9=@_~{_LETTERS}-]"
_BRACKETED_IN_URL = rf"\({_IN_URL}*\)|\{{{_IN_URL}*\}}"
_ATTRIBUTE = r""" +[A-Za-z_:@.-][A-Za-z0-9_:@.-]* *= *(?:"[^"<\x00-\x1f]*"|'[^'<\x00-\x1f]*'|[^ "'<>=`\x00-\x1f]+)"""
_PRINTF = r"%(?:\([A-Za-z0-9_.]{1,64}\)|[0-9]{1,2}\$)?[-+#0]{0,4}(?:[0-9]{1,4}|\*)?(?:\.(?:[0-9]{1,4}|\*))?"

PATTERN = "|".join(
    (
        SYMBOL,
        rf"(?:(?:[Hh][Tt][Tt][Pp][Ss]?|[Ff][Tt][Pp])://|[Ww][Ww][Ww]\.)(?:{_IN_URL}|{_BRACKETED_IN_URL})*"
        rf"(?:{_ENDS_URL}|{_BRACKETED_IN_URL})",
        # A name before the sign has 64 characters at most (RFC 5321, section 4.5.3.1.1).
        r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,63}",
        r"\{\{[^{}\x00-\x1f]+\}\}",
        r"[$%#]?\{[A-Za-z0-9_]*(?:[.:!\[-][!-z|~]*)?\}",
        rf"</?[A-Za-z0-9][A-Za-z0-9_:.-]*(?:{_ATTRIBUTE})* */?>",
        r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[Xx][0-9A-Fa-f]{1,6});",
        r"%%",
        # After a number it is per cent that stands there, unless a word ends with it.
        rf"{_PRINTF}[diouxXeEfFgGcrsSaAp]\b|\B{_PRINTF}[A-Za-z][A-Za-z0-9_]*|{_PRINTF}@",
    )
)
_PROTECTED = re.compile(PATTERN, re.ASCII)


def is_placeholder(ids: Any) -> Any:
    """Whether an id is a placeholder's, in a vocabulary that has them; of one, or of an array or tensor of them."""
    return (ids >= FIRST_ID) & (ids < FIRST_ID + COUNT)


def mask_pair(source: str, target: str) -> tuple[str, str]:
    """Puts symbols in the place of what both sides of a pair have to protect.

    What one side has oftener than the other stays text, as does what comes after `COUNT` others. The symbols are
    numbered in the order of the source; of equal strings, the first of the source is the first of the target.

    Args:
        source: The source sentence, in NFC.
        target: Its translation, in NFC.

    Returns:
        Both sides.
    """
    in_source, in_target = (Counter(_PROTECTED.findall(side)) for side in (source, target))
    free = deque(SYMBOLS)
    given: dict[str, deque[str]] = defaultdict(deque)

    def mask_source(match: re.Match[str]) -> str:
        text = match[0]
        if not free or in_source[text] != in_target[text]:
            return _as_text(text)
        given[text].append(free.popleft())
        return given[text][-1]

    def mask_target(match: re.Match[str]) -> str:
        text = match[0]
        return given[text].popleft() if given[text] else _as_text(text)

    return _PROTECTED.sub(mask_source, source), _PROTECTED.sub(mask_target, target)


def _as_text(text: str) -> str:
    """The text without symbols of its own, which would be taken for placeholders."""
    return re.sub(SYMBOL, STRANGE, text)
