import html.parser
import itertools
import json
import re

import numpy as np
import pytest

from models.config import ModelConfig, Recipe, TrainingConfig
from models.run import RunConfig
from models.training.callbacks import METRICS_FILE
from models.training.page import REPORT_FILE, write_report
from models.training.samples import Sample
from pipeline.schema import Manifest, Shard, Split, Subwords

EVIL = '<script>alert("1")</script> & Söhne'
SUBWORDS = Subwords("joint.spm", "ab", 8000)
MANIFEST = Manifest(
    SUBWORDS,
    SUBWORDS,
    {"train": Split((Shard("train", 28993, "cd"),), 28993, 400000, 410000), "valid": Split((), 1014, 15000, 16000)},
    30017,
    {"duplicate": 10, "too_long": 0},
    {},
    {},
)
RECIPE = Recipe(model=ModelConfig(cell="gru"), training=TrainingConfig(epochs=9, start_from="<b>"))
ROWS = [
    {
        "epoch": epoch, "loss": 3.0, "val_loss": loss, "perplexity": 20.0, "val_perplexity": 10.5, "val_bleu": bleu,
        "learning_rate": 0.1, "gradient_norm": 0.5, "tokens_per_second": speed, "seconds": 3600.0,
    }
    for epoch, loss, bleu, speed in [(1, 4.0, 1.0, 1000.0), (2, 2.345, 12.346, 3000.0), (3, 2.5, 12.0, 2000.0)]
]  # fmt: skip


class Reader(html.parser.HTMLParser):
    """The tags of a page, its texts, and the rows of its tables."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.texts, self.rows, self.within_row = [], [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.within_row = True
            self.rows.append([])

    def handle_endtag(self, tag):
        self.within_row = self.within_row and tag != "tr"

    def handle_data(self, data):
        if data := " ".join(data.split()):
            self.texts.append(data)
            if self.within_row:
                self.rows[-1].append(data)


def report(run, recipe, *samples) -> Reader:
    RunConfig(recipe, "ab", "ab", 8000, 8000, MANIFEST.fingerprint).write(run)
    (run / METRICS_FILE).write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    write_report(run, MANIFEST, 2, samples)
    return Reader((run / REPORT_FILE).read_text("utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    sample = Sample(EVIL, "<i>", "a & b", ["<s", "</s>"], ["&", "</s>"], np.eye(2))
    return report(tmp_path_factory.mktemp("run"), RECIPE, sample, sample._replace(attention=None))


def test_a_report_tells_what_came_out(page):
    told = dict(itertools.pairwise(page.texts))
    assert told["best epoch, by bleu"] == "2"
    assert told["epochs, of at most 9"] == "3"
    assert told["validation BLEU then"] == "12.35"
    assert told["validation loss then"] == "2.345"
    assert told["validation perplexity then"] == "10.5"
    assert told["tokens a second, median"] == "2,000"
    assert told["time, validation included"] == "3:00:00"


def test_settings_and_data_set(page):
    settings = [row for row in page.rows if row[0].startswith(("model.", "training.", "batching.", "decoding."))]
    # The default of the last is empty.
    assert settings == [["model.cell", "gru", "lstm"], ["training.epochs", "9", "10"], ["training.start_from", "<b>"]]
    assert ["train", "28,993", "400,000", "410,000"] in page.rows
    assert ["valid", "1,014", "15,000", "16,000"] in page.rows
    assert MANIFEST.fingerprint in page.texts
    assert any("Of 30,017 pairs read, left out: duplicate 10." in text for text in page.texts)


def test_whatever_a_sentence_holds_is_text(page):
    assert {EVIL, "<i>", "a & b", "<s", "&", "</s>"} <= set(page.texts)
    assert not {"script", "i", "b"} & {tag for tag, _ in page.tags}


def test_a_page_needs_no_other_file(page):
    assert not {"link", "script", "iframe"} & {tag for tag, _ in page.tags}
    targets = [
        value for _, given in page.tags for name, value in given.items() if re.fullmatch("(xlink:)?href|src", name)
    ]
    assert targets and all(target.startswith(("#", "data:image/png;base64,")) for target in targets)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.tags


def test_six_curves_and_the_attention_of_the_sample_that_has_one(page):
    assert [tag for tag, _ in page.tags].count("svg") == 6 + 1
    assert page.texts.count("best epoch") == 6
    assert any("the darker" in text for text in page.texts)


def test_a_run_of_defaults_alone(tmp_path):
    page = report(tmp_path, Recipe())
    assert "None." in page.texts
    assert not any("the darker" in text for text in page.texts)
