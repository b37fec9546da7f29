"""A plain client of the gRPC interface, made of the stubs that TensorFlow Serving's users have."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.embedded.models_config import ModelSource
from serving.embedded.server import running_models


class Stubs:
    """Both services at an address, with their messages filled in."""

    def __init__(self, channel: grpc.Channel):
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(channel)

    def predict(self, signature: str = "", inputs: dict[str, Any] | None = None, **rest: Any) -> Any:
        """Asks for a prediction, by default of `a`; `rest` are options of the call."""
        return self.predictions.Predict(predict_request(signature, inputs), **({"timeout": 60} | rest))

    def upper(self, text: str, **rest: Any) -> str:
        """What the default signature of `small_export` gives for a text."""
        return tf.make_ndarray(self.predict(inputs={"text": [text]}, **rest).outputs["translation"])[0].decode()


def predict_request(signature: str = "", inputs: dict[str, Any] | None = None, model: str = "nmt") -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in ({"text": ["a"]} if inputs is None else inputs).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def status_request(model: str = "nmt", version: int | None = None) -> Any:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model
    if version is not None:
        request.model_spec.version.value = version
    return request


def metadata_request(model: str = "nmt", fields: tuple[str, ...] = ("signature_def",)) -> Any:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = model
    return request


def refusal(ask: Callable[[], Any]) -> tuple[str, str]:
    """The code and the message with which a request is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        ask()
    return caught.value.code().name, caught.value.details()


def address(url: str) -> str:
    """HOST:PORT of a `grpc` or `grpcs` URL."""
    return re.fullmatch(r"grpcs?://(.*:\d+)/[^/]+", url)[1]


@contextlib.contextmanager
def serving(export: Any, config: Any = None, **labels: int) -> Iterator[tuple[str, Stubs]]:
    """Serves an export as the model `nmt` over both; yields its URL over REST, and stubs."""
    with (
        running_models([ModelSource("nmt", str(export), labels)], config, grpc_port=0) as (url, grpc_url),
        grpc.insecure_channel(address(grpc_url)) as channel,
    ):
        yield url, Stubs(channel)
