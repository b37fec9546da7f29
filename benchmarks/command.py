"""A benchmark as a command."""

import os
import sys
from collections.abc import Callable, Sequence

from nmt_arguments import bind
from pipeline.errors import UserError


def run_command(function: Callable[..., None], argv: Sequence[str] | None = None) -> int:
    """Calls a function with the arguments of the command line.

    Args:
        function: Its signature and docstring make the command line.
        argv: The words after the command; by default those of the process.

    Returns:
        The exit status: 0, or 2 for what a user can mend, told in one line.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        bind(function, f"python -m {_module(function)}", sys.argv[1:] if argv is None else argv)()
    except UserError as error:
        print("error:", error, file=sys.stderr)
        return 2
    return 0


def _module(function: Callable[..., None]) -> str:
    # The module that is run is called __main__.
    spec = sys.modules[function.__module__].__spec__
    return spec.name if spec else function.__module__
