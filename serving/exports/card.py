"""What a version tells of itself in `export.json`, beside what it was made of."""

from pathlib import Path
from typing import Any

from sacrebleu.metrics import BLEU

from models.run import RunConfig
from models.training.callbacks import read_metrics
from models.training.epochs import ranked
from serving.exports.check import nodes, read_graph
from serving.exports.warmup import write_warmup


def describe(version: Path, run: str) -> dict[str, Any]:
    """Adds warm-up requests to a version, and describes what a user of it has to know.

    Args:
        version: The folder that holds `saved_model.pb`.
        run: The folder of the run that it was made of.

    Returns:
        `limits` of a text, `operations` that a server needs, the `validation` of the run's best epoch (None for a run
        of averaged weights, which was not validated), and how many `warm_up_requests` there are.
    """
    config = RunConfig.read_from(run)
    decoding = config.recipe.decoding
    return {
        "limits": {
            "text_pieces": decoding.max_text_pieces,
            "beam_size": decoding.widest_beam,
            "part_pieces": decoding.max_source_length,
            "translated_part_pieces": f"{decoding.max_length_factor} * part_pieces + {decoding.max_length_offset}",
        },
        "operations": sorted({node.op for node in nodes(read_graph(version))}),
        "validation": _validation(run, config.recipe.training.best_by),
        "warm_up_requests": write_warmup(version),
    }


def _validation(run: str, best_by: str) -> dict[str, Any] | None:
    rows = {row["epoch"]: row for row in read_metrics(Path(run))}
    if not rows:
        return None
    best = rows[ranked(list(rows.values()), "best", best_by)[0]]
    return {
        "epoch": best["epoch"],
        "bleu": best["val_bleu"],
        "loss": best["val_loss"],
        # Of the package that is installed now, which need not have the number of the one that measured.
        "signature": str(BLEU(references=[[""]]).get_signature()),
        "measured": "by sacreBLEU, detokenized, with the recipe's search, on the pairs that chose the epoch;"
        " a placeholder is one word",
    }
