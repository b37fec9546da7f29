"""What happens to a training that it could not foresee, told in a line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from models.training.checkpoint import CHECKPOINT_FILE
from models.training.distribution import Devices
from pipeline.errors import UserError


@contextlib.contextmanager
def failures_told(data: str, run: Path, devices: Devices) -> Iterator[None]:
    """Turns a failure within it into one line.

    Args:
        data: The data set's folder.
        run: The run's folder.
        devices: Those that train.

    Raises:
        UserError: A shard has gone or is damaged, a batch does not fit the memory, or a host has gone.
    """
    try:
        yield
    except UserError:
        raise
    except (tf.errors.NotFoundError, tf.errors.DataLossError) as error:
        raise UserError(
            f"--data: expected the shards of {data} to stay as they were, received {_first_line(error)}; bring them"
            f" back, and --resume goes on from {run / CHECKPOINT_FILE}"
        ) from error
    # What happens as it runs are the last two on JAX.
    except (tf.errors.ResourceExhaustedError, RuntimeError, ValueError) as error:
        if isinstance(error, tf.errors.OpError) or "RESOURCE_EXHAUSTED" in str(error):
            raise UserError(
                f"batching.size: expected batches that fit the memory, received {_first_line(error)}; lower it, or"
                " --batching.max_source_length and --batching.max_target_length, and train into another --output"
            ) from error
        if devices.hosts == 1:
            raise
        raise UserError(
            f"training.distribution: expected {devices.hosts} hosts to the end, received {_first_line(error)}; start"
            " all of them again, and --resume goes on from the last checkpoint"
        ) from error


def _first_line(error: Exception) -> str:
    # An operation's own words, without Keras's trace of the graph.
    lines = [line.strip() for line in str(getattr(error, "message", error)).splitlines()]
    return next((line for line in lines if line and not line.startswith(("Graph", "Detected"))), type(error).__name__)
