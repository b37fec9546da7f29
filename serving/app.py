"""The web application that speaks TF Serving's REST API for one model."""

import asyncio
import dataclasses
import logging
import zlib
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as WebRoute

from pipeline.errors import UserError
from serving import json_values, predict_request, predict_response, rest
from serving.batcher import Batcher, BatcherConfig
from serving.servable import Servable
from serving.status import HTTP_STATUS, Code, StatusError, invalid_argument

_log = logging.getLogger(__name__)
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_SERVED_BY = "tensorflow/serving/"


@dataclasses.dataclass(frozen=True)
class ServerConfig:
    """How requests are treated.

    Attributes:
        batching: How requests are gathered.
        request_timeout: Seconds after which a request is given up.
        max_body_bytes: Size of a request's body, at most, before and after decompression.
    """

    batching: BatcherConfig = dataclasses.field(default_factory=BatcherConfig)
    request_timeout: float = 30.0
    max_body_bytes: int = 16 * 2**20

    def __post_init__(self) -> None:
        for name in ("request_timeout", "max_body_bytes"):
            if getattr(self, name) <= 0:
                raise UserError(f"{name}: expected more than 0, received {getattr(self, name)}; choose a larger one")


@dataclasses.dataclass
class _Version:
    status: rest.VersionStatus
    servable: Servable | None = None
    batcher: Batcher | None = None


class Model:
    """A name, and the versions of the model that have been loaded under it."""

    def __init__(self, name: str, config: ServerConfig):
        self.name = name
        self.config = config
        self._versions: dict[int, _Version] = {}

    def load(self, folder: Path) -> None:
        """Loads a version and warms it up, and only then lets requests reach it; blocks.

        Args:
            folder: EXPORT/<version>.
        """
        version = self._versions[int(folder.name)] = _Version(rest.VersionStatus("LOADING"))
        try:
            version.servable = Servable(folder, self.config.request_timeout)
            version.servable.warm_up()
        except Exception as error:
            version.status = rest.VersionStatus("END", Code.UNKNOWN, str(error))
            raise
        version.batcher = Batcher(version.servable.run, self.config.batching)
        version.status = rest.VersionStatus("AVAILABLE")

    def find(self, route: rest.Route) -> tuple[int, Servable, Batcher]:
        """The version that a request is for: its number, its signatures, and where to have them run.

        Raises:
            StatusError: It is not there.
        """
        if route.label is not None:
            raise invalid_argument(f"Unrecognized servable version label: {route.label}")
        if route.model == self.name:
            for number, version in sorted(self._versions.items(), reverse=True):
                if route.version in (None, number) and version.servable and version.batcher:
                    return number, version.servable, version.batcher
        wanted = f"Latest({route.model})" if route.version is None else f"Specific({route.model}, {route.version})"
        raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")

    def statuses(self, route: rest.Route) -> dict[int, rest.VersionStatus]:
        """How the versions that a request asks about stand, by number.

        Raises:
            StatusError: There are none.
        """
        if route.label is not None:
            raise invalid_argument(f"Unrecognized servable version label: {route.label}")
        versions = self._versions if route.model == self.name else {}
        found = {n: version.status for n, version in versions.items() if route.version in (None, n)}
        if not found:
            wanted = "any versions" if route.version is None else f"version {route.version}"
            raise StatusError(Code.NOT_FOUND, f"Could not find {wanted} of model {route.model}")
        return found

    def close(self) -> None:
        """Ends the threads and frees the memory of all versions."""
        for version in self._versions.values():
            if version.batcher and version.servable:
                version.batcher.close()
                version.servable.close()
        self._versions.clear()


def create_app(model: Model) -> Starlette:
    """The application for a model; its versions may be loaded before or after."""

    async def answer(request: Request) -> Response:
        query = request.scope["query_string"]
        target = (request.scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")
        if not target.lower().startswith("/v1/"):
            return _respond(404, json_values.to_json({"error": "Not Found"}))
        try:
            return _respond(200, await _answer(model, request, target))
        except StatusError as error:
            return _respond(HTTP_STATUS[error.code], rest.format_error(error))
        except ClientDisconnect:
            return _respond(HTTP_STATUS[Code.CANCELLED], b"")
        except HTTPException:
            raise
        except Exception as error:
            _log.exception("%s %s", request.method, target)
            return _respond(500, rest.format_error(StatusError(Code.INTERNAL, str(error))))

    return Starlette(
        routes=[WebRoute("/{path:path}", answer, methods=_METHODS)], max_body_size=model.config.max_body_bytes
    )


async def _answer(model: Model, request: Request, target: str) -> bytes:
    route = rest.parse_route(request.method, target)
    if route.verb == "status":
        return rest.format_status(model.statuses(route))
    if route.verb == "metadata":
        number, servable, _ = model.find(route)
        return rest.format_metadata(model.name, number, servable.signatures)
    body = await _read_body(request, model.config.max_body_bytes)
    document = json_values.parse_document(body)
    name = json_values.parse_signature_name(document)
    _, servable, batcher = model.find(route)
    if route.verb != "predict":
        raise _not_served(route.verb, servable, name)
    inputs, by_row = predict_request.parse_inputs(document, servable.input_dtypes(name))
    try:
        async with asyncio.timeout(model.config.request_timeout):
            outputs = await batcher.submit(name, inputs)
    except TimeoutError:
        raise StatusError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification") from None
    return predict_response.format_outputs(outputs, by_row)


def _not_served(verb: str, servable: Servable, name: str) -> StatusError:
    kind = "classification" if verb == "classify" else "regression"
    if name not in servable.signatures:
        return invalid_argument(f"No signature was found with the name: {name}")
    method = servable.signatures[name].method_name
    if method != _SERVED_BY + verb:
        return invalid_argument(f"Expected {kind} signature method_name to be {_SERVED_BY}{verb}. Was: {method}")
    return StatusError(Code.UNIMPLEMENTED, f"{kind} is not implemented: use a signature for prediction")


async def _read_body(request: Request, limit: int) -> bytes:
    body = await request.body()
    if request.headers.get("content-encoding", "").lower() != "gzip":
        return body
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = decompressor.decompress(body, limit + 1)
    except zlib.error as error:
        raise invalid_argument(f"Failed to uncompress the gzipped body: {error}") from None
    if len(plain) > limit:
        raise HTTPException(413)
    return plain


def _respond(status: int, body: bytes) -> Response:
    return Response(body, status, media_type="application/json")
