import xml.etree.ElementTree as ET

import numpy as np
import pytest

from pipeline.report.charts import plot_lengths, plot_occurrences, plot_ratios, plot_word_lengths, to_themed_svg
from pipeline.report.statistics import RATIO_EDGES


def counts(longest: int, **at: int) -> np.ndarray:
    found = np.zeros(longest + 1, np.int64)
    for place, count in at.items():
        found[int(place[1:])] = count
    return found


def stairs(axes) -> list[tuple[list[float], list[float]]]:
    """The heights and edges of the outlines."""
    return [(patch.get_data().values.tolist(), patch.get_data().edges.tolist()) for patch in axes.patches]


def test_lengths_are_shares_of_the_sentences():
    axes = plot_lengths({"source": counts(3, _1=1, _3=3), "target": counts(2, _2=5)}).axes[0]
    fill, outline, *target = stairs(axes)
    assert fill == outline == ([0, 0.25, 0, 0.75], [0, 1, 2, 3, 4])
    assert target[0] == ([0, 0, 1], [0, 1, 2, 3])
    assert axes.get_xlim() == (0, 4)


def test_long_sentences_are_counted_in_steps_and_the_few_longest_lie_beyond_the_edge():
    # One of 10,000 sentences is by far the longest.
    lengths = counts(900, _100=4000, _119=5999, _900=1)
    axes = plot_lengths({"source": lengths, "target": lengths}).axes[0]
    assert axes.get_xlabel() == "pieces of a sentence, in steps of 2"
    assert axes.get_xlim() == (0, 120)
    values, edges = stairs(axes)[0]
    assert sum(values) == pytest.approx(1) and len(edges) == len(values) + 1
    assert values[edges.index(100)] == 0.4 and values[edges.index(118)] == 0.5999


@pytest.mark.parametrize(
    ("limit", "filled", "lines", "edge"),
    [(None, [32], [], 4), (3.0, [32], [1 / 3, 3], 4), (9.0, [32], [1 / 9, 9], 10.8), (1.5, [60], [1 / 1.5, 1.5], None)],
)
def test_ratios_are_shown_with_the_limit_and_all_that_is_there(limit, filled, lines, edge):
    ratios = np.zeros(len(RATIO_EDGES) - 1, np.int64)
    ratios[filled] = 7
    axes = plot_ratios(ratios, RATIO_EDGES, limit).axes[0]
    assert [line.get_xdata()[0] for line in axes.lines] == pytest.approx(lines)
    right = RATIO_EDGES[filled[0] + 1] if edge is None else edge
    assert axes.get_xlim() == pytest.approx((1 / right, right))
    assert [axes.xaxis.get_major_formatter()(ratio) for ratio in (0.25, 1, 4)] == ["1/4", "1", "4"]


def test_words_beyond_eight_pieces_are_counted_together():
    axes = plot_word_lengths({"source": counts(11, _1=6, _8=1, _11=1), "target": counts(1, _1=2)}).axes[0]
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    assert heights == [[0.75, 0, 0, 0, 0, 0, 0, 0.25], [1, 0, 0, 0, 0, 0, 0, 0]]


def test_occurrences_by_rank():
    axes = plot_occurrences({"source": np.array([0, 3, 100, 7]), "target": np.zeros(4, np.int64)}).axes[0]
    assert [line.get_xydata().tolist() for line in axes.lines] == [[[1, 100], [2, 7], [3, 3]], []]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


@pytest.mark.filterwarnings("error")
def test_nothing_can_be_drawn_too():
    nothing = {"source": np.zeros(0, np.int64), "target": np.zeros(0, np.int64)}
    for figure in (plot_lengths(nothing), plot_word_lengths(nothing), plot_occurrences(nothing)):
        assert to_themed_svg(figure, "nothing")
    assert to_themed_svg(plot_ratios(np.zeros(len(RATIO_EDGES) - 1, np.int64), RATIO_EDGES, 3.0), "nothing")


def test_a_picture_has_the_colours_and_the_font_of_the_page_and_is_the_same_each_time():
    one, other = (
        to_themed_svg(plot_word_lengths({"source": counts(1, _1=1), "target": counts(2, _2=1)}), "words")
        for _ in range(2)
    )
    assert one == other
    picture = ET.fromstring(one)
    assert (picture.get("role"), picture.get("aria-label")) == ("img", "words")
    assert all(f"var(--{name})" in one for name in ("source", "target", "muted", "line"))
    assert "DejaVu" not in one and "#0000" not in one
    assert {"source", "target", "pieces of a word", "8+"} <= {
        "".join(node.itertext()) for node in picture.iter() if node.tag.endswith("text")
    }
    assert not [node.get("id") for node in picture.iter() if (node.get("id") or "").startswith(("figure", "axes"))]
