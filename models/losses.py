"""The loss: cross-entropy over real tokens."""

from typing import Any

from keras import ops

from models.loops import with_gradient
from pipeline.schema import PAD_ID


def token_cross_entropy(logits: Any, target_ids: Any, label_smoothing: float) -> Any:
    """Cross-entropy of each token, in nats, with a gradient of one pass over the logits.

    With smoothing e the target distribution is (1 - e) on the true id and e spread evenly over the vocabulary
    (Szegedy 2016, section 7).

    Args:
        logits: `(..., vocab)`.
        target_ids: `(...)`.
        label_smoothing: e.

    Returns:
        `(...)`, padding included: weigh it away.
    """

    def forward(logits: Any, target_ids: Any) -> tuple[Any, Any]:
        highest = ops.max(logits, axis=-1, keepdims=True)
        exponents = ops.exp(logits - highest)
        total = ops.sum(exponents, axis=-1, keepdims=True)
        truth = ops.take_along_axis(logits, target_ids[:, None], axis=-1)
        losses = ops.log(total) + highest - (1 - label_smoothing) * truth
        if label_smoothing:
            losses = losses - label_smoothing * ops.mean(logits, axis=-1, keepdims=True)

        def backward(d_losses: Any) -> tuple[Any, None]:
            d_losses = d_losses[:, None]
            d_logits = exponents * (d_losses / total)
            at_truth = ops.exp(truth - highest) * (d_losses / total) - d_losses * (1 - label_smoothing)
            if label_smoothing:
                shift = d_losses * (label_smoothing / logits.shape[-1])
                d_logits, at_truth = d_logits - shift, at_truth - shift
            rows = ops.arange(ops.shape(target_ids)[0], dtype=target_ids.dtype)
            indices = ops.stack([rows, target_ids], axis=1)
            return ops.scatter_update(d_logits, indices, at_truth[:, 0]), None

        return losses[:, 0], backward

    flat = with_gradient(forward)(ops.reshape(logits, (-1, logits.shape[-1])), ops.reshape(target_ids, (-1,)))
    return ops.reshape(flat, ops.shape(target_ids))


def real_tokens(target_ids: Any, dtype: str = "float32") -> Any:
    """1 for a real token and 0 for padding, `(batch, tgt_len)`."""
    return ops.cast(ops.not_equal(target_ids, PAD_ID), dtype)
