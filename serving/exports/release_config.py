"""The settings of a release: what is exported, and what must hold of it before it becomes a version."""

import dataclasses
from typing import Literal, get_args

from pipeline.errors import UserError

WeightKind = Literal["float32", "bfloat16", "int8"]
SignatureName = Literal["serving_default", "nbest", "score", "prefix", "decode", "align"]
SIGNATURES: tuple[SignatureName, ...] = get_args(SignatureName)


@dataclasses.dataclass(frozen=True)
class ReleaseConfig:
    """What is exported, and what must hold of it before it becomes a version.

    Attributes:
        ensemble: Folders of other runs with the same subwords, which translate together with it.
        weights: How large matrices are stored, in 4, 2 or 1 bytes a number; they are made float32 as the version loads.
        signatures: What it answers, `serving_default` always; each takes seconds to load. `align` is left out where the
            model has no attention, or is an ensemble.
        keep: How many versions stay once the new one is there, the newest ones; by default all.
        check: Hold it to TensorFlow Serving's rules, and its translations to the run's, in a process of its own.
        check_source: File of sentences to translate for --check, one a line; by default a few built-in ones.
        compare_source: File of sentences on which it must not be worse than the newest version that there is.
        compare_target: File of their reference translations, line for line.
        margin: Points of BLEU by which it may be worse.
    """

    ensemble: tuple[str, ...] = ()
    weights: WeightKind = "float32"
    signatures: tuple[SignatureName, ...] = SIGNATURES
    keep: int | None = None
    check: bool = False
    check_source: str | None = None
    compare_source: str | None = None
    compare_target: str | None = None
    margin: float = 1.0

    def __post_init__(self) -> None:
        kinds = get_args(WeightKind)
        if self.weights not in kinds:
            raise UserError(f"--weights: expected one of {', '.join(kinds)}, received {self.weights!r}; choose one")
        if unknown := sorted(set(self.signatures) - set(SIGNATURES)):
            raise UserError(
                f"--signatures: expected some of {', '.join(SIGNATURES)}, received {unknown[0]!r}; choose among them"
            )
        if self.keep is not None and self.keep < 1:
            raise UserError(f"--keep: expected at least 1, received {self.keep}; keep one version or more")
        if self.margin < 0:
            raise UserError(f"--margin: expected at least 0, received {self.margin}; give points of BLEU")
        if (self.compare_source is None) != (self.compare_target is None):
            raise UserError(
                "--compare-source, --compare-target: expected both or none, received one; give the other, too"
            )
