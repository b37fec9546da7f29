"""The embedded server: folders of exports, served over REST as TF Serving would."""

import contextlib
import functools
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence

import uvicorn
from starlette.applications import Starlette

from pipeline.errors import UserError
from serving.access_log import logging_to_stderr
from serving.app import create_app
from serving.config import ServerConfig
from serving.connections import bounded_connections
from serving.metrics import ServingMetrics
from serving.models_config import ModelSource
from serving.servable import newest_version
from serving.versions import Model
from serving.watcher import Watcher

# Connections are accepted as many at a time, before any of them can be refused: with those that are open already, no
# more than the 1024 files that a process may have open where nobody has raised that.
_BACKLOG = 256


def serve(
    export: str,
    host: str = "127.0.0.1",
    port: int = 8501,
    model_name: str = "nmt",
    config: ServerConfig | None = None,
) -> None:
    """Serves the newest version of an export: `serve_models` with one model.

    Args:
        export: The folder that holds <version>/saved_model.pb.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        model_name: The model's name in URLs.
        config: How requests are treated.

    Raises:
        UserError: See `serve_models`.
    """
    serve_models([ModelSource(model_name, export)], host, port, config)


def serve_models(
    sources: Sequence[ModelSource], host: str = "127.0.0.1", port: int = 8501, config: ServerConfig | None = None
) -> None:
    """Serves models until SIGINT or SIGTERM; a line with the URL of each says when they are ready.

    A newer version that appears in a model's folder is loaded and takes the place of the one before. Requests are
    logged on stderr, and those under way are answered before the server ends. To be called in the main thread, which
    signals reach.

    Args:
        sources: The models.
        host: See `serve`, for this and the other arguments.
        port: The port to listen on; 0 takes a free one.
        config: How requests are treated.

    Raises:
        UserError: There is no version to serve, the address cannot be listened on, or a file of keys or of a
            certificate cannot be used.
    """
    config = config or ServerConfig()
    # Uvicorn raises a signal again once it has shut down, and then, as while the model loads, it ends this block.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with (
            logging_to_stderr(),
            contextlib.suppress(KeyboardInterrupt),
            _prepared(sources, host, port, config) as (sock, app, urls),
        ):
            ready = "".join(f"Serving {url}\n" for url in urls)
            _server(app, config, lambda: print(ready, end="", flush=True)).run([sock])
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextlib.contextmanager
def running(
    export: str, model_name: str = "nmt", config: ServerConfig | None = None, host: str = "127.0.0.1", port: int = 0
) -> Iterator[str]:
    """Serves an export from a thread of this process while the block runs: `running_models` with one model.

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
    sources: Sequence[ModelSource], config: ServerConfig | None = None, host: str = "127.0.0.1", port: int = 0
) -> Iterator[list[str]]:
    """Serves models from a thread of this process while the block runs.

    Args:
        sources: The models.
        config: How requests are treated.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.

    Yields:
        The models' URLs.

    Raises:
        UserError: See `serve_models`.
    """
    config = config or ServerConfig()
    with _prepared(sources, host, port, config) as (sock, app, urls):
        ready = threading.Event()
        server = _server(app, config, ready.set)
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
    sources: Sequence[ModelSource], host: str, port: int, config: ServerConfig
) -> Iterator[tuple[socket.socket, Starlette, list[str]]]:
    """An address taken, the application of models that are loaded, and the models' URLs."""
    for source in sources:
        newest_version(source.path)
    _check_certificate(config)
    metrics = ServingMetrics()
    models = {
        source.name: Model(
            source.name, config, functools.partial(metrics.record_batch, source.name), labels=source.labels
        )
        for source in sources
    }
    app = create_app(models, config, metrics)
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(_bind(host, port))
        for source in sources:
            stack.enter_context(_loaded(models[source.name], source))
        scheme, shown = "https" if config.tls_certificate else "http", f"[{host}]" if ":" in host else host
        server = f"{scheme}://{shown}:{sock.getsockname()[1]}"
        yield sock, app, [f"{server}/v1/models/{source.name}" for source in sources]


@contextlib.contextmanager
def _loaded(model: Model, source: ModelSource) -> Iterator[None]:
    """Loads the newest version of a model and those with labels, and keeps watch while the block runs."""
    folder = newest_version(source.path)
    with contextlib.closing(model):
        try:
            model.load(folder)
        except Exception as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"EXPORT: expected a SavedModel that loads, received {str(folder)!r} ({reason}); export it anew"
            ) from error
        with contextlib.closing(Watcher(model, source.path)) as watcher:
            watcher.poll()
            watcher.start()
            yield


def _check_certificate(config: ServerConfig) -> None:
    if config.tls_certificate is not None and config.tls_key is not None:
        try:
            # Without a password, it would be asked for on the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(config.tls_certificate, config.tls_key, "")
        except OSError as error:
            raise UserError(
                "--tls-certificate, --tls-key: expected a certificate and its key, neither encrypted, in PEM format,"
                f" received {config.tls_certificate!r} and {config.tls_key!r} ({error}); correct them"
            ) from None


def _bind(host: str, port: int) -> socket.socket:
    """Takes an address without listening, so that clients are refused until the model is there."""
    # Named, or asyncio does not take the socket for one of TCP, and leaves 40 ms between an answer's two parts.
    protocol = socket.IPPROTO_TCP
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        sock.close()
        raise UserError(
            f"--host, --port: expected an address to listen on, received {host} {port} ({error}); choose another"
        ) from None
    return sock


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], object]):
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def _server(app: Starlette, config: ServerConfig, on_ready: Callable[[], object]) -> _Server:
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
    return _Server(settings, on_ready)
