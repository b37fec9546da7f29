"""BLEU of single sentences, of ids, in operations that every backend has."""

from typing import Any

from keras import ops

from pipeline.schema import END_ID, PAD_ID

ORDERS = 4


def sentence_bleu(hypotheses: Any, references: Any) -> Any:
    """BLEU of each hypothesis (Papineni 2002), with one added to the counts of orders above 1 (Lin and Och 2004).

    Args:
        hypotheses: `(batch, n, length)`; END and PAD do not count.
        references: One for each sentence, `(batch, reference_length)`.

    Returns:
        `(batch, n)` float32, from 0 to 1.
    """
    references = references[:, None]
    real, lengths = _real(hypotheses)
    _, reference_lengths = _real(references)
    found = ops.equal(hypotheses[..., None], references[..., None, :]) & real[..., None]
    same = ops.equal(hypotheses[..., None], hypotheses[..., None, :]) & real[..., None]
    places = ops.arange(ops.shape(hypotheses)[-1])
    not_later = places[None, :] <= places[:, None]

    grams, again, log_precisions = found, same, []
    for order in range(1, ORDERS + 1):
        if order > 1:
            # An n-gram is the same where its first token is, and the rest one place later.
            grams, again = grams & _shifted(found, order - 1), again & _shifted(same, order - 1)
        in_reference = ops.sum(ops.cast(grams, "float32"), axis=-1)
        # The second of two equal n-grams counts if the reference has two.
        number = ops.sum(ops.cast(again & not_later, "float32"), axis=-1)
        matches = ops.sum(ops.cast((in_reference > 0) & (number <= in_reference), "float32"), axis=-1)
        added = 0.0 if order == 1 else 1.0
        total = ops.maximum(lengths - (order - 1), 0.0) + added
        log_precisions.append(ops.log((matches + added) / ops.maximum(total, 1.0)))
    brevity = ops.minimum(1 - reference_lengths / ops.maximum(lengths, 1.0), 0.0)
    # Nothing matches: the logarithm of 0 is minus infinity, whose exponent is 0.
    return ops.exp(brevity + sum(log_precisions) / ORDERS)


def _real(ids: Any) -> tuple[Any, Any]:
    """Which ids are words, and how many of them there are."""
    real = ops.not_equal(ids, PAD_ID) & ops.not_equal(ids, END_ID)
    return real, ops.sum(ops.cast(real, "float32"), axis=-1)


def _shifted(x: Any, steps: int) -> Any:
    """`x (..., length, other)` so many steps further on along both axes, False beyond its end."""
    widths = [(0, 0)] * (len(x.shape) - 2) + [(0, steps)] * 2
    return ops.pad(x, widths)[..., steps:, steps:]
