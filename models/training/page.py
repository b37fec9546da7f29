"""The page that sums up a training."""

import dataclasses
import datetime
import statistics
from collections.abc import Sequence
from pathlib import Path

import jinja2

from models.config import Recipe
from models.run import RunConfig
from models.training.callbacks import read_metrics
from models.training.plots import plot_attention, plot_epochs
from models.training.samples import Sample
from pipeline.files import write_beside
from pipeline.report.svg import to_svg
from pipeline.schema import Manifest

REPORT_FILE = "report.html"
_PAGE = Path(__file__).with_name("page.html")
# The lines of each picture: what each is called, and its name in the metrics.
_CURVES = {
    "Loss, nats a target piece": {"training": "loss", "validation": "val_loss"},
    "Perplexity": {"training": "perplexity", "validation": "val_perplexity"},
    "BLEU": {"validation": "val_bleu"},
    "Learning rate, last batch": {"learning rate": "learning_rate"},
    "Gradient norm, last batch": {"gradient norm": "gradient_norm"},
    "Tokens a second in training": {"source and target": "tokens_per_second"},
}


def write_report(run: Path, manifest: Manifest, best_epoch: int, samples: Sequence[Sample]) -> None:
    """Writes `report.html` into a run's folder: one page that needs no other file.

    Args:
        run: The run's folder, with settings and metrics.
        manifest: Of its data set.
        best_epoch: The epoch whose model is kept.
        samples: Some sentences as that model translates them.

    Raises:
        UserError: The folder is no run.
    """
    config = RunConfig.read_from(run)
    rows = read_metrics(run)
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    with write_beside(run / REPORT_FILE) as path:
        text = page.from_string(_PAGE.read_text("utf-8")).render(
            name=run.resolve().name,
            epochs=len(rows),
            best=rows[best_epoch - 1],
            speed=statistics.median(row["tokens_per_second"] for row in rows),
            time=datetime.timedelta(seconds=round(sum(row["seconds"] for row in rows))),
            training=config.recipe.training,
            curves={
                title: to_svg(plot_epochs(rows, lines, best_epoch, title == "Perplexity"))
                for title, lines in _CURVES.items()
            },
            samples=[(sample, _attention_map(sample)) for sample in samples],
            settings=_differing(config),
            data=manifest,
        )
        path.write_text(text, "utf-8")


def _attention_map(sample: Sample) -> str | None:
    if sample.attention is None:
        return None
    return to_svg(plot_attention(sample.attention, sample.source_pieces, sample.target_pieces))


def _differing(config: RunConfig) -> dict[str, tuple[object, object]]:
    """The default and the value of each setting that has another."""
    return config.changed_from(dataclasses.replace(config, recipe=Recipe()))
