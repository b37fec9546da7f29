"""How likely models find given translations."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from models.recurrent.loops import scan, stack
from models.seq2seq import Seq2Seq
from pipeline.schema import DECODER_INPUT_IDS, PAD_ID, SOURCE_IDS, START_ID


def decoder_inputs(target_ids: Any) -> Any:
    """START and the target without its last id, of `target_ids (batch, tgt_len)`."""
    return ops.concatenate([ops.full_like(target_ids[:, :1], START_ID), target_ids[:, :-1]], axis=1)


def token_log_probabilities(members: Sequence[Seq2Seq], source_ids: Any, target_ids: Any) -> Any:
    """The logarithm of each token's probability given those before, among the whole vocabulary.

    Of several models it is that of the geometric mean of their probabilities, normalized, by which they search.

    Args:
        members: One model, or an ensemble's.
        source_ids: `(batch, src_len)`, PAD after END.
        target_ids: `(batch, tgt_len)`, PAD after END.

    Returns:
        `(batch, tgt_len)` float32, natural logarithms; 0 for padding.
    """
    inputs = {SOURCE_IDS: source_ids, DECODER_INPUT_IDS: decoder_inputs(target_ids)}
    hidden = [ops.transpose(member(inputs), (1, 0, 2)) for member in members]

    # Logits of all steps at once would take the vocabulary's size in floats for each token.
    def step(carry: tuple[()], row: tuple[list[Any], Any]) -> tuple[tuple[()], Any]:
        rows, ids = row
        each = [ops.cast(member.logits(x), "float32") for member, x in zip(members, rows, strict=True)]
        mean = sum(ops.log_softmax(logits, axis=-1) for logits in each) / len(each)
        return carry, ops.take_along_axis(ops.log_softmax(mean, axis=-1), ids[:, None], axis=-1)[:, 0]

    _, found = scan(step, (), (hidden, ops.transpose(target_ids)))
    return ops.where(ops.not_equal(target_ids, PAD_ID), ops.transpose(stack(found)), 0.0)
