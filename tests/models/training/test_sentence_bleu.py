import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from models.training.sentence_bleu import sentence_bleu
from pipeline.schema import END_ID, PAD_ID

FIRST = END_ID + 1


def padded(rows, length):
    return np.array([[*row, END_ID] + [PAD_ID] * (length - len(row) - 1) for row in rows], "int32")


def by_sacrebleu(hypothesis, reference):
    """The same by sacreBLEU, of ids written as words."""
    metric = BLEU(smooth_method="add-k", smooth_value=1, tokenize="none", effective_order=False)
    texts = (" ".join(map(str, ids)) for ids in (hypothesis, reference))
    return metric.sentence_score(next(texts), [next(texts)]).score / 100


@pytest.mark.parametrize("vocab", [2, 4, 9])
def test_it_is_that_of_sacrebleu(vocab):
    draw = np.random.default_rng(vocab)
    references = [draw.integers(FIRST, FIRST + vocab, draw.integers(1, 9)).tolist() for _ in range(12)]
    hypotheses = [
        [draw.integers(FIRST, FIRST + vocab, draw.integers(1, 11)).tolist() for _ in range(3)] for _ in references
    ]
    found = sentence_bleu(np.stack([padded(rows, 12) for rows in hypotheses]), padded(references, 10))
    together = zip(hypotheses, references, strict=True)
    wanted = [[by_sacrebleu(row, reference) for row in rows] for rows, reference in together]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


def test_by_hand():
    a, b, c, d, e = range(FIRST, FIRST + 5)
    references = padded([[a, b, c, d]] * 3, 6)
    hypotheses = padded([[a, b, c, d], [a, b, c, e], []], 5)[:, None]
    # Of four words three, of three pairs two, of two triples one, of one quadruple none.
    second = (3 / 4 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    np.testing.assert_allclose(sentence_bleu(hypotheses, references)[:, 0], [1, second, 0], rtol=1e-6)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_short_ones_without_an_end(width):
    row = np.arange(FIRST, FIRST + width)
    found = sentence_bleu(row[None, None], row[None])
    assert float(found[0, 0]) == pytest.approx(by_sacrebleu(row, row)) == 1


def test_padding_does_not_count():
    rows = padded([[5, 6, 7], [6, 6]], 4)
    wide = np.pad(rows, ((0, 0), (0, 5)))
    np.testing.assert_array_equal(sentence_bleu(wide[:, None], rows[::-1]), sentence_bleu(rows[:, None], wide[::-1]))
