import gc

import pytest


@pytest.fixture(scope="module", autouse=True)
def _give_up_graphs():
    """Frees the graphs of a file's tests, which refer to themselves: a process runs a thousand tests.

    What is left, TensorFlow's own and the session's fixtures, is looked at no more, which saves a second each time.
    """
    yield
    gc.collect()
    gc.freeze()


def pytest_addoption(parser):
    parser.addoption("--host", help="ask this server, such as http://localhost:8501, in test_contract.py")
    parser.addoption("--model", default="nmt", help="the name of its model")


# What trains, and so is shared by all tests that want it.
RUNS = {"run", "plain_run", "protected_run"}


# Before the plugin reads the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keeps the tests of a file in one process, and those of the files that share trained models."""
    trained = [item for item in items if RUNS & set(item.fixturenames) or item.get_closest_marker("trained")]
    files = {item.path for item in trained}
    for item in items:
        item.add_marker(pytest.mark.xdist_group("trained" if item.path in files else str(item.path)))
    for item in trained:
        item.add_marker(pytest.mark.slow)
