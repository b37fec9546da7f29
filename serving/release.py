"""An export that becomes a version only after it has been looked at."""

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.errors import UserError
from pipeline.lines import read_lines, readable
from serving.check import SAMPLES, check_export
from serving.comparison import compare
from serving.endpoint import open_version
from serving.evaluate import read_test_set, translate_all
from serving.export import export
from serving.export_folder import remove_older, whole_versions
from serving.translator import Translator

Check = Callable[[Path, Translator], None]


def release(
    run: str,
    output: str,
    ensemble: Sequence[str] = (),
    keep: int | None = None,
    check: bool = False,
    check_source: str | None = None,
    compare_source: str | None = None,
    compare_target: str | None = None,
    margin: float = 1.0,
) -> str:
    """Exports a run as the next version, if what is asked of it holds; else there is no new version.

    Args:
        run: The run's folder.
        output: The export's folder.
        ensemble: Runs whose best models translate together with it.
        keep: How many versions stay, the newest ones; by default all.
        check: Whether TensorFlow Serving's rules are checked; see `serving.check`.
        check_source: File of sentences that the version and the run have to translate alike, which is checked then;
            by default some built-in ones.
        compare_source: File of sentences, one a line, on which it must not be worse than the newest version.
        compare_target: File of their references.
        margin: Points of BLEU by which it may be worse.

    Returns:
        The path of the new version.

    Raises:
        UserError: An argument is wrong, a rule is broken, or the new version is worse.
    """
    if keep is not None and keep < 1:
        raise UserError(f"--keep: expected at least 1, received {keep}; keep one version or more")
    if margin < 0:
        raise UserError(f"--margin: expected at least 0, received {margin}; give points of BLEU")
    checks: list[Check] = []
    if check or check_source is not None:
        texts = _texts(check_source) if check_source is not None else SAMPLES
        checks.append(functools.partial(check_export, texts=texts))
    if (compare_source is None) != (compare_target is None):
        raise UserError("--compare-source, --compare-target: expected both or none, received one; give the other, too")
    if compare_source is not None and compare_target is not None:
        sources, references = read_test_set(compare_source, compare_target, "--compare-")
        checks.append(_no_worse_than_newest(output, sources, references, margin))
    version = export(run, output, ensemble, checks)
    if keep is not None:
        remove_older(output, keep)
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
