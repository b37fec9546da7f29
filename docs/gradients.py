"""Draws how much of a gradient comes through time, by cell: `make docs-gradients` writes docs/gradients.svg.

It prints the figures of docs/gradients.md.

A layer of each cell, with the weights that training starts from, reads random inputs; the last output, times a random
vector, is differentiated by the input of each step. A gradient that falls by a factor a step vanishes (Hochreiter 1991;
Bengio 1994; Pascanu 2013).
"""

from pathlib import Path
from typing import Any

import keras
import matplotlib
import numpy as np
import tensorflow as tf

from models.recurrent.cells import CELLS
from models.recurrent.recurrence import Recurrence
from pipeline.files import write_beside

STEPS, BATCH, INPUTS, UNITS = 100, 32, 32, 64
SHOWN = 10, 40, 99
# Beside each cell as it is by default: the IRNN, and an LSTM whose forget gate starts half open.
VARIANTS: dict[str, dict[str, Any]] = {name: {"cell": name} for name in CELLS} | {
    "relu, identity": {"cell": "relu", "recurrent_initializer": "identity"},
    "lstm, forget bias 0": {"cell": "lstm", "forget_bias": 0.0},
    "lstm, forget bias 3": {"cell": "lstm", "forget_bias": 3.0},
}


def gradient_norms(steps: int = STEPS, **settings: Any) -> np.ndarray:
    """The norm of the last output's gradient by the input of each step, the mean of a batch, `(steps,)`.

    Args:
        steps: Length of the sequences.
        **settings: Arguments of `Recurrence`.
    """
    keras.utils.set_random_seed(1)
    recurrence = Recurrence(units=UNITS, **settings)
    recurrence.build(INPUTS)
    draw = np.random.default_rng(1)
    inputs = tf.constant(draw.normal(size=(steps, BATCH, INPUTS)).astype("float32"))
    direction = draw.normal(size=(BATCH, UNITS)).astype("float32")
    zeros = tf.zeros((BATCH, UNITS))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        first = recurrence.first_state((zeros,) * recurrence.cell.state_parts)
        states, _ = recurrence(inputs, first, training=True, lengths=np.full(BATCH, steps))
        loss = tf.reduce_sum(states[0][-1] * direction)
    return tf.reduce_mean(tf.norm(tape.gradient(loss, inputs), axis=-1), axis=1).numpy()


def draw(path: Path) -> None:
    """Writes the picture: for each cell the norms over the distance from the last step, as parts of the last one."""
    matplotlib.use("svg")
    # The same bytes each time.
    matplotlib.rcParams["svg.hashsalt"] = "keras-nmt"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    styles = ["-", "--", "-.", ":"]
    for number, (name, settings) in enumerate(VARIANTS.items()):
        norms = gradient_norms(**settings)[::-1]
        left = norms / norms[0]
        print(f"| {name} |", " | ".join(f"{left[distance]:.0e}" for distance in SHOWN), "|")
        axes.semilogy(np.maximum(left, 1e-12), styles[number // 4], label=name)
    axes.set(xlabel="steps back", ylabel="norm of the gradient, as a part of the last step's", ylim=(1e-8, 1e3))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    with write_beside(path) as beside:
        figure.savefig(beside, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(__file__).with_name("gradients.svg"))
