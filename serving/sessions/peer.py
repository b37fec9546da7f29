"""The server that a client talks to: what errors call it, its key, how patiently it is asked."""

import asyncio
import dataclasses
import os
import random

from pipeline.errors import UserError

API_KEY = "NMT_API_KEY"
CONNECT_TIMEOUT = 10.0
# Seconds: back-off grows no longer.
LONGEST_BACKOFF = 30.0
# What `nmt serve` takes.
LARGEST_BODY = 16 * 2**20


class TranslationError(UserError):
    """The server could not be reached, or refused to translate; the message is the server's own."""


@dataclasses.dataclass(frozen=True)
class Peer:
    """A server.

    Attributes:
        url: What errors name as the server.
        timeout: Seconds to wait for each answer, and for a connection if they are fewer than 10.
        retries: How often a request is sent again where the server is busy or the connection is lost.
        backoff: Seconds before it is sent again for the first time; see `serving.client.Client`.
        api_key: Sent as a bearer token; by default what the environment has as `NMT_API_KEY`, if anything.
    """

    url: str
    timeout: float
    retries: int
    backoff: float
    api_key: str | None

    def __post_init__(self) -> None:
        key = os.environ.get(API_KEY) if self.api_key is None else self.api_key
        # Without showing it, as the libraries' own errors would.
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise UserError(
                f"api_key, {API_KEY}: expected printable ASCII without spaces, received other characters; check the key"
            )
        object.__setattr__(self, "api_key", key)

    @property
    def connect_timeout(self) -> float:
        """Seconds to wait for a connection."""
        return min(self.timeout, CONNECT_TIMEOUT)

    @property
    def authorization(self) -> dict[str, str]:
        """The header that has the key, if there is one."""
        return {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    async def pause(self, attempt: int, asked: float = 0.0) -> None:
        """Waits before a request is sent again.

        Args:
            attempt: How often it has been sent again so far.
            asked: Seconds to wait at least.
        """
        pause = min(self.backoff * 2.0 ** min(attempt, 20), LONGEST_BACKOFF) * random.uniform(0.5, 1)
        await asyncio.sleep(max(pause, asked))

    def error(self, what: str) -> TranslationError:
        """An error of one line that begins with the server's URL and never shows the key."""
        told = " ".join(f"{self.url} {what}".split())
        return TranslationError(told.replace(self.api_key, "***") if self.api_key else told)

    def check_size(self, size: int, form: str) -> None:
        """Refuses a request that no server takes, before it is sent.

        Raises:
            UserError: It is larger than a server of this project takes by default.
        """
        if size > LARGEST_BODY:
            raise UserError(f"text: expected at most {LARGEST_BODY} bytes of {form}, received {size}; divide the text")
