import gc
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def _give_up_graphs():
    """Frees the graphs of a file's tests, which refer to themselves: a process runs a thousand tests."""
    yield
    gc.collect()


def pytest_addoption(parser):
    parser.addoption("--host", help="ask this server, such as http://localhost:8501, in test_contract.py")
    parser.addoption("--model", default="nmt", help="the name of its model")


# Before the plugin reads the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keeps the tests of a file in one process, and all of `serving`, which share models: what trains these is slow."""
    serving = Path(__file__).with_name("serving")
    for item in items:
        of_serving = serving in item.path.parents
        item.add_marker(pytest.mark.xdist_group("serving" if of_serving else str(item.path)))
        if of_serving and {"run", "plain_run", "protected_run"} & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)
