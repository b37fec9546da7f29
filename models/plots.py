"""Pictures of a training: what a translation attended to, and figures over the epochs."""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

_styled = matplotlib.rc_context(
    {
        "font.size": 9,
        # The same picture gives the same bytes.
        "svg.hashsalt": "keras-nmt",
        # Whoever looks has fonts for their languages.
        "svg.fonttype": "none",
    }
)
_CELL, _LONGEST = 0.17, 25.0


@_styled
def plot_attention(weights: np.ndarray, source: Sequence[str], target: Sequence[str]) -> Figure:
    """Draws attention: a row for each piece of a translation, the darker, the more of a source piece it read.

    Args:
        weights: `(tgt_len, src_len)`, from 0 to 1.
        source: The pieces of the source.
        target: The pieces of the translation.
    """
    # In inches; a sentence beyond all bounds has smaller cells, not a picture beyond all memory.
    width, height = (min(_CELL * len(pieces), _LONGEST) for pieces in (source, target))
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(weights, cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.xaxis.tick_top()
    # A piece with a dollar is no formula.
    axes.set_xticks(range(len(source)), source, rotation=90, parse_math=False)
    axes.set_yticks(range(len(target)), target, parse_math=False)
    axes.tick_params(length=0)
    return figure


@_styled
def plot_epochs(
    rows: Sequence[Mapping[str, float]], lines: Mapping[str, str], best_epoch: int, logarithmic: bool = False
) -> Figure:
    """Draws figures over the epochs, and marks the best epoch.

    Args:
        rows: The figures of each epoch by their names, `epoch` among them.
        lines: The name of each line's figure, by what the line is called.
        best_epoch: Its number.
        logarithmic: Whether the scale of the figures is.
    """
    figure = Figure(figsize=(3.7, 2.3), layout="constrained")
    axes = figure.add_subplot()
    for called, name in lines.items():
        axes.plot([row["epoch"] for row in rows], [row[name] for row in rows], marker=".", label=called)
    axes.axvline(best_epoch, color="grey", linestyle=":", label="best epoch")
    axes.set(xlabel="epoch")
    if logarithmic:
        axes.set_yscale("log")
        # 30 and not 3 x 10^1.
        axes.yaxis.set_major_formatter(LogFormatter())
        axes.yaxis.set_minor_formatter(LogFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    return figure


def to_svg(figure: Figure) -> str:
    """A figure as an SVG element for a page."""
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    text = _saved(figure, format="svg", metadata=no_metadata).decode()
    return text[text.index("<svg") :]


def to_png(figure: Figure) -> bytes:
    """A figure as a PNG file; what matplotlib's fonts lack is a box."""
    return _saved(figure, format="png", dpi=120)


@_styled
def _saved(figure: Figure, **options: Any) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # An SVG leaves it to a reader's fonts, and of a PNG nobody has to be told at each epoch.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, bbox_inches="tight", **options)
    return file.getvalue()
