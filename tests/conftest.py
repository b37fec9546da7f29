import pytest


# Before the plugin reads the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keeps the tests of a file in one process, and all of `serving`, which share the models that they train."""
    for item in items:
        group = "serving" if item.path.parent.name == "serving" else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
