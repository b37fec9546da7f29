import threading

import pytest

from serving.embedded.config import ServerConfig
from serving.embedded.rest import Route
from serving.embedded.status import StatusError
from serving.embedded.versions import Model
from serving.servable import Servable

STATUS, PREDICT = Route("status", "nmt"), Route("predict", "nmt")


@pytest.fixture
def model():
    model = Model("nmt", ServerConfig())
    yield model
    model.close()


def number(model, route=PREDICT):
    with model.use(route) as version:
        return version.number


def test_a_model_is_warm_before_it_is_available(model, small_export, monkeypatch):
    states = []

    def warm_up(self):
        states.append(model.statuses(STATUS)[10].state)
        with pytest.raises(StatusError, match=r"NOT_FOUND: Servable not found for request: Latest\(nmt\)"):
            number(model)

    monkeypatch.setattr(Servable, "warm_up", warm_up)
    model.load(small_export / "10")
    assert [*states, model.statuses(STATUS)[10].state] == ["LOADING", "AVAILABLE"]


def test_a_version_that_fails_to_load_says_so_and_others_stay(model, small_export, tmp_path):
    (tmp_path / "11").mkdir()
    (tmp_path / "11" / "saved_model.pb").write_bytes(b"\x00broken")
    model.load(small_export / "2")
    with pytest.raises(OSError, match="11"):
        model.load(tmp_path / "11")
    statuses = model.statuses(STATUS)
    assert (statuses[2].state, statuses[11].state) == ("AVAILABLE", "END")
    assert "11" in statuses[11].message
    assert model.numbers().failed_loads == 1
    assert number(model) == 2
    model.load(small_export / "10")
    assert number(model) == 10
    assert number(model, Route("predict", "nmt", version=2)) == 2


def test_unloading_waits_for_the_requests_that_hold_the_version_and_lets_no_more_in(model, small_export):
    model.load(small_export / "2")
    model.load(small_export / "10")
    with model.use(PREDICT) as version:
        unloading = threading.Thread(target=model.unload, args=(10,))
        unloading.start()
        while model.available() != {2}:
            pass
        unloading.join(0.1)
        assert unloading.is_alive()
        assert model.statuses(STATUS)[10].state == "UNLOADING"
        assert number(model) == 2
        with pytest.raises(StatusError, match=r"Specific\(nmt, 10\)"):
            number(model, Route("predict", "nmt", version=10))
        assert "serving_default" in version.servable._callables
    unloading.join(10)
    assert model.statuses(STATUS)[10].state == "END"
    assert not version.servable._callables


def test_nothing_loaded(model):
    with pytest.raises(StatusError, match="NOT_FOUND: Could not find any versions of model nmt"):
        model.statuses(STATUS)
    with pytest.raises(StatusError, match=r"NOT_FOUND: Servable not found for request: Latest\(nmt\)"):
        number(model)


def test_labels(small_export):
    model = Model("nmt", ServerConfig(), labels={"stable": 2, "canary": 11})
    model.load(small_export / "2")
    model.load(small_export / "10")
    assert number(model, Route("predict", "nmt", label="stable")) == 2
    assert list(model.statuses(Route("status", "nmt", label="stable"))) == [2]
    for label in ("canary", "other", "STABLE"):
        with pytest.raises(StatusError, match=f"INVALID_ARGUMENT: Unrecognized servable version label: {label}"):
            number(model, Route("predict", "nmt", label=label))
        with pytest.raises(StatusError, match=f"INVALID_ARGUMENT: Unrecognized servable version label: {label}"):
            model.statuses(Route("status", "nmt", label=label))
    model.close()
