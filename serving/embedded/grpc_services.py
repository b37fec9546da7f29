"""TF Serving's gRPC services for the models of a server: predictions, metadata, status, other models."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any, NoReturn

from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from pipeline.errors import UserError
from serving.embedded.batcher import count_rows
from serving.embedded.catalog import Catalog
from serving.embedded.config import ServerConfig
from serving.embedded.grpc_calls import Call
from serving.embedded.grpc_predict import find_signature, read_inputs, read_output_filter, write_response
from serving.embedded.json_values import to_json
from serving.embedded.limits import check_size
from serving.embedded.metrics import ServingMetrics
from serving.embedded.predict_response import to_values
from serving.embedded.reload_request import read_sources
from serving.embedded.rest import Route
from serving.embedded.status import Code, StatusError, invalid_argument

_SIGNATURES = "signature_def"


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predictions, and what the signatures are."""

    def __init__(self, catalog: Catalog, config: ServerConfig, metrics: ServingMetrics):
        """Makes the service; see `serving.embedded.app.create_app` for the arguments."""
        self._catalog = catalog
        self._config = config
        self._metrics = metrics

    async def Predict(self, request: predict_pb2.PredictRequest, call: Call) -> predict_pb2.PredictResponse:
        """Runs a signature."""
        route = _route("predict", request)
        with self._measured(route.model, call):
            if not route.model:
                raise invalid_argument("ModelSpec has no name specified.")
            async with call.time_limit(self._config.request_timeout) as deadline:
                return await self._predict(route, request, call, deadline)

    async def _predict(
        self, route: Route, request: predict_pb2.PredictRequest, call: Call, deadline: float | None
    ) -> predict_pb2.PredictResponse:
        name = request.model_spec.signature_name or "serving_default"
        with self._catalog.use(route) as version:
            signature = find_signature(version.servable, name)
            # A tensor that is written out has no more elements than bytes.
            inputs = read_inputs(request, signature, self._config.max_body_bytes)
            wanted = read_output_filter(request, signature)
            call.rows = count_rows(inputs)
            if self._config.log_text:
                call.text = to_json(
                    {"inputs": {alias: to_values(each, alias) for alias, each in inputs.items()}}
                ).decode()
            check_size(inputs, self._config)
            outputs = await version.batcher.submit(name, inputs, deadline)
        return write_response(outputs, wanted, signature, route.model, name, version.number)

    async def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, call: Call
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of a version."""
        route = _route("metadata", request)
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _SIGNATURES:
                raise invalid_argument(f"Metadata field {field} is not supported")
        if not route.model:
            raise invalid_argument("ModelSpec has no name specified.")
        response, found = get_model_metadata_pb2.GetModelMetadataResponse(), get_model_metadata_pb2.SignatureDefMap()
        with self._catalog.use(route) as version:
            for name, signature in version.servable.signatures.items():
                found.signature_def[name].CopyFrom(signature)
        response.model_spec.name = route.model
        response.model_spec.version.value = version.number
        response.metadata[_SIGNATURES].Pack(found)
        return response

    async def Classify(self, request: Any, call: Call) -> NoReturn:
        """Refuses, as do the next two."""
        raise _not_implemented("Classify")

    async def Regress(self, request: Any, call: Call) -> NoReturn:
        """Refuses."""
        raise _not_implemented("Regress")

    async def MultiInference(self, request: Any, call: Call) -> NoReturn:
        """Refuses."""
        raise _not_implemented("MultiInference")

    @contextlib.contextmanager
    def _measured(self, model: str, call: Call) -> Iterator[None]:
        began, code = time.perf_counter(), Code.OK
        try:
            yield
        except BaseException as error:
            code = call.code_of(error)
            raise
        finally:
            # Names that clients think up would fill the memory.
            if model in self._catalog:
                self._metrics.record_request(model, "Predict", "GRPC", code, time.perf_counter() - began)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """Which versions there are, and which models."""

    def __init__(self, catalog: Catalog):
        """Makes the service of some models."""
        self._catalog = catalog

    async def GetModelStatus(
        self, request: get_model_status_pb2.GetModelStatusRequest, call: Call
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """How the versions of a model stand, newest first."""
        route = _route("status", request)
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, status in sorted(self._catalog.find(route.model).statuses(route).items(), reverse=True):
            told = response.model_version_status.add(version=number)
            told.state = get_model_status_pb2.ModelVersionStatus.State.Value(status.state)
            told.status.error_code, told.status.error_message = status.code, status.message
        return response

    async def HandleReloadConfigRequest(
        self, request: model_management_pb2.ReloadConfigRequest, call: Call
    ) -> model_management_pb2.ReloadConfigResponse:
        """Serves other models, once they are loaded."""
        sources = read_sources(request)
        try:
            await asyncio.to_thread(self._catalog.replace, sources)
        except UserError as error:
            raise StatusError(Code.UNKNOWN, f"1 model(s) did not become available: {error}") from None
        response = model_management_pb2.ReloadConfigResponse()
        response.status.error_code = Code.OK
        return response


def _route(verb: str, request: Any) -> Route:
    """What a request asks for.

    Raises:
        StatusError: It does not say for which model.
    """
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    spec = request.model_spec
    version = spec.version.value if spec.HasField("version") else None
    label = spec.version_label if spec.HasField("version_label") else None
    return Route(verb, spec.name, version, label)


def _not_implemented(method: str) -> StatusError:
    return StatusError(Code.UNIMPLEMENTED, f"{method} is not implemented: use Predict")
