"""Requests over gRPC to a server that may be busy or away: each is sent again where that may help."""

import asyncio
import itertools
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from pipeline.errors import UserError
from serving.sessions.peer import Peer, TranslationError

_URL = re.compile(
    r"(?P<scheme>grpcs?)://(?P<address>[^/?#\s]+:\d+)/(?P<name>[^/:?#%\s]+)"
    r"(?:/versions/(?P<version>\d{1,18})|/labels/(?P<label>[^/:?#%\s]+))?"
)
_BUSY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
# Milliseconds between attempts to connect: gRPC's own 120 s would outlast the back-off of requests.
_RECONNECT = 100, 1000
# As for HTTPS: a file of the certificates that are trusted.
_TRUSTED = "SSL_CERT_FILE"


class GrpcSession:
    """A `serving.sessions.session.Session` over gRPC."""

    def __init__(self, peer: Peer):
        """Makes a session; nothing is sent yet.

        Args:
            peer: The server; its URL is the model's.

        Raises:
            UserError: The URL is of no model.
        """
        match = _URL.fullmatch(peer.url)
        if match is None:
            raise UserError(
                f"url: expected grpc://HOST:PORT/NAME, perhaps with /versions/NUMBER or /labels/LABEL, received"
                f" {peer.url!r}; give the URL that `nmt serve` prints"
            )
        self._peer = peer
        self._address, self._secure = match["address"], match["scheme"] == "grpcs"
        self._model = model_pb2.ModelSpec(name=match["name"], version_label=match["label"])
        if match["version"] is not None:
            self._model.version.value = int(match["version"])
        self._channel: grpc.aio.Channel | None = None
        self._methods: dict[str, Any] = {}
        self._dtypes: dict[str, dict[str, int]] = {}
        self._asking = asyncio.Lock()

    async def predict(self, signature_name: str, inputs: Mapping[str, Sequence[Any]]) -> Any:
        """See `serving.sessions.session.Session`."""
        async with self._asking:
            dtypes = await self._input_dtypes(signature_name)
        if len(inputs) == len(dtypes) == 1:
            inputs = dict(zip(dtypes, inputs.values(), strict=True))
        request = predict_pb2.PredictRequest(model_spec=self._model)
        request.model_spec.signature_name = signature_name
        for name, values in inputs.items():
            try:
                request.inputs[name].CopyFrom(tf.make_tensor_proto(list(values), dtypes.get(name)))
            except (TypeError, ValueError) as error:
                raise self._peer.error(f"takes other values for {name} ({error})") from None
        self._peer.check_size(request.ByteSize(), "protobuf")
        response = await self._send("Predict", request)
        outputs = {name: _rows(tf.make_ndarray(proto)) for name, proto in sorted(response.outputs.items())}
        return outputs if len(outputs) > 1 else next(iter(outputs.values()), None)

    async def versions(self) -> list[int]:
        """See `serving.sessions.session.Session`."""
        response = await self._send(
            "GetModelStatus", get_model_status_pb2.GetModelStatusRequest(model_spec=self._model)
        )
        available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        return sorted(status.version for status in response.model_version_status if status.state == available)

    async def close(self) -> None:
        """See `serving.sessions.session.Session`."""
        if self._channel is not None:
            await self._channel.close()

    async def _input_dtypes(self, signature_name: str) -> dict[str, int]:
        """The dtype of each input of a signature, by name; asked for once."""
        if signature_name not in self._dtypes:
            request = get_model_metadata_pb2.GetModelMetadataRequest(
                model_spec=self._model, metadata_field=["signature_def"]
            )
            response = await self._send("GetModelMetadata", request)
            found = get_model_metadata_pb2.SignatureDefMap()
            response.metadata["signature_def"].Unpack(found)
            if signature_name not in found.signature_def:
                known = ", ".join(sorted(name for name, each in found.signature_def.items() if each.inputs))
                raise self._peer.error(f"has no signature {signature_name!r}; choose one of {known}")
            signature = found.signature_def[signature_name]
            self._dtypes[signature_name] = {name: info.dtype for name, info in signature.inputs.items()}
        return self._dtypes[signature_name]

    async def _send(self, method: str, request: Any) -> Any:
        """Sends a request, with an id that its repetitions share, and gives the answer."""
        request_id, loop = str(uuid.uuid4()), asyncio.get_running_loop()
        metadata = [("x-request-id", request_id), *self._peer.authorization.items()]
        for attempt in itertools.count():
            began = loop.time()
            try:
                return await self._open()[method](request, timeout=self._peer.timeout, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                code, told = error.code(), error.details()
                if code == grpc.StatusCode.DEADLINE_EXCEEDED and loop.time() - began > 0.99 * self._peer.timeout:
                    raise self._peer.error(f"gave no answer in time ({told}); raise the timeout") from error
                if code not in _BUSY or attempt >= self._peer.retries:
                    raise self._failure(code, told, request_id) from error
            await self._peer.pause(attempt)

    def _failure(self, code: grpc.StatusCode, told: str | None, request_id: str) -> TranslationError:
        # A server that refuses is still connected.
        connected = self._channel is not None and self._channel.get_state() == grpc.ChannelConnectivity.READY
        if code == grpc.StatusCode.UNAVAILABLE and not connected:
            return self._peer.error(f"cannot be reached ({told}); check that it runs")
        return self._peer.error(f"answered {code.name}: {told} (request {request_id})")

    def _open(self) -> dict[str, Any]:
        """The server's methods, on a connection that belongs to the event loop which runs when it is first needed."""
        if self._channel is None:
            shortest, longest = _RECONNECT
            options = [
                ("grpc.max_send_message_length", -1),
                ("grpc.max_receive_message_length", -1),
                ("grpc.initial_reconnect_backoff_ms", shortest),
                ("grpc.max_reconnect_backoff_ms", longest),
                # It is also the time for an attempt.
                ("grpc.min_reconnect_backoff_ms", round(1000 * self._peer.connect_timeout)),
            ]
            if self._secure:
                trusted = os.environ.get(_TRUSTED)
                credentials = grpc.ssl_channel_credentials(Path(trusted).read_bytes() if trusted else None)
                self._channel = grpc.aio.secure_channel(self._address, credentials, options)
            else:
                self._channel = grpc.aio.insecure_channel(self._address, options)
            predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
            models = model_service_pb2_grpc.ModelServiceStub(self._channel)
            self._methods = {
                "Predict": predictions.Predict,
                "GetModelMetadata": predictions.GetModelMetadata,
                "GetModelStatus": models.GetModelStatus,
            }
        return self._methods


def _rows(array: np.ndarray) -> list[Any]:
    """Nested lists of an array; bytes as text."""
    if array.dtype == object:
        cells = np.empty(array.size, object)
        cells[:] = [value.decode(errors="replace") for value in array.ravel()]
        array = cells.reshape(array.shape)
    return array.tolist()
