"""One session with S3 for all that Apache Beam asks of it.

Beam makes a client for each request and a session for each client, and each session reads the description of S3 anew:
a seventh of a second of a processor, forty times what the client alone takes.
"""

import functools
import threading
from types import SimpleNamespace
from typing import Any

from apache_beam.io.aws.clients.s3 import boto3_client


class _Session:
    """What Beam uses of `boto3.session.Session`. Threads may share a client, but not make two at once."""

    def __init__(self) -> None:
        self._making = threading.Lock()

    def client(self, **settings: Any) -> Any:
        with self._making:
            return self._made.client(**settings)

    @functools.cached_property
    def _made(self) -> Any:
        import boto3

        return boto3.session.Session()


def share_session() -> None:
    """Gives one session to all of Beam's clients in this process; nothing where the extra `aws` is not installed."""
    if boto3_client.boto3 is not None:
        shared = _Session()
        boto3_client.boto3 = SimpleNamespace(session=SimpleNamespace(Session=lambda: shared))
