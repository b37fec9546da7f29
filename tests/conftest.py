import gc
from pathlib import Path

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


# What trains, and so is slow; processes share it (tests/serving/conftest.py).
RUNS = {"run", "plain_run", "protected_run"}
# What a process prepares for itself, for longer than it takes to use: the files that use it stay in one.
GRAPHS = {"translator", "servable", "urls"}
# The files that take longest come first, so that none is left when all else is done.
LONGEST = (
    "models/training/test_distribution.py",
    "models/training/test_train.py",
    "test_end_to_end.py",
    "models/test_tasks.py",
    "models/test_combinations.py",
    "demo/test_job.py",
    "serving/test_reverse.py",
)


# Before the plugin reads the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keeps the tests of a file in one process, and those of the files that share graphs; the longest begin first."""
    graphs = {item.path for item in items if GRAPHS & set(item.fixturenames)}
    for item in items:
        item.add_marker(pytest.mark.xdist_group("graphs" if item.path in graphs else str(item.path)))
        if RUNS & set(item.fixturenames) or item.get_closest_marker("trained"):
            item.add_marker(pytest.mark.slow)
    files = [Path(__file__).parent / name for name in LONGEST]
    items.sort(key=lambda item: 0 if item.path in graphs else 1 + (item.path not in files))
