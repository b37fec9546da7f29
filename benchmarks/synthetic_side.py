"""One training of ours on random ids, whose speed and memory are printed as one line of JSON."""

import itertools
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Literal

from benchmarks.command import run_command
from benchmarks.synthetic import Synthetic


def synthetic_side(
    synthetic: Synthetic, /, *, backend: Literal["tensorflow", "jax"] = "tensorflow", dtype: str = "float32"
) -> None:
    """Trains some steps and prints the speed of all but the first.

    Args:
        backend: Keras's.
        dtype: Keras's policy of numbers.
    """
    # Before Keras is loaded.
    os.environ["KERAS_BACKEND"] = backend
    import keras

    from benchmarks.clock import Clock
    from models.seq2seq import Seq2Seq
    from models.training.optimizers import Adam

    before = peak_bytes()
    keras.config.set_dtype_policy(dtype)
    keras.utils.set_random_seed(1)
    vocab_size, total = synthetic.vocab_size, synthetic.warmup_steps + synthetic.steps
    model = Seq2Seq(synthetic.model, vocab_size, vocab_size, label_smoothing=0.1, name="seq2seq")
    model.build()
    model.compile(optimizer=Adam(1e-3, global_clipnorm=1.0), jit_compile=backend == "jax")
    # Else TensorFlow makes the graph twice, as the first one makes variables.
    model.optimizer.build(model.trainable_variables)
    made, clock = [synthetic.batch(seed) for seed in range(4)], Clock()
    # Keras takes no other kind of iterator.
    batches = (batch for batch in itertools.cycle(made))
    model.fit(batches, steps_per_epoch=total, epochs=1, callbacks=[clock], verbose=0)
    times = [clock.times[step] for step in range(synthetic.warmup_steps, total + 1)]
    measurement = {
        "tokens_per_second": synthetic.steps * synthetic.tokens / (times[-1] - times[0]),
        "step_seconds": statistics.median(after - before for before, after in itertools.pairwise(times)),
        "peak_bytes": peak_bytes() - before,
        "parameters": model.count_params(),
        "device": _device(backend),
    }
    print(json.dumps(measurement))


def peak_bytes() -> int:
    """The most memory that this process has held; `getrusage` would tell that of its parent, if it was more."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _device(backend: str) -> str:
    if backend == "tensorflow":
        return "cpu"
    import jax

    return jax.devices()[0].device_kind


if __name__ == "__main__":
    sys.exit(run_command(synthetic_side))
