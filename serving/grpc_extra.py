"""The extra `grpc`, which has the messages of TF Serving's gRPC interface: is it there?"""

import importlib.util

from pipeline.errors import UserError

REMEDY = "install keras-nmt[grpc]"


def installed() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("tensorflow_serving") is not None


def require(argument: str, received: object) -> None:
    """Refuses an argument that needs the extra where it is not installed.

    Args:
        argument: What errors name.
        received: Its value.

    Raises:
        UserError: The extra is not installed.
    """
    if not installed():
        raise UserError(f"{argument}: expected the extra `grpc` to be installed, received {received}; {REMEDY}")
