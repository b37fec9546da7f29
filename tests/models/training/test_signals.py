import gc
import os
import signal
import threading

import pytest

from models.training import signals


@pytest.fixture
def no_collection():
    """An exception that a signal raises within the garbage collector's callbacks is lost."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_is_noted_and_a_second_stops(number, no_collection):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), signals.noted() as found:
        os.kill(os.getpid(), number)
        assert found == [number]
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(number) is before


def test_another_thread_takes_none():
    found = []

    def run():
        with signals.noted() as noted:
            found.append(noted)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [[]]
