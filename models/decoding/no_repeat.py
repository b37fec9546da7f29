"""Translations without repetitions: no n pieces stand twice in one (Paulus 2018, section 2.5)."""

from typing import Any, NamedTuple

from keras import ops

from models.decoding.stepping import Stepping, around, barring, normalized
from models.recurrent.loops import take
from pipeline.schema import PAD_ID


class Said(NamedTuple):
    """What hypotheses have said, and where they repeat themselves.

    Attributes:
        count: Tokens so far, START included, `(batch, n)` int32.
        ids: The tokens, `(batch, n, max_length)`.
        runs: How many tokens before each are those before the next one, in order, `(batch, n, max_length)` int32.
    """

    count: Any
    ids: Any
    runs: Any

    def with_last(self, last: Any) -> "Said":
        """With one more token, `last (batch, n)`."""
        positions = ops.arange(self.ids.shape[2] or ops.shape(self.ids)[2], dtype="int32")
        # START, the first one, stands nowhere.
        ids = ops.where(positions == self.count[..., None] - 1, last[..., None], self.ids)
        runs = ops.where(ids == last[..., None], self.runs + 1, 0)
        return Said(self.count + 1, ids, ops.pad(runs[..., :-1], ((0, 0), (0, 0), (1, 0))))


def without_repeats(inner: Stepping, sizes: Any, tokens: Any, vocab_size: int, max_length: Any) -> Stepping:
    """A step function that says no n tokens in a row a second time.

    Args:
        inner: The step function.
        sizes: n of each sentence, `(batch,)` int32; 0 lets everything be repeated.
        tokens: The tokens that the logits are of, `(choices,)`.
        vocab_size: Count of all tokens.
        max_length: Of a translation.
    """
    choices, batch = ops.shape(tokens)[0], ops.shape(sizes)[0]
    places = ops.segment_max(ops.arange(choices, dtype="int32"), tokens, num_segments=vocab_size)

    def change(sizes: Any, last: Any, logits: Any, said: Said) -> tuple[Any, Said]:
        said = said.with_last(last)
        barred = ops.cond(ops.any(sizes > 0), lambda: repeats(sizes, said), lambda: ops.zeros_like(logits) > 0)
        return barring(logits, barred), said

    def repeats(sizes: Any, said: Said) -> Any:
        batch, n = ops.shape(sizes)[0], said.ids.shape[1]
        sizes = sizes[:, None, None]
        positions = ops.arange(ops.shape(said.ids)[2], dtype="int32")
        # START counts, too.
        is_said = positions < said.count[..., None] - 1
        repeats = ops.logical_and(is_said, ops.logical_and(sizes > 0, said.runs >= sizes - 1))
        rows = ops.reshape(ops.arange(batch * n, dtype="int32"), (-1, n, 1))
        # What is no repetition falls into a place of its own, at the end.
        at = ops.where(repeats, rows * choices + take(places, said.ids), batch * n * choices)
        at = ops.reshape(at, (-1,))
        counts = ops.segment_sum(ops.ones_like(at), at, batch * n * choices + 1)
        return ops.reshape(counts[:-1], (-1, n, choices)) > 0

    ids = ops.full((batch, 1, max_length), PAD_ID, dtype="int32")
    first = Said(ops.zeros((batch, 1), dtype="int32"), ids, ops.zeros_like(ids))
    return around(normalized(inner), sizes, first, change)
