import pytest


# Before the plugin reads the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keeps the tests of a file in one process, and all of `serving`, which share models: what trains these is slow."""
    for item in items:
        of_serving = item.path.parent.name == "serving"
        item.add_marker(pytest.mark.xdist_group("serving" if of_serving else str(item.path)))
        if of_serving and {"run", "plain_run", "protected_run"} & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)
