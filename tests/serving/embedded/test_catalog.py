"""Models exchanged while they are served."""

import threading

import pytest

from pipeline.errors import UserError
from serving.embedded.catalog import Catalog
from serving.embedded.config import ServerConfig
from serving.embedded.metrics import ServingMetrics
from serving.embedded.models_config import ModelSource
from serving.embedded.rest import Route
from serving.embedded.status import StatusError


@pytest.fixture
def catalog():
    catalog = Catalog(ServerConfig(), ServingMetrics())
    yield catalog
    catalog.close()
    assert catalog.models() == []


@pytest.fixture
def export(told, tmp_path):
    """An export of which version 1 loads, and one that is broken."""
    for name, number in (("good", 1), ("bad", 5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / str(number)).symlink_to(told / str(number))
    return tmp_path


def names(catalog):
    return [model.name for model in catalog.models()]


def test_an_unknown_name_is_that_of_a_model_without_versions(catalog):
    assert "a" not in catalog
    assert catalog.find("a").available() == set()
    message = r"Servable not found for request: Latest\(a\)"
    with pytest.raises(StatusError, match=message), catalog.use(Route("predict", "a")):
        pass


def test_what_is_the_same_stays_and_what_is_not_goes(export, catalog):
    good = str(export / "good")
    catalog.replace([ModelSource("a", good), ModelSource("b", good)])
    a, b = catalog.models()
    catalog.replace([ModelSource("c", good), ModelSource("a", good), ModelSource("b", good, {"stable": 1})])
    assert names(catalog) == ["c", "a", "b"]
    assert catalog.find("a") is a
    assert catalog.find("b") is not b
    assert b.available() == set()
    with catalog.use(Route("predict", "b", label="stable")) as version:
        assert version.number == 1
    catalog.replace([])
    assert (names(catalog), a.available()) == ([], set())


@pytest.mark.parametrize("bad", ["bad", "absent"])
def test_if_one_does_not_load_all_stays_as_it_was(export, catalog, bad):
    good, before = ModelSource("a", str(export / "good")), set(threading.enumerate())
    catalog.replace([good])
    (model,), watched = catalog.models(), set(threading.enumerate())
    with pytest.raises(UserError, match="EXPORT: expected"):
        catalog.replace(
            [ModelSource("b", good.path), ModelSource("a", good.path, {"x": 1}), ModelSource("c", str(export / bad))]
        )
    assert catalog.models() == [model]
    assert model.available() == {1}
    assert set(threading.enumerate()) == watched > before


def test_a_model_that_goes_stays_loaded_until_its_requests_are_answered(export, catalog):
    source = ModelSource("a", str(export / "good"))
    catalog.replace([source])
    with catalog.use(Route("predict", "a")) as version:
        thread = threading.Thread(target=catalog.replace, args=([ModelSource("b", source.path)],))
        thread.start()
        while "b" not in catalog:
            assert thread.is_alive()
        assert "a" not in catalog
        assert version.servable.run("serving_default", {"text": [b"x"]})["number"].tolist() == [1]
        assert thread.is_alive()
    thread.join(30)
    assert not thread.is_alive()
