"""Where a server listens, taken and checked before its models are loaded."""

import socket
import ssl

from pipeline.errors import UserError
from serving.embedded.config import ServerConfig


def bind(host: str, port: int, option: str) -> socket.socket:
    """Takes an address without listening, so that clients are refused until the models are there.

    Args:
        host: The address.
        port: The port; 0 takes a free one.
        option: What errors name beside the host.

    Raises:
        UserError: It cannot be had.
    """
    # Named, or asyncio does not take the socket for one of TCP, and leaves 40 ms between an answer's two parts.
    protocol = socket.IPPROTO_TCP
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        sock.close()
        raise UserError(
            f"--host, {option}: expected an address to listen on, received {host} {port} ({error}); choose another"
        ) from None
    return sock


def written(host: str, port: int) -> str:
    """An address as URLs have it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_certificate(config: ServerConfig) -> None:
    """Tries the certificate and its key, if there are some.

    Raises:
        UserError: They cannot be used.
    """
    if config.tls_certificate is not None and config.tls_key is not None:
        try:
            # Without a password, it would be asked for on the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(config.tls_certificate, config.tls_key, "")
        except OSError as error:
            raise UserError(
                "--tls-certificate, --tls-key: expected a certificate and its key, neither encrypted, in PEM format,"
                f" received {config.tls_certificate!r} and {config.tls_key!r} ({error}); correct them"
            ) from None
