"""The loss: cross-entropy over real tokens."""

from typing import Any

from keras import ops

from models.recurrent.loops import take, with_gradient
from pipeline.schema import PAD_ID


def token_cross_entropy(
    hidden: Any, table: Any, bias: Any, target_ids: Any, label_smoothing: float, z_loss: float = 0.0
) -> Any:
    """Cross-entropy of each token under the logits `hidden @ table.T + bias`, in nats.

    With smoothing e the target distribution is (1 - e) on the true id and e spread evenly over the vocabulary
    (Szegedy 2016, section 7). The gradient of the logits is a multiple of their exponents, less (1 - e) at the true id
    and e / vocab everywhere. It is never made: the multiple is that of a row of `hidden`, the true id is one row of
    `table`, and what is even over the vocabulary needs no product with it.

    Args:
        hidden: What the output layer reads, `(..., units)`.
        table: `(vocab, units)`.
        bias: `(vocab,)`.
        target_ids: `(...)`.
        label_smoothing: e.
        z_loss: What the squared logarithm of the exponents' sum is multiplied with and added, which keeps the logits
            from drifting (Chowdhery 2022, section 5).

    Returns:
        `(...)` float32, padding included: weigh it away.
    """
    vocab, dtype = table.shape[0], hidden.dtype

    def forward(hidden: Any, table: Any, bias: Any, target_ids: Any) -> tuple[Any, Any]:
        logits = _float32(ops.matmul(hidden, ops.transpose(table))) + bias
        highest = ops.max(logits, axis=-1, keepdims=True)
        exponents = ops.exp(logits - highest)
        total = ops.sum(exponents, axis=-1, keepdims=True)
        truth = ops.take_along_axis(logits, target_ids[:, None], axis=-1)
        wide, mean_row = _float32(hidden), _float32(ops.mean(table, axis=0))
        mean_logit = ops.matmul(wide, mean_row[:, None]) + ops.mean(bias)
        log_total = ops.log(total) + highest
        losses = (
            log_total + z_loss * ops.square(log_total) - (1 - label_smoothing) * truth - label_smoothing * mean_logit
        )

        def backward(d_losses: Any) -> tuple[Any, Any, Any, None]:
            d_losses = d_losses[:, None]
            factor = d_losses * (1 + 2 * z_loss * log_total) / total
            even, true = d_losses * label_smoothing, d_losses * (1 - label_smoothing)

            def at_truth(rows: Any) -> Any:
                return ops.segment_sum(true * rows, target_ids, num_segments=vocab)

            exponent_rows = ops.cast(exponents, dtype)
            d_hidden = _float32(ops.matmul(exponent_rows, table)) * factor
            d_hidden = d_hidden - true * _float32(take(table, target_ids)) - even * mean_row
            exponent_columns = ops.transpose(exponent_rows)
            d_table = _float32(ops.matmul(exponent_columns, ops.cast(wide * factor, dtype)))
            d_table = d_table - at_truth(wide) - ops.sum(wide * even, axis=0) / vocab
            d_bias = _float32(ops.matmul(exponent_columns, ops.cast(factor, dtype)))
            d_bias = d_bias - at_truth(ops.ones_like(true)) - ops.sum(even) / vocab
            return ops.cast(d_hidden, dtype), ops.cast(d_table, dtype), d_bias[:, 0], None

        return losses[:, 0], backward

    flat = ops.reshape(hidden, (-1, hidden.shape[-1]))
    arguments = flat, ops.cast(table, dtype), _float32(bias), ops.reshape(target_ids, (-1,))
    return ops.reshape(with_gradient(forward)(*arguments), ops.shape(target_ids))


def _float32(x: Any) -> Any:
    return ops.cast(x, "float32")


def real_tokens(target_ids: Any, dtype: str = "float32") -> Any:
    """1 for a real token and 0 for padding, `(batch, tgt_len)`."""
    return ops.cast(ops.not_equal(target_ids, PAD_ID), dtype)
