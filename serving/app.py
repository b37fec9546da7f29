"""The web application that speaks TF Serving's REST API for one model."""

import asyncio
import logging
import zlib

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as WebRoute

from serving import json_values, predict_request, predict_response, rest
from serving.batcher import Tensors
from serving.servable import Servable
from serving.status import HTTP_STATUS, Code, StatusError, invalid_argument
from serving.versions import Model, Version

_log = logging.getLogger(__name__)
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_SERVED_BY = "tensorflow/serving/"


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
        with model.use(route) as version:
            return rest.format_metadata(model.name, version.number, version.servable.signatures)
    body = await _read_body(request, model.config.max_body_bytes)
    document = json_values.parse_document(body)
    name = json_values.parse_signature_name(document)
    with model.use(route) as version:
        if route.verb != "predict":
            raise _not_served(route.verb, version.servable, name)
        inputs, by_row = predict_request.parse_inputs(document, version.servable.input_dtypes(name))
        outputs = await _run(version, name, inputs, model.config.request_timeout)
    return predict_response.format_outputs(outputs, by_row)


async def _run(version: Version, signature: str, inputs: Tensors, timeout: float) -> Tensors:
    try:
        async with asyncio.timeout(timeout):
            return await version.batcher.submit(signature, inputs)
    except TimeoutError:
        raise StatusError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification") from None


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
