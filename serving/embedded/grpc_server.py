"""The gRPC side of the embedded server, in the event loop of its REST side."""

import socket
from pathlib import Path

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.embedded.address import written
from serving.embedded.api_keys import read_keys
from serving.embedded.catalog import Catalog
from serving.embedded.config import ServerConfig
from serving.embedded.grpc_calls import Calls
from serving.embedded.grpc_services import ModelService, PredictionService
from serving.embedded.metrics import ServingMetrics


class GrpcServer:
    """Serves models over gRPC at an address that has been taken before."""

    def __init__(self, address: socket.socket, catalog: Catalog, config: ServerConfig, metrics: ServingMetrics):
        """Makes a server that does not listen yet.

        Args:
            address: A socket bound to the address, which keeps it from others until the server listens there.
            catalog: The models.
            config: How requests are treated.
            metrics: Where they are counted.

        Raises:
            UserError: The file of keys cannot be used.
        """
        self._address = address
        self._services = PredictionService(catalog, config, metrics), ModelService(catalog)
        self._config = config
        self._keys = None if config.api_key_file is None else read_keys(config.api_key_file)

    async def start(self) -> None:
        """Listens, in the event loop that is running."""
        options = [
            ("grpc.max_receive_message_length", self._config.max_body_bytes),
            ("grpc.max_send_message_length", -1),
            # Else a second server could take the same port.
            ("grpc.so_reuseport", 0),
        ]
        self._server = grpc.aio.server(interceptors=[Calls(self._keys)], options=options)
        predictions, models = self._services
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(predictions, self._server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(models, self._server)
        address = written(*self._address.getsockname()[:2])
        self._address.close()
        if self._config.tls_certificate is not None and self._config.tls_key is not None:
            pair = Path(self._config.tls_key).read_bytes(), Path(self._config.tls_certificate).read_bytes()
            self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        else:
            self._server.add_insecure_port(address)
        await self._server.start()

    async def stop(self, grace: float) -> None:
        """Refuses what comes from now on, and waits for what is under way.

        Args:
            grace: Seconds after which it waits no longer.
        """
        await self._server.stop(grace)
