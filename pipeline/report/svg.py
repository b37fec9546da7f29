"""Pictures as parts of a page."""

import io
import warnings
from typing import Any

import matplotlib
from matplotlib.figure import Figure

styled = matplotlib.rc_context(
    {
        "font.size": 9,
        # The same picture gives the same bytes.
        "svg.hashsalt": "keras-nmt",
        # Whoever looks has fonts for their languages.
        "svg.fonttype": "none",
    }
)


def to_svg(figure: Figure) -> str:
    """A figure as an SVG element for a page."""
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    text = saved(figure, format="svg", metadata=no_metadata).decode()
    return text[text.index("<svg") :]


@styled
def saved(figure: Figure, **options: Any) -> bytes:
    """A figure as a file's bytes; `options` are those of `Figure.savefig`."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        # An SVG leaves it to a reader's fonts, and of a PNG nobody has to be told at each epoch.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, bbox_inches="tight", **options)
    return file.getvalue()
