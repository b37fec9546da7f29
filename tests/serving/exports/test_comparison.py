import random

import pytest
import sacrebleu

from serving.exports.comparison import compare

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def spoiled(lines, share, seed):
    """Lines with a share of their words put wrong."""
    draw = random.Random(seed)
    return [" ".join("x" if draw.random() < share else word for word in line.split()) for line in lines]


@pytest.fixture(scope="module")
def references():
    draw = random.Random(1)
    return [" ".join(draw.choices(WORDS, k=12)) for _ in range(100)]


def test_a_worse_model_is_so_not_by_chance(references):
    before, now = spoiled(references, 0.05, 2), spoiled(references, 0.25, 3)
    found = compare(before, now, references)
    assert found.before.bleu == pytest.approx(sacrebleu.corpus_bleu(before, [references]).score)
    assert found.now.bleu == pytest.approx(sacrebleu.corpus_bleu(now, [references]).score)
    assert found.before.bleu - found.now.bleu > 20
    # No sample of 1000 is as far off: (0 + 1) / (1000 + 1).
    assert found.p_value == pytest.approx(1 / 1001)
    assert abs(found.before.mean - found.before.bleu) < 1 < found.before.interval < 10
    assert "bs:1000" in found.signature and "seed:12345" in found.signature


def test_equal_models(references):
    lines = spoiled(references, 0.2, 2)
    found = compare(lines, lines, references)
    assert found.before.bleu == found.now.bleu
    assert found.p_value == 1.0


def test_a_small_difference_may_be_chance(references):
    found = compare(spoiled(references, 0.2, 2), spoiled(references, 0.2, 3), references)
    assert found.p_value > 0.05


def test_in_words(references):
    found = compare(references, references, references)
    assert str(found.now) == "BLEU 100.00 (95 % of samples within 100.00 ± 0.00)"
