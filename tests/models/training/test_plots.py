import re
import xml.etree.ElementTree as ET

import matplotlib.image
import numpy as np
import pytest

from models.training.plots import plot_attention, plot_epochs, to_png
from pipeline.report.svg import to_svg

WEIGHTS = np.array([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]])
SOURCE, TARGET = ["\u2581$a$", "<b>&", "</s>"], ["\u2581猫", "</s>"]


def shown(svg: str) -> set[str]:
    """The texts of a picture that is well-formed XML."""
    return {
        text for text in ("".join(node.itertext()) for node in ET.fromstring(svg).iter() if node.tag.endswith("text"))
    }


def test_attention_has_a_row_for_each_piece_of_the_translation():
    axes = plot_attention(WEIGHTS, SOURCE, TARGET).axes[0]
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), WEIGHTS)
    # White is nothing, black is all.
    assert (image.to_rgba([0.0, 1.0], bytes=True)[:, :3] == [[255] * 3, [0] * 3]).all()
    assert [label.get_text() for label in axes.get_xticklabels()] == SOURCE
    assert [label.get_text() for label in axes.get_yticklabels()] == TARGET
    # The first row is at the top.
    assert axes.yaxis_inverted()


@pytest.mark.filterwarnings("error")
def test_a_picture_spells_any_piece_and_is_the_same_each_time():
    one, other = (to_svg(plot_attention(WEIGHTS, SOURCE, TARGET)) for _ in range(2))
    assert one == other
    assert shown(one) == {*SOURCE, *TARGET}
    assert not re.search(r'(src|href)="(?!#|data:)', one)


@pytest.mark.parametrize(("pieces", "inches"), [(10, 1.7), (150, 25.0)])
def test_a_picture_grows_with_the_sentence_to_a_bound(pieces, inches):
    figure = plot_attention(np.zeros((1, pieces)), [""] * pieces, ["</s>"])
    np.testing.assert_allclose(figure.get_size_inches(), [inches, 0.17])


def test_a_png_shows_the_cells(tmp_path):
    (tmp_path / "map.png").write_bytes(to_png(plot_attention(np.array([[0.0, 1.0]]), ["a", "b"], ["c"])))
    pixels = matplotlib.image.imread(tmp_path / "map.png")[..., :3].mean(axis=-1)
    # Two cells of 0.17 inches at 120 dots, one of them black.
    assert 0.9 < (pixels < 0.01).sum() / (0.17 * 120) ** 2 < 1.3


def test_figures_over_the_epochs():
    rows = [{"epoch": 1, "loss": 3.0, "val_loss": 4.0}, {"epoch": 2, "loss": 2.0, "val_loss": 2.5}]
    axes = plot_epochs(rows, {"training": "loss", "validation": "val_loss"}, 2, True).axes[0]
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines["training"] == [[1, 3], [2, 2]]
    assert lines["validation"] == [[1, 4], [2, 2.5]]
    assert [x for x, _ in lines["best epoch"]] == [2, 2]
    assert axes.get_yscale() == "log"
    # Numbers without powers.
    assert axes.yaxis.get_major_formatter()(20) == "20"


def test_a_picture_of_one_epoch():
    picture = shown(to_svg(plot_epochs([{"epoch": 1, "loss": 3.0}], {"training": "loss"}, 1)))
    assert {"epoch", "training", "best epoch", "1"} <= picture
