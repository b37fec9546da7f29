"""The web application that speaks TF Serving's REST API for some models."""

import asyncio
import contextlib
import logging
import time
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as WebRoute
from starlette.routing import request_response

from serving.embedded import json_values, openapi, predict_request, predict_response, prometheus, rest
from serving.embedded.access_log import REQUEST_ID, AccessLog
from serving.embedded.api_keys import ApiKeys, read_keys
from serving.embedded.batcher import count_rows
from serving.embedded.catalog import Catalog
from serving.embedded.config import ServerConfig
from serving.embedded.limits import check_size
from serving.embedded.metrics import ServingMetrics
from serving.embedded.page import PATHS, page_routes
from serving.embedded.status import HTTP_STATUS, Code, StatusError, invalid_argument, timed_out
from serving.servable import Servable

_log = logging.getLogger(__name__)
_SERVED_BY = "tensorflow/serving/"
_HEALTH, _READINESS, _METRICS = "/healthz", "/readyz", "/monitoring/prometheus/metrics"
# What is smaller costs more time than it saves.
_LEAST_BYTES_TO_COMPRESS = 1000


def create_app(catalog: Catalog, config: ServerConfig, metrics: ServingMetrics) -> Starlette:
    """The application for some models.

    Args:
        catalog: The models; they may be loaded before or after.
        config: How requests are treated.
        metrics: Where they are counted.

    Raises:
        UserError: The file of keys cannot be used.
    """
    service = _Service(catalog, config, metrics)
    routes = [
        WebRoute(_HEALTH, service.health),
        WebRoute(_READINESS, service.readiness),
        WebRoute(_METRICS, service.monitoring),
        *page_routes(catalog),
        WebRoute("/openapi.json", service.description),
    ]
    app = Starlette(routes=routes, middleware=_middleware(config), max_body_size=config.max_body_bytes)
    # A route would not match a path with a line break.
    app.router.default = request_response(service.answer)
    return app


def _middleware(config: ServerConfig) -> list[Middleware]:
    """What stands around the application, the outermost first."""
    middleware = [Middleware(AccessLog)]
    if config.cors_origin:
        # Before the keys, which a browser does not send when it asks what is allowed.
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=config.cors_origin,
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Encoding", REQUEST_ID],
                expose_headers=[REQUEST_ID],
            )
        )
    if config.api_key_file is not None:
        keys = read_keys(config.api_key_file)
        middleware.append(Middleware(ApiKeys, keys=keys, open_paths={_HEALTH, _READINESS, _METRICS, *PATHS}))
    return [*middleware, Middleware(GZipMiddleware, minimum_size=_LEAST_BYTES_TO_COMPRESS)]


class _Service:
    def __init__(self, catalog: Catalog, config: ServerConfig, metrics: ServingMetrics):
        self._catalog = catalog
        self._config = config
        self._metrics = metrics

    async def health(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readiness(self, request: Request) -> Response:
        missing = [model.name for model in self._catalog.models() if not model.available()]
        if missing:
            return PlainTextResponse(f"no version is available of {', '.join(missing)}\n", 503)
        return PlainTextResponse("ok\n")

    async def monitoring(self, request: Request) -> Response:
        text = self._metrics.render({model.name: model.numbers() for model in self._catalog.models()})
        return Response(text, headers={"Content-Type": prometheus.CONTENT_TYPE})

    async def description(self, request: Request) -> Response:
        with_keys = self._config.api_key_file is not None
        return _respond(200, json_values.to_json(openapi.describe(self._catalog.models(), with_keys)))

    async def answer(self, request: Request) -> Response:
        query = request.scope["query_string"]
        target = (request.scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")
        if not target.lower().startswith("/v1/"):
            return _respond(404, json_values.to_json({"error": "Not Found"}))
        try:
            return _respond(200, await self._answer(request, target))
        except StatusError as error:
            return _respond(HTTP_STATUS[error.code], rest.format_error(error))
        except ClientDisconnect:
            return _respond(HTTP_STATUS[Code.CANCELLED], b"")
        except HTTPException:
            raise
        except Exception as error:
            _log.exception(
                "%s %s", request.method, request.url.path, extra={"fields": {"request_id": request.state.request_id}}
            )
            return _respond(500, rest.format_error(StatusError(Code.INTERNAL, str(error))))

    async def _answer(self, request: Request, target: str) -> bytes:
        route = rest.parse_route(request.method, target)
        if route.verb == "status":
            return rest.format_status(self._catalog.find(route.model).statuses(route))
        if route.verb == "metadata":
            with self._catalog.use(route) as version:
                return rest.format_metadata(route.model, version.number, version.servable.signatures)
        # Names that clients think up would fill the memory.
        with self._measured(route) if route.model in self._catalog else contextlib.nullcontext():
            return await self._infer(request, route)

    async def _infer(self, request: Request, route: rest.Route) -> bytes:
        try:
            async with asyncio.timeout(self._config.request_timeout) as limit:
                document = await self._read_document(request)
                return await self._run(request, route, document, limit.when())
        except TimeoutError:
            raise timed_out() from None

    async def _read_document(self, request: Request) -> Mapping[str, Any]:
        body = await _read_body(request, self._config.max_body_bytes)
        if self._config.log_text:
            request.state.text = body.decode(errors="replace")
        return json_values.parse_document(body)

    async def _run(
        self, request: Request, route: rest.Route, document: Mapping[str, Any], deadline: float | None
    ) -> bytes:
        name = json_values.parse_signature_name(document)
        with self._catalog.use(route) as version:
            if route.verb != "predict":
                raise _not_served(route.verb, version.servable, name)
            inputs, by_row = predict_request.parse_inputs(document, version.servable.input_dtypes(name))
            request.state.rows = count_rows(inputs)
            check_size(inputs, self._config)
            outputs = await version.batcher.submit(name, inputs, deadline)
        return predict_response.format_outputs(outputs, by_row)

    @contextlib.contextmanager
    def _measured(self, route: rest.Route) -> Iterator[None]:
        began, code = time.perf_counter(), Code.CANCELLED
        try:
            yield
            code = Code.OK
        except StatusError as error:
            code = error.code
            raise
        except HTTPException:
            code = Code.INVALID_ARGUMENT
            raise
        except ClientDisconnect:
            raise
        except Exception:
            code = Code.INTERNAL
            raise
        finally:
            self._metrics.record_request(route.model, route.verb, "REST", code, time.perf_counter() - began)


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
    if not decompressor.eof:
        raise invalid_argument("Failed to uncompress the gzipped body: it ends too early")
    return plain


def _respond(status: int, body: bytes) -> Response:
    return Response(body, status, media_type="application/json")
