"""What a model attends to as it gives a translation."""

from typing import Any

from keras import ops

from models.decoding.scoring import decoder_inputs
from models.recurrent.loops import take_each
from models.seq2seq import Seq2Seq
from pipeline.schema import PAD_ID


def attention_weights(model: Seq2Seq, source_ids: Any, target_ids: Any) -> Any:
    """The weights with which each token of a translation reads the source, the mean of all heads.

    Args:
        model: A model with attention.
        source_ids: `(batch, src_len)`, PAD after END.
        target_ids: The translations, `(batch, tgt_len)`, PAD after END.

    Returns:
        `(batch, tgt_len, src_len)`, in the order of the source ids, whichever the encoder reads them in; without
        attention an empty tuple.
    """
    weights = model.decoder.attend(decoder_inputs(target_ids), *model.start(source_ids))
    if isinstance(weights, tuple):
        return ()
    batch, length = ops.shape(source_ids)
    weights = ops.mean(ops.reshape(weights, (batch, ops.shape(target_ids)[1], -1, length)), axis=2)
    if model.config.source_order == "forwards":
        return weights
    steps = ops.arange(length, dtype="int32")
    lengths = ops.sum(ops.cast(ops.not_equal(source_ids, PAD_ID), "int32"), axis=1, keepdims=True)
    turned = ops.where(steps < lengths, lengths - 1 - steps, steps)
    return ops.transpose(take_each(ops.transpose(weights, (0, 2, 1)), turned), (0, 2, 1))
