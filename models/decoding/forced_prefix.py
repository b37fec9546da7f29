"""Translations that begin as somebody has begun them: whole pieces first, then characters that any pieces may spell.

The last word of what was typed may not be whole, and a piece that spells more than was typed may be the one that the
model expects. So the last word's pieces are not forced, but its bytes are: as long as some are left, a piece has to
spell the next ones, and may go beyond the last.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from models.decoding.stepping import Stepping, around
from models.recurrent.loops import take

# Bytes that are compared at once, in one int32 without its sign.
_TOGETHER = 3
_PLACES = 256 ** np.arange(_TOGETHER, dtype="int32")


class Spelling(NamedTuple):
    """The bytes of every piece, some in a number.

    Attributes:
        numbers: `(vocab, n)` int32.
        masks: Where there are bytes, `(vocab, n)` int32.
        sizes: How many bytes each piece has, `(vocab,)` int32.
    """

    numbers: Any
    masks: Any
    sizes: Any

    @classmethod
    def of(cls, pieces: Sequence[bytes]) -> "Spelling":
        """That of a vocabulary; a piece without bytes is never said as long as some are left to be spelt."""
        longest = -(-max(map(len, pieces)) // _TOGETHER) * _TOGETHER
        bytes_of = [np.frombuffer(piece.ljust(longest, b"\0"), "uint8") for piece in pieces]
        sizes = np.array([len(piece) for piece in pieces], "int32")
        are_there = np.arange(longest) < sizes[:, None]
        numbers, masks = (
            (rows.astype("int32").reshape(len(pieces), -1, _TOGETHER) * _PLACES).sum(axis=-1, dtype="int32")
            for rows in (np.stack(bytes_of), are_there * 255)
        )
        return cls(numbers, masks, sizes)


class Beginning(NamedTuple):
    """How each translation of a batch begins.

    Attributes:
        pieces: `(batch, k)` int32, PAD after the last: what is said first.
        bytes: `(batch, m)` int32, each byte and 1, 0 after the last: what is spelt then.
    """

    pieces: Any
    bytes: Any

    def most_pieces(self) -> Any:
        """In how many pieces it can be said, at most, `(batch,)` int32."""
        parts = [ops.sum(ops.cast(ops.not_equal(part, 0), "int32"), axis=1) for part in self]
        return parts[0] + parts[1]


def beginning_with(inner: Stepping, beginning: Beginning, spelling: Spelling) -> Stepping:
    """A step function that says nothing but the beginning until that is said.

    The probability of what it says is that among what it may say, so that a beginning that the model finds unlikely
    does not count against a translation, nor a long one against a short.

    Args:
        inner: The step function, of the whole vocabulary.
        beginning: How each translation begins.
        spelling: That of the vocabulary.
    """
    # At least one of each, so that there is something to take.
    pieces, spelt = (ops.pad(part, ((0, 0), (0, 1))) for part in beginning)
    forced, typed = (ops.sum(ops.cast(ops.not_equal(part, 0), "int32"), axis=1) for part in beginning)
    tokens = ops.arange(len(spelling.sizes), dtype="int32")
    # A graph holds them once, and not in each of its loops.
    spelling = Spelling(*map(ops.convert_to_tensor, spelling))

    def change(rows: Any, last: Any, logits: Any, state: Any) -> tuple[Any, Any]:
        pieces, spelt, forced, typed = rows
        said, done = state
        forced, typed = forced[:, None], typed[:, None]
        # The last token has spelt some bytes if it was none of the forced ones, nor START before them.
        done = ops.where(said > forced, done + take(spelling.sizes, last), done)
        is_forced, is_open = said < forced, ops.logical_and(said >= forced, done < typed)
        piece = ops.take_along_axis(pieces, ops.minimum(said, forced), axis=1)
        barred = ops.logical_and(is_forced[..., None], ops.not_equal(piece[..., None], tokens))
        misspelt = ops.cond(
            ops.any(is_open), lambda: misspelling(spelt, done), lambda: ops.zeros_like(logits, dtype="bool")
        )
        barred = ops.logical_or(barred, ops.logical_and(is_open[..., None], misspelt))
        return ops.where(barred, -np.inf, logits), (said + 1, done)

    def misspelling(spelt: Any, done: Any) -> Any:
        """Which pieces do not spell the bytes `(batch, m)` from `done (batch, n)` on, `(batch, n, vocab)`."""
        wrong = ops.equal(spelling.sizes, 0)
        for number in range(spelling.numbers.shape[1]):
            places = done[..., None] + number * _TOGETHER + np.arange(_TOGETHER, dtype="int32")
            there = _taken(spelt, places)
            wanted, mask = (
                ops.sum(part * _PLACES, axis=-1)[..., None] for part in (there - 1, ops.where(there > 0, 255, 0))
            )
            differ = ops.bitwise_xor(wanted, spelling.numbers[:, number])
            differ = ops.bitwise_and(ops.bitwise_and(differ, mask), spelling.masks[:, number])
            wrong = ops.logical_or(wrong, ops.not_equal(differ, 0))
        return wrong

    none = ops.zeros_like(forced)[:, None]
    return around(inner, (pieces, spelt, forced, typed), (none, none), change)


def _taken(bytes_: Any, places: Any) -> Any:
    """What stands at `places (batch, n, k)` of `(batch, m)`, 0 beyond its end: `(batch, n, k)`."""
    last = ops.shape(bytes_)[1] - 1
    batch, n, k = ops.shape(places)[0], places.shape[1], places.shape[2]
    flat = ops.reshape(ops.minimum(places, last), (batch, n * k))
    return ops.reshape(ops.take_along_axis(bytes_, flat, axis=1), (-1, n, k))
