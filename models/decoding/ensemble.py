"""Several models of the same subwords that search as one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
from keras import ops

from models.decoder_state import DecoderState, Source
from models.run import RunConfig, load_model
from models.seq2seq import Seq2Seq
from pipeline.errors import UserError


class Sources(NamedTuple):
    """What every step knows of a source: that of each member."""

    members: tuple[Source, ...]

    def take(self, rows: Any) -> "Sources":
        """That of the sentences `rows (m,)`."""
        return Sources(tuple(member.take(rows) for member in self.members))


class Ensemble:
    """Models that are searched as one: a token's logit is the mean of its log-probabilities.

    The probabilities that search makes of these are the members' geometric mean, normalized.

    Args:
        members: Models of the same source and target vocabulary; their parts may differ.
    """

    def __init__(self, members: Sequence[Seq2Seq]):
        self.members = tuple(members)

    @property
    def target_vocab_size(self) -> int:
        """Count of target ids, the same in all members."""
        return self.members[0].target_vocab_size

    @property
    def weights(self) -> list[keras.Variable]:
        """Those of all members."""
        return [weight for member in self.members for weight in member.weights]

    def start(self, source_ids: Any) -> tuple[Sources, tuple[DecoderState, ...]]:
        """Encodes `source_ids (batch, src_len)`; returns sources and first states, each part `(batch, 1, ...)`."""
        sources, states = zip(*(member.start(source_ids) for member in self.members), strict=True)
        return Sources(sources), states

    def stepper(self, choices: Any = None) -> Callable[[Any, Sources, Any], tuple[Any, Any]]:
        """Makes the step of search; see `Decoder.stepper`, of which the logits `(batch, n, choices)` are float32."""
        watch = self.watcher(choices)
        return lambda ids, sources, states: watch(ids, sources, states)[:2]

    def watcher(self, choices: Any = None) -> Callable[[Any, Sources, Any], tuple[Any, Any, tuple[Any, ...]]]:
        """Makes a step as `stepper` does, which returns the weights of each member with attention, too."""
        steps = [member.watcher(choices) for member in self.members]

        def run(ids: Any, sources: Sources, states: tuple[DecoderState, ...]) -> tuple[Any, Any, tuple[Any, ...]]:
            each = zip(steps, sources.members, states, strict=True)
            logits, states, weights = zip(*(step(ids, source, state) for step, source, state in each), strict=True)
            total = sum(ops.log_softmax(ops.cast(x, "float32"), axis=-1) for x in logits)
            return total / len(steps), states, sum(weights, ())

        return run


def load_ensemble(runs: Sequence[str | Path]) -> Ensemble:
    """Loads the best models of runs with the same subwords.

    Raises:
        UserError: One is no run, has no finished epoch, or has other subwords, protects other text or translates
            between other languages than the first.
    """
    first, *others = map(RunConfig.read_from, runs)
    for run, config in zip(runs[1:], others, strict=True):
        for side in ("source", "target"):
            its, wanted = (getattr(each, f"{side}_fingerprint") for each in (config, first))
            if its != wanted:
                raise UserError(
                    f"--ensemble: expected runs with the {side} subwords of {str(runs[0])!r}, SHA-256 {wanted},"
                    f" received {str(run)!r}, which has others, {its}; train it on the same data set"
                )
        if config.protected != first.protected:
            raise UserError(
                f"--ensemble: expected runs that protect the same text as {str(runs[0])!r}, received {str(run)!r},"
                " which has another pattern of it; train it on the same data set"
            )
        # With a joint vocabulary, the subwords are those of the other direction too.
        for side in ("source", "target"):
            its, wanted = (getattr(each, f"{side}_language") for each in (config, first))
            if its and wanted and its != wanted:
                raise UserError(
                    f"--ensemble: expected runs of the {side} language of {str(runs[0])!r}, {wanted}, received"
                    f" {str(run)!r} with {its}; train it in the same direction"
                )
    return Ensemble([load_model(run) for run in runs])
