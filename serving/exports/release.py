"""An export that becomes a version only after it has been looked at."""

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.errors import UserError
from pipeline.lines import read_lines, readable
from serving.endpoint import open_version
from serving.evaluate import read_test_set, translate_all
from serving.exports.check import SAMPLES, check_export
from serving.exports.comparison import compare
from serving.exports.export import export
from serving.exports.export_folder import remove_older, whole_versions
from serving.exports.release_config import ReleaseConfig
from serving.graph.translator import Translator

Check = Callable[[Path, Translator], None]


def release(run: str, output: str, settings: ReleaseConfig) -> str:
    """Exports a run as the next version, if what is asked of it holds; else there is no new version.

    Args:
        run: The run's folder.
        output: The export's folder.
        settings: What is exported, and what must hold of it.

    Returns:
        The path of the new version.

    Raises:
        UserError: A file is missing, a rule is broken, or the new version is worse.
    """
    checks: list[Check] = []
    if settings.check or settings.check_source is not None:
        texts = _texts(settings.check_source) if settings.check_source is not None else SAMPLES
        checks.append(functools.partial(check_export, texts=texts))
    if settings.compare_source is not None and settings.compare_target is not None:
        sources, references = read_test_set(settings.compare_source, settings.compare_target, "--compare-")
        checks.append(_no_worse_than_newest(output, sources, references, settings.margin))
    version = export(run, output, settings.ensemble, checks, settings.weights, settings.signatures)
    if settings.keep is not None:
        remove_older(output, settings.keep)
    return version


def _texts(path: str) -> list[str]:
    with readable("--check-source", path):
        return [line.decode(errors="replace") for line in read_lines(path)]


def _no_worse_than_newest(output: str, sources: Sequence[str], references: Sequence[str], margin: float) -> Check:
    versions = whole_versions(output)

    def check(folder: Path, translator: Translator) -> None:
        if not versions:
            print(f"{output}: there is no version yet to compare with", file=sys.stderr)
            return
        before, now = (translate_all(open_version(version), sources) for version in (versions[-1], folder))
        found = compare(before, now, references)
        print(f"{versions[-1]}: {found.before}", f"new version: {found.now}", sep="\n", file=sys.stderr)
        print(f"p-value of the difference {found.p_value:.4f}  {found.signature}", file=sys.stderr)
        if found.now.bleu < found.before.bleu - margin:
            raise UserError(
                f"--margin: expected a new version at most {margin} BLEU below {versions[-1]} with"
                f" {found.before.bleu:.2f}, received one with {found.now.bleu:.2f}; no version was made; train on, or"
                " raise the margin"
            )

    return check
