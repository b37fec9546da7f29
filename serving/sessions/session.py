"""What a client needs of the way to a server, by whatever protocol."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Session(Protocol):
    """Sends requests to one server; its coroutines belong to one event loop."""

    async def predict(self, signature_name: str, inputs: Mapping[str, Sequence[Any]]) -> Any:
        """Runs a signature.

        Args:
            signature_name: Its name.
            inputs: For each of its inputs a list of strings, integers or floats, a row each.

        Returns:
            The values of its output, a row each; of several, a dictionary of such lists.

        Raises:
            TranslationError: The server refused, cannot be reached, or answers in no known form.
        """

    async def versions(self) -> list[int]:
        """The versions of the model that are ready, in rising order.

        Raises:
            TranslationError: See `predict`.
        """

    async def close(self) -> None:
        """Closes the connections."""
