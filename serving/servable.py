"""A version of a model, loaded from a SavedModel and run as TF Serving runs it."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the operations of the tokenizer
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2

from serving.embedded.status import Code, StatusError, invalid_argument

_log = logging.getLogger(__name__)


class Servable:
    """The signatures of a SavedModel, run by a session of their own, as TF Serving does (which also switches XLA off).

    Several threads may run it at once. TensorFlow prepares the graph of a signature, which may take seconds, when it is
    first run.

    Attributes:
        signatures: The definition of each signature, by name.
    """

    def __init__(self, folder: str | Path, timeout: float = 30.0):
        """Loads a SavedModel.

        Args:
            folder: The folder that holds `saved_model.pb`.
            timeout: Seconds after which a run is broken off.
        """
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default(), _without_warnings():
            meta_graph = tf.compat.v1.saved_model.load(self._session, ["serve"], str(folder))
        self.signatures: Mapping[str, meta_graph_pb2.SignatureDef] = dict(meta_graph.signature_def)
        self._options = config_pb2.RunOptions(timeout_in_ms=max(1, round(timeout * 1000)))
        self._callables: dict[str, Callable[..., list[np.ndarray]]] = {}
        self._preparing = threading.Lock()

    def signature(self, name: str) -> meta_graph_pb2.SignatureDef:
        """The definition of a signature.

        Raises:
            StatusError: There is none of that name.
        """
        if name not in self.signatures:
            raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
        return self.signatures[name]

    def input_dtypes(self, name: str) -> dict[str, str]:
        """The dtype of each input of a signature, as TensorFlow names it in messages (`string`, `float`).

        Raises:
            StatusError: There is no such signature, or it has no inputs.
        """
        signature = self.signature(name)
        if not signature.inputs:
            raise invalid_argument(f"Failed to get input map for signature: {name}")
        return {alias: _dtype_name(info) for alias, info in sorted(signature.inputs.items())}

    def run(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            name: The signature.
            inputs: An array for each of its inputs; strings are object arrays of bytes.

        Returns:
            An array for each of its outputs.

        Raises:
            StatusError: The run failed.
        """
        signature, call = self.signatures[name], self._callable(name)
        try:
            values = call(*(inputs[alias] for alias in sorted(signature.inputs)))
        except tf.errors.OpError as error:
            raise StatusError(Code(error.error_code), error.message) from None
        return {
            alias: np.asarray(value, object if _dtype_name(info) == "string" else None)
            for (alias, info), value in zip(sorted(signature.outputs.items()), values, strict=True)
        }

    def _callable(self, name: str) -> Callable[..., list[np.ndarray]]:
        if name in self._callables:
            return self._callables[name]
        signature = self.signatures[name]
        options = config_pb2.CallableOptions(
            feed=[info.name for _, info in sorted(signature.inputs.items())],
            fetch=[info.name for _, info in sorted(signature.outputs.items())],
            run_options=self._options,
        )
        with self._preparing:
            if name not in self._callables:
                self._callables[name] = self._session._make_callable_from_options(options)
        return self._callables[name]

    def warm_up(self) -> None:
        """Runs every signature once on one row, so that the first request does not pay for preparing the graph.

        A number is -1, which stands for the exported setting.
        """
        for name in (name for name, signature in self.signatures.items() if signature.inputs):
            inputs = {
                alias: np.full(
                    [max(dim.size, 1) for dim in info.tensor_shape.dim],
                    b"warm up" if _dtype_name(info) == "string" else -1,
                ).astype(tf.dtypes.as_dtype(info.dtype).as_numpy_dtype)
                for alias, info in self.signatures[name].inputs.items()
            }
            try:
                self.run(name, inputs)
            except StatusError as error:
                # A model may refuse this input and serve others.
                _log.warning("warming up signature %s: %s", name, error)

    def close(self) -> None:
        """Frees the session and its variables."""
        self._callables.clear()
        self._session.close()


def _dtype_name(info: meta_graph_pb2.TensorInfo) -> str:
    return types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower()


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    # Loading into a session is what TF Serving does, and TensorFlow warns of its age.
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
