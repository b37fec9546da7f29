"""What `nmt inspect` tells of a data set."""

from pathlib import Path

from rich.text import Text

from pipeline.errors import UserError
from pipeline.files import is_stored
from pipeline.report import tables
from pipeline.report.findings import STATISTICS_FILE, Findings
from pipeline.report.samples import draw_pairs
from pipeline.report.verification import hashes, verify
from pipeline.schema import MANIFEST_FILE, TRAIN, Manifest


def is_data_set(folder: str | Path) -> bool:
    """Whether a folder holds a manifest, or is one of a store, where nothing else of ours is."""
    return is_stored(folder) or Path(folder, MANIFEST_FILE).is_file()


def inspect(folder: str | Path, split: str = TRAIN, samples: int = 5, seed: int = 1, whole: bool = False) -> None:
    """Prints the manifest of a data set as tables, and some of its pairs with their pieces.

    Args:
        folder: The data set's.
        split: From which the pairs are drawn.
        samples: How many.
        seed: Decides which.
        whole: Whether its files are read and compared with the manifest, before anything else is told.

    Raises:
        UserError: The folder holds no data set, a file of it is missing or is another one, or it has no such split.
    """
    manifest = Manifest.read_from(folder)
    if samples < 0:
        raise UserError(f"--samples: expected at least 0, received {samples}; change --samples")
    if split not in manifest.splits:
        raise UserError(f"--split: expected one of {', '.join(manifest.splits)}, received {split!r}; change --split")
    if whole:
        files = hashes(manifest)
        size = verify(folder, files)
        tables.show([Text(f"verified: {len(files):,} files, {size:,} bytes, as the manifest describes them"), Text()])
    told = [*tables.summary(manifest), Text()]
    # A data set of a release that wrote no statistics is one, too.
    if Path(folder, STATISTICS_FILE).is_file():
        findings = Findings.read_from(folder)
        told += [tables.subwords(manifest, findings.splits[TRAIN]), Text()]
        if findings.inputs:
            told += [tables.inputs(findings), Text()]
    tables.show([*told, tables.settings(manifest)])
    for sample in draw_pairs(folder, manifest, split, samples, seed):
        tables.show([Text(), *tables.pair(sample)])
