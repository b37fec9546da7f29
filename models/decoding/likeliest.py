"""The likeliest tokens, among which a translation is drawn."""

from typing import Any

import numpy as np
from keras import ops

from models.decoding.options import is_number, is_on


def likeliest(logits: Any, top_k: Any = 0, top_p: Any = 1.0) -> Any:
    """The logits of the likeliest tokens, minus infinity for the others; of equals, all or none.

    Args:
        logits: `(batch, n, vocab)` float32.
        top_k: So many tokens are left; 0 leaves all. A number, or `(batch, 1, 1)`.
        top_p: Of these, the fewest whose probabilities together reach it (Holtzman 2020, section 3.1); 1 leaves all. A
            number, or `(batch, 1, 1)`.
    """
    if is_number(top_k) and is_number(top_p):
        return _likeliest(logits, top_k, top_p)
    # Sorting a vocabulary takes longer than most of a step.
    used = ops.any(top_k > 0) | ops.any(top_p < 1)
    return ops.cond(used, lambda: _likeliest(logits, top_k, top_p), lambda: logits)


def _likeliest(logits: Any, top_k: Any, top_p: Any) -> Any:
    vocab = logits.shape[-1]
    if is_on(top_k):
        if is_number(top_k):
            lowest = ops.top_k(logits, min(top_k, vocab))[0][..., -1:]
        else:
            lowest = ops.take_along_axis(_falling(logits), ops.clip(top_k - 1, 0, vocab - 1), axis=-1)
            lowest = ops.where(top_k > 0, lowest, -np.inf)
        logits = ops.where(logits < lowest, -np.inf, logits)
    if is_on(top_p, 1):
        falling = _falling(logits)
        shares = ops.softmax(falling, axis=-1)
        before = ops.cumsum(shares, axis=-1) - shares
        lowest = ops.min(ops.where((before < top_p) | (top_p >= 1), falling, np.inf), axis=-1, keepdims=True)
        logits = ops.where(logits < lowest, -np.inf, logits)
    return logits


def _falling(logits: Any) -> Any:
    return ops.top_k(logits, logits.shape[-1])[0]
