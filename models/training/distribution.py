"""Who trains together: the devices of one machine, or of several, each on a part of each batch (data parallelism)."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np

from models.config import Recipe
from pipeline.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf


class Devices(Protocol):
    """Those that train together.

    Attributes:
        count: Of devices, over all hosts.
        hosts: Of machines.
        host: The number of this one.
    """

    count: int
    hosts: int
    host: int

    def building(self) -> contextlib.AbstractContextManager[Any]:
        """Within it, models and optimizers are made for all devices."""

    def training(self) -> contextlib.AbstractContextManager[Any]:
        """Within it they are trained."""

    def alone(self) -> contextlib.AbstractContextManager[Any]:
        """Within it, and within training, a model that was made for one device is run."""

    def share(self, batches: "tf.data.Dataset") -> Any:
        """This host's part of `batches`, as `Model.fit` takes it."""

    def agree(self, value: float) -> float:
        """The first host's value, on all of them."""


def join(distribution: str) -> Devices:
    """Finds the devices; among several hosts, waits for the others.

    Args:
        distribution: See `TrainingConfig`.

    Raises:
        UserError: The backend does not train so, or nothing tells where the other hosts are.
    """
    backend = keras.backend.backend()
    if distribution == "hosts":
        _join_hosts(backend)
    if distribution == "none" or (backend == "tensorflow" and len(_tensorflow_devices()) == 1):
        return OneDevice()
    return MirroredDevices() if backend == "tensorflow" else ShardedDevices()


def _join_hosts(backend: str) -> None:
    if backend != "jax":
        raise UserError(
            "training.distribution: expected none or devices on TensorFlow, as Keras trains over several hosts on JAX"
            " alone (keras issue 20585), received 'hosts'; set KERAS_BACKEND=jax on each host"
        )
    import jax

    if jax.distributed.is_initialized():
        return
    try:
        keras.distribution.initialize()
    except (ValueError, RuntimeError) as error:
        raise UserError(
            "training.distribution: expected a cluster that JAX finds by itself, such as of TPUs or Slurm, or"
            " KERAS_DISTRIBUTION_JOB_ADDRESSES, KERAS_DISTRIBUTION_NUM_PROCESSES and KERAS_DISTRIBUTION_PROCESS_ID"
            f" in the environment, received {str(error).splitlines()[0]}; set them on each host"
        ) from error


def _tensorflow_devices() -> list[str]:
    import tensorflow as tf

    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


class OneDevice:
    """A device by itself."""

    count, hosts, host = 1, 1, 0
    building = training = alone = staticmethod(contextlib.nullcontext)

    def share(self, batches: "tf.data.Dataset") -> "tf.data.Dataset":
        """See `Devices`."""
        return batches

    def agree(self, value: float) -> float:
        """See `Devices`."""
        return value


class MirroredDevices:
    """Those of one machine on TensorFlow, each with its replica of the model."""

    hosts, host = 1, 0
    # Keras runs what is within a strategy's scope, search too, on all replicas; a model knows its own outside of it.
    training = alone = staticmethod(contextlib.nullcontext)

    def __init__(self) -> None:
        import tensorflow as tf

        self.strategy = tf.distribute.MirroredStrategy(_tensorflow_devices())
        self.count = self.strategy.num_replicas_in_sync

    def building(self) -> contextlib.AbstractContextManager[Any]:
        """See `Devices`."""
        return self.strategy.scope()

    def share(self, batches: "tf.data.Dataset") -> Any:
        """See `Devices`."""
        from pipeline.reading.dataset import in_pieces

        # The replicas take one piece each, one after the other.
        return self.strategy.distribute_datasets_from_function(lambda _: in_pieces(batches, self.count))

    def agree(self, value: float) -> float:
        """See `Devices`."""
        return value


class ShardedDevices:
    """Those of one or several machines on JAX, over which one model's batches lie."""

    def __init__(self) -> None:
        import jax

        # This host has its part of a batch already.
        self.distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
        self.count, self.hosts, self.host = jax.device_count(), jax.process_count(), jax.process_index()

    def building(self) -> contextlib.AbstractContextManager[Any]:
        """See `Devices`."""
        return self.distribution.scope()

    training = building

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """See `Devices`."""
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(self.distribution)

    def share(self, batches: "tf.data.Dataset") -> "tf.data.Dataset":
        """See `Devices`."""
        from pipeline.reading.dataset import in_pieces

        return in_pieces(batches, self.hosts, self.count // self.hosts).shard(self.hosts, self.host)

    def agree(self, value: float) -> float:
        """See `Devices`."""
        from jax.experimental import multihost_utils

        return float(multihost_utils.broadcast_one_to_all(np.float32(value)))


def require_what_devices_do(recipe: Recipe, devices: Devices) -> None:
    """Refuses what replicas on TensorFlow, which know nothing of each other's sentences, cannot do as one does.

    Raises:
        UserError: The recipe wants it.
    """
    if devices.count == 1 or keras.backend.backend() != "tensorflow":
        return
    for name, holds, received in (
        ("training.accumulation", recipe.training.accumulation == 1, recipe.training.accumulation),
        ("training.precision", recipe.training.precision != "float16", recipe.training.precision),
        ("model.cell", recipe.model.cell != "batch-norm-lstm", recipe.model.cell),
    ):
        if not holds:
            raise UserError(
                f"{name}: expected another beside training.distribution on several devices of TensorFlow, received"
                f" {received!r}; set KERAS_BACKEND=jax, or train on one device"
            )
