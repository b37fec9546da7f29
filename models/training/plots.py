"""Pictures of a training: what a translation attended to, and figures over the epochs."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from pipeline.report.svg import saved, styled

_CELL, _LONGEST = 0.17, 25.0


@styled
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


@styled
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


def to_png(figure: Figure) -> bytes:
    """A figure as a PNG file; what matplotlib's fonts lack is a box."""
    return saved(figure, format="png", dpi=120)
