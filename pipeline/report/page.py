"""The page that tells what a data set holds, and what was left out of it and why."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from pipeline.files import write_beside
from pipeline.report.charts import plot_lengths, plot_occurrences, plot_ratios, plot_word_lengths, to_themed_svg
from pipeline.report.findings import Findings
from pipeline.report.idle import idle
from pipeline.report.statistics import RATIO_EDGES, PairStatistics
from pipeline.report.wording import MEANINGS, flat, in_order, number, share
from pipeline.schema import TRAIN, Manifest

REPORT_FILE = "report.html"
_PAGE = Path(__file__).with_name("page.html")
_PERCENTILES = {"median": 0.5, "95 of 100": 0.95, "99 of 100": 0.99, "longest": 1.0}


def write_report(folder: str | Path, manifest: Manifest, findings: Findings, max_ratio: float | None = None) -> None:
    """Writes `report.html` into a data set's folder: one page that needs no other file.

    The same data set gives the same bytes, in whatever folder it is.

    Args:
        folder: The data set's.
        manifest: Its manifest.
        findings: Its statistics and examples.
        max_ratio: The largest allowed quotient of the sides' lengths in characters; None if there is none.
    """
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page.filters |= {"count": "{:,}".format, "share": share, "number": number}
    train = findings.splits[TRAIN]
    text = page.from_string(_PAGE.read_text("utf-8")).render(
        languages=_languages(manifest.settings),
        manifest=manifest,
        findings=findings,
        sides={"source": train.source, "target": train.target},
        both=train.source + train.target if manifest.source == manifest.target else None,
        max_ratio=max_ratio,
        kept=manifest.read - sum(manifest.rejected.values()),
        idle=idle(manifest.rejected, manifest.settings),
        rules=_rules(manifest, findings),
        charts=_charts(train, max_ratio),
        percentiles=_PERCENTILES,
        settings=flat(manifest.settings),
    )
    with write_beside(Path(folder) / REPORT_FILE) as path:
        path.write_text(text, "utf-8")


def _languages(settings: Mapping[str, Any]) -> str | None:
    pair = settings.get("source_language"), settings.get("target_language")
    return f"{pair[0]} to {pair[1]}" if all(pair) else None


def _rules(manifest: Manifest, findings: Findings) -> list[dict[str, Any]]:
    """The rules that rejected something, in the order in which they were asked."""
    largest = max(manifest.rejected.values(), default=0)
    return [
        {
            "name": rule,
            "count": count,
            "width": max(100 * count / largest, 0.5),
            "meaning": MEANINGS.get(rule, ""),
            "examples": findings.examples.get(rule, ()),
        }
        for rule, count in in_order(manifest.rejected, MEANINGS).items()
        if count
    ]


def _charts(train: PairStatistics, max_ratio: float | None) -> dict[str, str]:
    sides = {"source": train.source, "target": train.target}
    figures = {
        "lengths": plot_lengths({name: side.lengths for name, side in sides.items()}),
        "ratios": plot_ratios(train.ratios, RATIO_EDGES, max_ratio),
        "words": plot_word_lengths({name: side.word_lengths for name, side in sides.items()}),
        "occurrences": plot_occurrences({name: side.pieces for name, side in sides.items()}),
    }
    labels = {
        "lengths": "Shares of sentences by their length in pieces",
        "ratios": "Shares of pairs by the ratio of their lengths",
        "words": "Shares of words by their count of pieces",
        "occurrences": "Occurrences of the pieces by their rank",
    }
    return {name: to_themed_svg(figure, labels[name]) for name, figure in figures.items()}
