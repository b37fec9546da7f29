"""Pictures of a data set: lengths, ratios of lengths, pieces a word, occurrences of pieces."""

import re
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from pipeline.report.svg import styled, to_svg

# Each stands for a colour that the page gives, by night another one than by day.
_COLOURS = {"#000001": "--muted", "#000002": "--source", "#000003": "--target", "#000004": "--line"}
_MUTED, _SOURCE, _TARGET, _LINE = _COLOURS
_SIDES = {"source": _SOURCE, "target": _TARGET}
_LEAST_SHOWN = 0.001


@styled
def plot_lengths(lengths: Mapping[str, np.ndarray]) -> Figure:
    """Draws how many sentences have each length, as shares; the few longest ones may lie beyond the edge.

    Args:
        lengths: For `source` and `target`, sentences by their length in pieces.
    """
    figure, axes = _axes()
    longest = max(_last_shown(counts) for counts in lengths.values())
    width = max(1, -(-longest // 60))
    for side, counts in lengths.items():
        edges = np.arange(0, len(counts) + width, width)
        shares = np.add.reduceat(counts, edges[edges < len(counts)]) / max(counts.sum(), 1)
        _steps(axes, shares, edges[: len(shares) + 1], side)
    axes.set_xlim(0, max(longest, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="pieces of a sentence" + (f", in steps of {width}" if width > 1 else ""))
    return figure


@styled
def plot_ratios(ratios: np.ndarray, edges: np.ndarray, limit: float | None) -> Figure:
    """Draws how many pairs have each quotient of the lengths of target and source in characters.

    Args:
        ratios: Pairs by quotient.
        edges: Where the bins begin and end.
        limit: The quotient, of the longer by the shorter side, beyond which pairs were rejected.
    """
    figure, axes = _axes()
    shares = ratios / max(ratios.sum(), 1)
    axes.stairs(shares, edges, fill=True, color=_SOURCE, alpha=0.35)
    axes.stairs(shares, edges, color=_SOURCE, linewidth=1.5)
    axes.set_xscale("log", base=2)
    shown = 4.0 if limit is None else max(4.0, limit * 1.2)
    beyond = edges[1:][np.flatnonzero(ratios)] if ratios.any() else np.array([1.0])
    shown = min(max(shown, beyond.max(), 1 / beyond.min()), edges[-1])
    axes.set_xlim(1 / shown, shown)
    if limit is not None and limit <= shown:
        for at in (1 / limit, limit):
            axes.axvline(at, color=_MUTED, linestyle=":", linewidth=1)
    axes.xaxis.set_major_locator(FixedLocator([2.0**power for power in range(-4, 5)]))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda ratio, _: f"1/{1 / ratio:.0f}" if ratio < 1 else f"{ratio:.0f}")
    )
    axes.set(xlabel="characters of the target for one of the source")
    return figure


@styled
def plot_word_lengths(word_lengths: Mapping[str, np.ndarray]) -> Figure:
    """Draws how many words have one piece, two, and so on; those beyond eight are counted together.

    Args:
        word_lengths: For `source` and `target`, words by their count of pieces.
    """
    figure, axes = _axes()
    longest = 8
    for place, (side, counts) in enumerate(word_lengths.items()):
        shares = np.zeros(longest + 1)
        np.add.at(shares, np.minimum(np.arange(len(counts)), longest), counts)
        shares /= max(counts.sum(), 1)
        bars = np.arange(1, longest + 1) + (place - 0.5) * 0.4
        axes.bar(bars, shares[1:], 0.36, color=_SIDES[side], label=side)
    axes.set_xticks(range(1, longest + 1), [*map(str, range(1, longest)), f"{longest}+"])
    axes.set(xlabel="pieces of a word")
    axes.legend(frameon=False, labelcolor=_MUTED)
    return figure


@styled
def plot_occurrences(pieces: Mapping[str, np.ndarray]) -> Figure:
    """Draws how often the pieces of a vocabulary occur, the most frequent first.

    Args:
        pieces: For `source` and `target`, occurrences of each piece.
    """
    figure, axes = _axes()
    for side, counts in pieces.items():
        ranked = np.sort(counts[counts > 0])[::-1]
        axes.plot(np.arange(1, len(ranked) + 1), ranked, color=_SIDES[side], linewidth=1.8, label=side)
    if any(counts.any() for counts in pieces.values()):
        axes.set(xscale="log", yscale="log")
    axes.set(xlabel="rank of a piece")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}" if count >= 1 else ""))
        axis.set_minor_formatter(NullFormatter())
    axes.legend(frameon=False, labelcolor=_MUTED)
    return figure


def to_themed_svg(figure: Figure, label: str) -> str:
    """A figure as an SVG element that takes its colours and its font from the page, and has ids of its own.

    Args:
        figure: One of the above.
        label: What it shows, for those who do not see it.
    """
    svg = to_svg(figure)
    for colour, name in _COLOURS.items():
        svg = svg.replace(colour, f"var({name})")
    svg = re.sub(r"(?<=font-family: )[^;\"]*", "system-ui, sans-serif", svg)
    svg = re.sub(r' id="[a-zA-Z.]+2?d?_\d+"', "", svg)
    svg = re.sub(r'(id="|url\(#)(?=p[0-9a-f]{10})', rf"\1{label.replace(' ', '-')}-", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.1, 2.4), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    axes.grid(axis="y", color=_LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    axes.tick_params(colors=_MUTED, length=0, which="both")
    axes.tick_params(axis="x", pad=6)
    axes.xaxis.label.set_color(_MUTED)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    return figure, axes


def _steps(axes: Axes, shares: np.ndarray, edges: np.ndarray, side: str) -> None:
    axes.stairs(shares, edges, fill=True, color=_SIDES[side], alpha=0.2)
    axes.stairs(shares, edges, color=_SIDES[side], linewidth=1.5, label=side)
    axes.legend(frameon=False, labelcolor=_MUTED)


def _last_shown(counts: np.ndarray) -> int:
    """The length that all but one in a thousand sentences do not exceed."""
    reached = np.cumsum(counts) >= (1 - _LEAST_SHOWN) * counts.sum()
    return int(np.argmax(reached)) + 1 if len(counts) else 1
