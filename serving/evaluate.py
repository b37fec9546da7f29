"""How good the translations are: BLEU and chrF by sacreBLEU."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from sacrebleu.metrics import BLEU, CHRF
from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.lines import read_lines, readable
from serving.endpoint import Endpoint, open_model

SENTENCES_AT_ONCE = 512


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of a model on a test set.

    Attributes:
        bleu: Corpus BLEU (Papineni 2002), cased and detokenized, 0 to 100.
        bleu_signature: sacreBLEU's signature of it (Post 2018).
        chrf: Corpus chrF2 (Popovic 2015), 0 to 100.
        chrf_signature: sacreBLEU's signature of it.
        sentences: Count of sentences.
        seconds: Time of translating, model loading apart.
        decoding: The settings of search.
    """

    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: str
    sentences: int
    seconds: float
    decoding: dict[str, Any]


def evaluate(
    model: str, source: str, target: str, beam_size: int | None = None, ensemble: Sequence[str] = ()
) -> Evaluation:
    """Translates a source file and compares with a target file.

    Args:
        model: The folder of a run or of an export, or the URL of a served model.
        source: File of sentences, one a line, plain or gzip.
        target: File of reference translations, line for line.
        beam_size: Instead of the recipe's.
        ensemble: Runs whose models translate together with that of a run.

    Raises:
        UserError: A file or the model is missing, or the files are empty or their line counts differ.
    """
    sources, references = read_test_set(source, target)
    endpoint = open_model(model, beam_size, ensemble=ensemble)
    begin = time.perf_counter()
    hypotheses = translate_all(endpoint, sources)
    seconds = time.perf_counter() - begin
    return score(hypotheses, references, seconds, endpoint.decoding)


def read_test_set(source: str, target: str, prefix: str = "--") -> tuple[list[str], list[str]]:
    """Reads the sentences and the references of a test set.

    Args:
        source: File of sentences, one a line, plain or gzip.
        target: File of reference translations, line for line.
        prefix: What stands before `source` and `target` in the options that named them.

    Raises:
        UserError: A file is missing, or the files are empty or their line counts differ.
    """
    options = f"{prefix}source", f"{prefix}target"
    sources, references = _lines(options[0], source), _lines(options[1], target)
    if len(sources) != len(references):
        raise UserError(
            f"{', '.join(options)}: expected files of equal line counts, received {source!r} with {len(sources)} and"
            f" {target!r} with {len(references)}; give files that belong together"
        )
    if not sources:
        raise UserError(
            f"{options[0]}: expected at least one sentence, received {source!r}, which is empty; give another"
        )
    return sources, references


def translate_all(endpoint: Endpoint, sources: Sequence[str]) -> list[str]:
    """Translates the sentences of a test set, with a bar of progress."""
    hypotheses: list[str] = []
    with tqdm(total=len(sources), unit=" sentences", disable=None) as progress:
        for first in range(0, len(sources), SENTENCES_AT_ONCE):
            hypotheses += endpoint(sources[first : first + SENTENCES_AT_ONCE])
            progress.update(len(hypotheses) - progress.n)
    return hypotheses


def _lines(option: str, path: str) -> list[str]:
    with readable(option, path):
        return [line.decode(errors="replace") for line in read_lines(path)]


def score(hypotheses: list[str], references: list[str], seconds: float, decoding: dict[str, Any]) -> Evaluation:
    """Compares translations with references, line for line; the other arguments are passed on."""
    bleu, chrf = BLEU(), CHRF()
    return Evaluation(
        bleu=bleu.corpus_score(hypotheses, [references]).score,
        bleu_signature=str(bleu.get_signature()),
        chrf=chrf.corpus_score(hypotheses, [references]).score,
        chrf_signature=str(chrf.get_signature()),
        sentences=len(hypotheses),
        seconds=seconds,
        decoding=decoding,
    )
