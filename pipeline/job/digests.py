"""Digests of sentences and pairs, which decide about places, shards and samples: the same on every machine.

Python's own `hash` is salted anew in every process.
"""

import functools
import hashlib
import struct
from typing import Literal

# By what pairs are the same: both sides, one of them, or nothing.
Dedup = Literal["pair", "source", "target", "none"]

SIZE = 16
_WHOLE = 2**64


def sentence_digest(text: str) -> bytes:
    """A sentence's name, 16 bytes: equal for sentences that differ at most in white space at the ends."""
    return hashlib.blake2b(text.strip().encode(), digest_size=SIZE).digest()


def place(source: str, target: str, copy: int, dedup: Dedup, seed: int, weight: float = 1.0) -> bytes:
    """Where a pair stands in the shuffled order, spread evenly; its first 16 bytes are equal for pairs that are one.

    Args:
        source: The source sentence.
        target: The target sentence.
        copy: Which copy of the pair, from 0; copies of one number alone are compared with each other.
        dedup: By what pairs are the same.
        seed: Decides the order.
        weight: How many copies there are. Where one side alone decides, a pair of more copies comes first, so that
            the same pair is the first one among the copies of every number.

    Returns:
        16 bytes; if one side alone decides, 32, of which the last tell the pairs of this side from each other. All but
        the first 16 are equal for all copies.
    """
    pair = _joined(source, target)
    if dedup in ("pair", "none"):
        return _salted(pair, copy, seed)
    side = source if dedup == "source" else target
    return _salted(side.encode(), copy, seed) + _heaviest_first(weight) + _salted(pair, 0, seed)[:8]


def _joined(source: str, target: str) -> bytes:
    # No text has the byte FF, so what is before it may have several lines.
    return source.encode() + (b"\xff" if "\n" in source else b"\n") + target.encode()


@functools.cache
def _heaviest_first(weight: float) -> bytes:
    # The bytes of positive numbers are in the numbers' order.
    return bytes(255 - byte for byte in struct.pack(">d", weight))


def _salted(text: bytes, copy: int, seed: int) -> bytes:
    person = copy.to_bytes(hashlib.blake2b.PERSON_SIZE, "big")
    salt = seed.to_bytes(hashlib.blake2b.SALT_SIZE, "big")
    return hashlib.blake2b(text, digest_size=SIZE, salt=salt, person=person).digest()


def shard(place: bytes, shards: int) -> int:
    """The shard of a place."""
    return int.from_bytes(place[:8], "big") % shards


def in_share(digest: bytes, share: float) -> bool:
    """Whether a digest is among this share of all digests, by the last 8 of its first 16 bytes."""
    return int.from_bytes(digest[8:SIZE], "big") < share * _WHOLE


def held_out(source: str, share: float, seed: int) -> bool:
    """Whether a source sentence is among the share that is kept for validation; equal ones always go together."""
    return int.from_bytes(_salted(f"{source.strip()}\n".encode(), 0, seed)[:8], "big") < share * _WHOLE
