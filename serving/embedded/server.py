"""The embedded server: folders of exports, served over REST and gRPC as TF Serving would."""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

from serving import grpc_extra
from serving.embedded.access_log import logging_to_stderr
from serving.embedded.address import bind, check_certificate, written
from serving.embedded.app import create_app
from serving.embedded.catalog import Catalog
from serving.embedded.config import ServerConfig
from serving.embedded.connections import bounded_connections
from serving.embedded.metrics import ServingMetrics
from serving.embedded.models_config import ModelSource
from serving.exports.export_folder import newest_version

if TYPE_CHECKING:
    from serving.embedded.grpc_server import GrpcServer

_log = logging.getLogger(__name__)

# Connections are accepted as many at a time, before any of them can be refused: with those that are open already, no
# more than the 1024 files that a process may have open where nobody has raised that.
_BACKLOG = 256


def serve(
    export: str,
    host: str = "127.0.0.1",
    port: int = 8501,
    model_name: str = "nmt",
    config: ServerConfig | None = None,
    grpc_port: int | None = None,
) -> None:
    """Serves the newest version of an export: `serve_models` with one model.

    Args:
        export: The folder that holds <version>/saved_model.pb.
        host: The address to listen on.
        port: The port to listen on for REST; 0 takes a free one.
        model_name: The model's name in URLs.
        config: How requests are treated.
        grpc_port: The port to listen on for gRPC; 0 takes a free one, None serves REST alone.

    Raises:
        UserError: See `serve_models`.
    """
    serve_models([ModelSource(model_name, export)], host, port, config, grpc_port)


def serve_models(
    sources: Sequence[ModelSource],
    host: str = "127.0.0.1",
    port: int = 8501,
    config: ServerConfig | None = None,
    grpc_port: int | None = None,
) -> None:
    """Serves models until SIGINT or SIGTERM; lines with the URLs of each say when they are ready.

    A newer version that appears in a model's folder is loaded and takes the place of the one before. Requests are
    logged on stderr, and those under way are answered before the server ends. To be called in the main thread, which
    signals reach.

    Args:
        sources: The models.
        host: See `serve`, for this and the other arguments.
        port: The port to listen on for REST; 0 takes a free one.
        config: How requests are treated.
        grpc_port: The port to listen on for gRPC; 0 takes a free one, None serves REST alone.

    Raises:
        UserError: There is no version to serve, an address cannot be listened on, a file of keys or of a certificate
            cannot be used, or gRPC is asked for without the extra `grpc`.
    """
    config = config or ServerConfig()
    # Uvicorn raises a signal again once it has shut down, and then, as while the model loads, it ends this block.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with (
            logging_to_stderr(),
            contextlib.suppress(KeyboardInterrupt),
            _prepared(sources, host, port, config, grpc_port) as (sock, app, grpc, urls),
        ):
            ready = "".join(f"Serving {url}\n" for url in urls)
            _server(app, config, lambda: print(ready, end="", flush=True), grpc).run([sock])
    finally:
        signal.signal(signal.SIGTERM, previous)


def default_grpc_port(port: int) -> int | None:
    """The port for gRPC beside one for REST: as in TF Serving the one before, but a free one beside a free one.

    Returns:
        The port; None, and a line in the log, where the extra `grpc` is not installed.
    """
    if grpc_extra.installed():
        return max(port - 1, 0)
    with logging_to_stderr():
        _log.warning("gRPC is not served: %s", grpc_extra.REMEDY)
    return None


@contextlib.contextmanager
def running(
    export: str, model_name: str = "nmt", config: ServerConfig | None = None, host: str = "127.0.0.1", port: int = 0
) -> Iterator[str]:
    """Serves an export over REST from a thread of this process while the block runs: `running_models` with one model.

    Args:
        export: See `serve`, for this and the other arguments.
        model_name: The model's name in URLs.
        config: How requests are treated.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.

    Yields:
        The model's URL, for `serving.client.Client`.

    Raises:
        UserError: See `serve_models`.
    """
    with running_models([ModelSource(model_name, export)], config, host, port) as (url,):
        yield url


@contextlib.contextmanager
def running_models(
    sources: Sequence[ModelSource],
    config: ServerConfig | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    grpc_port: int | None = None,
) -> Iterator[list[str]]:
    """Serves models from a thread of this process while the block runs.

    Args:
        sources: The models.
        config: How requests are treated.
        host: The address to listen on.
        port: The port to listen on for REST; 0 takes a free one.
        grpc_port: The port to listen on for gRPC; 0 takes a free one, None serves REST alone.

    Yields:
        The models' URLs; after those of REST those of gRPC, if it is served.

    Raises:
        UserError: See `serve_models`.
    """
    config = config or ServerConfig()
    with _prepared(sources, host, port, config, grpc_port) as (sock, app, grpc, urls):
        ready = threading.Event()
        server = _server(app, config, ready.set, grpc)
        thread = threading.Thread(target=server.run, args=([sock],), name="server")
        thread.start()
        try:
            while thread.is_alive() and not ready.wait(0.05):
                pass
            if not ready.is_set():
                raise RuntimeError("the server ended before it was ready")
            yield urls
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def _prepared(
    sources: Sequence[ModelSource], host: str, port: int, config: ServerConfig, grpc_port: int | None
) -> Iterator[tuple[socket.socket, Starlette, "GrpcServer | None", list[str]]]:
    """Addresses taken, the applications for REST and gRPC of models that are loaded, and the models' URLs."""
    for source in sources:
        newest_version(source.path)
    check_certificate(config)
    metrics = ServingMetrics()
    catalog = Catalog(config, metrics)
    app = create_app(catalog, config, metrics)
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(bind(host, port, "--port"))
        scheme = "https" if config.tls_certificate else "http"
        address = written(host, sock.getsockname()[1])
        urls, grpc = [f"{scheme}://{address}/v1/models/{source.name}" for source in sources], None
        if grpc_port is not None:
            grpc_extra.require("--grpc-port", grpc_port)
            from serving.embedded.grpc_server import GrpcServer

            grpc_sock = stack.enter_context(bind(host, grpc_port, "--grpc-port"))
            grpc = GrpcServer(grpc_sock, catalog, config, metrics)
            scheme, address = "grpcs" if config.tls_certificate else "grpc", written(host, grpc_sock.getsockname()[1])
            urls += [f"{scheme}://{address}/{source.name}" for source in sources]
        stack.enter_context(contextlib.closing(catalog))
        catalog.replace(sources)
        yield sock, app, grpc, urls


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], object], grpc: "GrpcServer | None"):
        super().__init__(config)
        self._on_ready = on_ready
        self._grpc = grpc

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._grpc:
            await self._grpc.start()
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        grpc = [self._grpc.stop(self.config.timeout_graceful_shutdown or 0)] if self._grpc else []
        await asyncio.gather(super().shutdown(sockets), *grpc)


def _server(app: Starlette, config: ServerConfig, on_ready: Callable[[], object], grpc: "GrpcServer | None") -> _Server:
    settings = uvicorn.Config(
        app,
        # Its own would close the handlers that others, such as TensorFlow, have set up.
        log_config=None,
        log_level="warning",
        access_log=False,
        # A second after the application itself gives a request up, and answers so.
        http=bounded_connections(config.max_connections, config.request_timeout + 1),
        backlog=_BACKLOG,
        lifespan="off",
        ws="none",
        ssl_certfile=config.tls_certificate,
        ssl_keyfile=config.tls_key,
        # Requests under way are answered, or reach their own time limit, before the server ends.
        timeout_graceful_shutdown=round(config.request_timeout) + 1,
    )
    return _Server(settings, on_ready, grpc)
