"""Signals that ask a training to stop, noted for a moment at which all is whole."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def noted() -> Iterator[list[int]]:
    """While it lasts, SIGTERM and SIGINT are added to the list that it gives; a second one stops at once.

    In another thread than the main one, where Python takes no signals, nothing is ever added.
    """
    found: list[int] = []

    def note(number: int, frame: Any) -> None:
        if found:
            raise KeyboardInterrupt
        found.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
