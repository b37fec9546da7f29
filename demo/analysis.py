"""Scores by sentence length and by phenomenon."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sacrebleu.metrics import BLEU

BUCKETS = ((1, 9), (10, 14), (15, 24), (25, None))


@dataclass(frozen=True)
class Row:
    """Scores of some sentences: their number, corpus BLEU, and the share of exact matches from 0 to 100."""

    name: str
    sentences: int
    bleu: float
    exact: float


def score(name: str, references: Sequence[str], hypotheses: Sequence[str]) -> Row:
    """Scores sentences together.

    Args:
        name: What the row is called.
        references: At least one.
        hypotheses: As many.

    Returns:
        Corpus BLEU as sacreBLEU has it by default, and exact matches.
    """
    bleu = BLEU().corpus_score(list(hypotheses), [list(references)]).score
    matches = sum(map(str.__eq__, references, hypotheses))
    return Row(name, len(references), bleu, 100 * matches / len(references))


def _rows(
    groups: Sequence[tuple[str, Callable[[int], bool]]], references: Sequence[str], hypotheses: Sequence[str]
) -> list[Row]:
    rows = []
    for name, belongs in groups:
        chosen = [index for index in range(len(references)) if belongs(index)]
        if chosen:
            rows.append(score(name, [references[index] for index in chosen], [hypotheses[index] for index in chosen]))
    return rows


def by_length(sources: Sequence[str], references: Sequence[str], hypotheses: Sequence[str]) -> list[Row]:
    """Scores by the number of source words, split at spaces, in the buckets that hold a sentence."""
    lengths = [len(source.split()) for source in sources]

    def within(low: int, high: int | None) -> Callable[[int], bool]:
        return lambda index: low <= lengths[index] and (high is None or lengths[index] <= high)

    groups = [(f"{low}-{high}" if high else f"{low}+", within(low, high)) for low, high in BUCKETS]
    return _rows(groups, references, hypotheses)


def by_phenomenon(
    phenomena: Sequence[Sequence[str]], references: Sequence[str], hypotheses: Sequence[str]
) -> list[Row]:
    """Scores of the sentences that show a phenomenon, one row for each, by name; a sentence may stand in several."""

    def shows(name: str) -> Callable[[int], bool]:
        return lambda index: name in phenomena[index]

    groups = [(name, shows(name)) for name in sorted({name for found in phenomena for name in found})]
    return _rows(groups, references, hypotheses)


def table(title: str, rows: Sequence[Row]) -> str:
    """Rows as plain text under a heading: sentences, BLEU, exact matches in per cent."""
    width = max(len(title), *(len(row.name) for row in rows)) if rows else len(title)
    lines = [f"{title:<{width}}  sentences   BLEU  exact %"]
    lines += [f"{row.name:<{width}}  {row.sentences:>9}  {row.bleu:>5.1f}  {row.exact:>7.1f}" for row in rows]
    return "\n".join(lines)
