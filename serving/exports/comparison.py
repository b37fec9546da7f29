"""Whether a new model is worse than the one before: BLEU of both, and what chance has to do with the difference."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest


class Score(NamedTuple):
    """BLEU of one model.

    Attributes:
        bleu: Of the test set, 0 to 100.
        mean: Of the bootstrap's samples.
        interval: Half the width of the interval around the mean that holds 95 of 100 samples.
    """

    bleu: float
    mean: float
    interval: float

    def __str__(self) -> str:
        return f"BLEU {self.bleu:.2f} (95 % of samples within {self.mean:.2f} ± {self.interval:.2f})"


class Comparison(NamedTuple):
    """Two models on one test set.

    Attributes:
        before: The earlier model's score.
        now: The new one's.
        p_value: How likely a difference of this size is by chance, if there were none.
        signature: sacreBLEU's signature, which names the test.
    """

    before: Score
    now: Score
    p_value: float
    signature: str


def compare(before: Sequence[str], now: Sequence[str], references: Sequence[str]) -> Comparison:
    """Compares the translations of two models by paired bootstrap resampling (Koehn 2004), by sacreBLEU.

    Args:
        before: The earlier model's translations.
        now: The new model's, line for line.
        references: The references, line for line.
    """
    systems = [("before", before), ("now", now)]
    signatures, scores = PairedTest(systems, {"BLEU": BLEU()}, [references], test_type="bs")()
    # Typed for a column of names, too.
    results: list[Any] = list(scores["BLEU"])
    first, second = (Score(float(each.score), float(each.mean), float(each.ci)) for each in results)
    # Of equal translations sacreBLEU finds no sample that differs more, and so the smallest p-value.
    p_value = 1.0 if list(before) == list(now) else float(results[1].p_value)
    return Comparison(first, second, p_value, str(signatures["BLEU"]))
