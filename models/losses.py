"""The loss: cross-entropy over real tokens."""

from typing import Any

from keras import ops

from models.loops import with_gradient
from pipeline.schema import PAD_ID


def token_cross_entropy(hidden: Any, kernel: Any, bias: Any, target_ids: Any, label_smoothing: float) -> Any:
    """Cross-entropy of each token under the logits `hidden @ kernel + bias`, in nats.

    With smoothing e the target distribution is (1 - e) on the true id and e spread evenly over the vocabulary
    (Szegedy 2016, section 7). The gradient of the logits is a multiple of their exponents, less (1 - e) at the true id
    and e / vocab everywhere. It is never made: the multiple is that of a row of `hidden`, the true id is one number of
    its row, and what is even over the vocabulary needs no product with it.

    Args:
        hidden: What the output layer reads, `(..., units)`.
        kernel: `(units, vocab)`.
        bias: `(vocab,)`.
        target_ids: `(...)`.
        label_smoothing: e.

    Returns:
        `(...)` float32, padding included: weigh it away.
    """
    vocab, dtype = kernel.shape[1], hidden.dtype

    def forward(hidden: Any, kernel: Any, bias: Any, target_ids: Any) -> tuple[Any, Any]:
        logits = _float32(ops.matmul(hidden, kernel)) + bias
        highest = ops.max(logits, axis=-1, keepdims=True)
        exponents = ops.exp(logits - highest)
        total = ops.sum(exponents, axis=-1, keepdims=True)
        truth = ops.take_along_axis(logits, target_ids[:, None], axis=-1)
        wide, mean_column = _float32(hidden), _float32(ops.mean(kernel, axis=1))
        mean_logit = ops.matmul(wide, mean_column[:, None]) + ops.mean(bias)
        losses = ops.log(total) + highest - (1 - label_smoothing) * truth - label_smoothing * mean_logit

        def backward(d_losses: Any) -> tuple[Any, Any, Any, None]:
            d_losses = d_losses[:, None]
            factor, even = d_losses / total, d_losses * label_smoothing
            indices = ops.stack([ops.arange(ops.shape(target_ids)[0], dtype=target_ids.dtype), target_ids], axis=1)
            at_truth = ops.exp(truth - highest) - (1 - label_smoothing) * total
            rows = ops.cast(ops.scatter_update(exponents, indices, at_truth[:, 0]), dtype)
            d_hidden = _float32(ops.matmul(rows, ops.transpose(kernel))) * factor - even * mean_column
            d_kernel = _float32(ops.matmul(ops.transpose(ops.cast(wide * factor, dtype)), rows))
            d_kernel = d_kernel - ops.sum(wide * even, axis=0)[:, None] / vocab
            d_bias = _float32(ops.matmul(ops.transpose(ops.cast(factor, dtype)), rows))[0] - ops.sum(even) / vocab
            return ops.cast(d_hidden, dtype), ops.cast(d_kernel, dtype), d_bias, None

        return losses[:, 0], backward

    flat = ops.reshape(hidden, (-1, hidden.shape[-1]))
    arguments = flat, ops.cast(kernel, dtype), _float32(bias), ops.reshape(target_ids, (-1,))
    return ops.reshape(with_gradient(forward)(*arguments), ops.shape(target_ids))


def _float32(x: Any) -> Any:
    return ops.cast(x, "float32")


def real_tokens(target_ids: Any, dtype: str = "float32") -> Any:
    """1 for a real token and 0 for padding, `(batch, tgt_len)`."""
    return ops.cast(ops.not_equal(target_ids, PAD_ID), dtype)
