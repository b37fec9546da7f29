"""The time of each training step."""

import time
from typing import Any

import keras


class Clock(keras.callbacks.Callback):
    """Notes the time after each step."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Makes room."""
        self.times: dict[int, float] = {}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Notes a step, counted from 1."""
        # JAX hands over a figure that it still computes.
        float((logs or {})["loss"])
        self.times[batch + 1] = time.perf_counter()
