"""That tests which share what they make are run by one process, as `tests/conftest.py` wants it."""

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process runs all tests")
def test_a_file_is_a_group(request: pytest.FixtureRequest) -> None:
    assert request.node.nodeid.rpartition("@")[2] == str(request.path)
