"""Translations of a least length."""

from typing import Any

from keras import ops

from models.decoding.stepping import Stepping, around, barring, normalized
from pipeline.schema import END_ID


def at_least(inner: Stepping, lengths: Any, tokens: Any) -> Stepping:
    """A step function that does not end before its time.

    Args:
        inner: The step function.
        lengths: Fewest pieces of each translation, END not counted, `(batch,)` int32.
        tokens: The tokens that the logits are of, `(choices,)`.
    """
    is_end = ops.equal(tokens, END_ID)

    def change(lengths: Any, last: Any, logits: Any, said: Any) -> tuple[Any, Any]:
        return barring(logits, is_end & (said < lengths[:, None])[..., None]), said + 1

    return around(normalized(inner), lengths, ops.zeros_like(lengths)[:, None], change)
