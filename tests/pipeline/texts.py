"""Sentences to learn subwords from, and texts that are hard to carry."""

SENTENCES = [f"Der {noun} sieht die {other}." for noun in ("Hund", "Mann", "Vogel") for other in ("Katze", "Frau")] * 3
HOSTILE = [
    "",
    " ",
    "   two  spaces   ",
    "! !",
    "\t\n\r\x0b\x00",
    "a\u2028b\u0085c\rd",
    "5\u00a0000\u202f\u20ac\u3000\u2009.",
    "\ufeffbom",
    "\U0001f917\U0001f468\u200d\U0001f469",
    "<s></s><unk><pad><0x41>",
    "e\u0301 \u1e9b\u0323 \ufb01",
    "\u2047 \ufffd",
    "word " * 10_000,
]
