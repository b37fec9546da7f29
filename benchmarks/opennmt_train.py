"""Trains OpenNMT-py as `onmt_train` does, in its own environment, and prints its speed as one line of JSON.

    python opennmt_train.py WARMUP_STEPS [option of onmt_train ...]

Tokens are counted from OpenNMT-py's own statistics of its batches: source pieces, one END a sentence, which its encoder
does not read but ours does, and target pieces with their END. So a pair counts the same on every side.
"""

import json
import sys
import time
from typing import Any

import onmt.utils
import torch
from onmt.bin.train import _get_parser, train
from onmt.utils.report_manager import ReportMgr


class Clock(ReportMgr):
    """Notes the time and the count of tokens after each step, and reports as ever.

    Attributes:
        seconds: Since the start of training, after each step.
        tokens: Since the start of training, after each step.
    """

    def __init__(self, report_every: int):
        super().__init__(report_every)
        self.seconds: list[float] = []
        self.tokens: list[int] = []
        self._reported = 0

    def report_training(
        self, step: int, num_steps: int, learning_rate: float, patience: Any, report_stats: Any, multigpu: bool = False
    ) -> Any:
        """Notes a step; `report_stats` sums from report to report."""
        self.seconds.append(time.time() - self.start_time)
        since = report_stats.n_src_words + report_stats.n_sents + report_stats.n_words
        self.tokens.append(self._reported + since)
        after = super().report_training(step, num_steps, learning_rate, patience, report_stats, multigpu)
        if after is not report_stats:
            self._reported += since
        return after


def count_parameters(checkpoint: str) -> int:
    """The count of weights in a checkpoint; the output layer is kept apart."""
    saved = torch.load(checkpoint, weights_only=False)
    return sum(tensor.numel() for part in ("model", "generator") for tensor in saved[part].values())


def main() -> None:
    """Trains and prints the measurement."""
    warmup_steps = int(sys.argv.pop(1))
    options, _ = _get_parser().parse_known_args()
    clock = Clock(options.report_every)
    onmt.utils.build_report_manager = lambda *_: clock
    train(options)
    tokens, seconds = ([0, *noted] for noted in (clock.tokens, clock.seconds))
    last = len(clock.seconds)
    saved = [*range(options.save_checkpoint_steps, last, options.save_checkpoint_steps), last]
    measurement = {
        "tokens_per_second": (tokens[-1] - tokens[warmup_steps]) / (seconds[-1] - seconds[warmup_steps]),
        "tokens": tokens[-1] - tokens[warmup_steps],
        "parameters": count_parameters(f"{options.save_model}_step_{options.train_steps}.pt"),
        "checkpoint_seconds": {step: seconds[step] for step in saved},
    }
    print(json.dumps(measurement))


if __name__ == "__main__":
    main()
