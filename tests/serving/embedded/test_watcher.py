"""Versions that come and go while a model is served."""

import concurrent.futures
import os
import shutil
import threading
import time

import httpx
import pytest

from serving.embedded.config import ServerConfig
from serving.embedded.rest import Route
from serving.embedded.server import running
from serving.embedded.versions import Model
from serving.embedded.watcher import Watcher

STATUS, PREDICT = Route("status", "nmt"), Route("predict", "nmt")


@pytest.fixture
def export(tmp_path):
    (tmp_path / "export").mkdir()
    return tmp_path / "export"


def put(told, export, *numbers):
    """Makes versions appear as `nmt export` does: written beside and renamed."""
    for number in numbers:
        beside = export / f".{number}.half-written"
        shutil.copytree(told / str(number), beside)
        os.rename(beside, export / str(number))


@pytest.fixture
def model():
    model = Model("nmt", ServerConfig())
    yield model
    model.close()


def states(model):
    return {number: status.state for number, status in model.statuses(STATUS).items()}


def test_the_newest_takes_the_place_of_the_one_before(told, export, model):
    watcher = Watcher(model, export)
    watcher.poll()
    assert model.available() == set()
    put(told, export, 1, 2)
    watcher.poll()
    assert states(model) == {2: "AVAILABLE"}
    watcher.poll()
    assert states(model) == {2: "AVAILABLE"}
    put(told, export, 3)
    watcher.poll()
    assert states(model) == {2: "END", 3: "AVAILABLE"}


def test_folders_that_are_no_versions_are_passed_over(told, export, model):
    put(told, export, 1)
    for name in (".7.half-written", "8.partial", "latest", "²"):
        shutil.copytree(told / "2", export / name)
    (export / "9").mkdir()
    (export / "10").write_text("a file")
    Watcher(model, export).poll()
    assert states(model) == {1: "AVAILABLE"}


def test_a_bad_version_is_left_out_and_tried_again_only_when_its_files_are_others(told, export, model, monkeypatch):
    watcher = Watcher(model, export)
    put(told, export, 4)
    watcher.poll()
    put(told, export, 5)
    watcher.poll()
    assert states(model) == {4: "AVAILABLE", 5: "END"}
    assert "saved_model.pb" in model.statuses(STATUS)[5].message
    with monkeypatch.context() as patched:
        patched.setattr(model, "load", lambda folder: pytest.fail("loaded again"))
        watcher.poll()
    shutil.rmtree(export / "5")
    watcher.poll()
    assert states(model) == {4: "AVAILABLE", 5: "END"}
    put(told, export, 5)
    watcher.poll()
    # Copied into place file by file, as nobody should.
    (export / "5" / "saved_model.pb").write_bytes((told / "3" / "saved_model.pb").read_bytes())
    watcher.poll()
    assert states(model) == {4: "AVAILABLE", 5: "END"}
    assert "variables" in model.statuses(STATUS)[5].message
    shutil.copytree(told / "3" / "variables", export / "5" / "variables", dirs_exist_ok=True)
    watcher.poll()
    assert states(model) == {4: "END", 5: "AVAILABLE"}


def test_what_vanishes_is_unloaded_once_another_has_taken_its_place(told, export, model):
    watcher = Watcher(model, export)
    put(told, export, 1, 2)
    watcher.poll()
    shutil.rmtree(export / "2")
    watcher.poll()
    assert states(model) == {1: "AVAILABLE", 2: "END"}
    shutil.rmtree(export / "1")
    watcher.poll()
    assert states(model) == {1: "END", 2: "END"}
    put(told, export, 1)
    watcher.poll()
    assert states(model) == {1: "AVAILABLE", 2: "END"}


def test_a_served_version_that_vanishes_stays_while_the_newest_is_bad(told, export, model):
    watcher = Watcher(model, export)
    put(told, export, 4)
    watcher.poll()
    put(told, export, 5)
    shutil.rmtree(export / "4")
    watcher.poll()
    assert states(model) == {4: "AVAILABLE", 5: "END"}


def test_labelled_versions_are_served_beside_the_newest(told, export):
    model = Model("nmt", ServerConfig(), labels={"stable": 1, "canary": 3, "later": 9})
    watcher = Watcher(model, export)
    put(told, export, 1, 2)
    watcher.poll()
    put(told, export, 3)
    watcher.poll()
    put(told, export, 4)
    watcher.poll()
    assert states(model) == {1: "AVAILABLE", 2: "END", 3: "AVAILABLE", 4: "AVAILABLE"}
    shutil.rmtree(export / "1")
    watcher.poll()
    assert states(model) == {1: "END", 2: "END", 3: "AVAILABLE", 4: "AVAILABLE"}
    model.close()


def test_an_export_that_is_gone_as_a_whole_changes_nothing(told, export, model):
    watcher = Watcher(model, export)
    put(told, export, 1)
    watcher.poll()
    os.rename(export, export.with_name("elsewhere"))
    with pytest.raises(FileNotFoundError):
        watcher.poll()
    assert states(model) == {1: "AVAILABLE"}


def shown(url):
    answer = httpx.get(url).json()["model_version_status"]
    return {each["version"]: (each["state"], each["status"]["error_code"]) for each in answer}


def wait_until(url, expected, seconds=30):
    """Waits until the status of a served model tells of these versions."""
    ends = time.monotonic() + seconds
    while not expected.items() <= shown(url).items():
        assert time.monotonic() < ends, shown(url)
        time.sleep(0.02)


def ask_until(ended, url, body):
    """All answers of one client that asks without a pause."""
    answers = []
    with httpx.Client(timeout=30) as client:
        while not ended.is_set():
            response = client.post(f"{url}:predict", json=body)
            answers.append((response.status_code, response.json()))
    return answers


def test_no_request_fails_while_versions_are_swapped(told, export):
    put(told, export, 1)
    ended = threading.Event()
    with (
        running(str(export), config=ServerConfig(poll_interval=0.05)) as url,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        clients = [pool.submit(ask_until, ended, url, {"inputs": ["a", "b"]}) for _ in range(8)]
        try:
            for number in (2, 3):
                put(told, export, number)
                wait_until(url, {str(number - 1): ("END", "OK"), str(number): ("AVAILABLE", "OK")})
            put(told, export, 5)
            wait_until(url, {"3": ("AVAILABLE", "OK"), "5": ("END", "UNKNOWN")})
            shutil.rmtree(export / "5")
            put(told, export, 4)
            wait_until(url, {"3": ("END", "OK"), "4": ("AVAILABLE", "OK")})
            time.sleep(0.2)
        finally:
            ended.set()
        for client in clients:
            answers = client.result()
            assert {status for status, _ in answers} == {200}
            numbers = [answer["outputs"] for _, answer in answers]
            assert all(pair in ([1, 1], [2, 2], [3, 3], [4, 4]) for pair in numbers)
            # A version, once replaced, answers no more.
            assert numbers == sorted(numbers) and numbers[-1] == [4, 4]


def test_a_model_without_versions_answers_so_until_there_is_one(told, export):
    put(told, export, 1)
    with running(str(export), config=ServerConfig(poll_interval=0.05)) as url:
        healthy, ready = (str(httpx.URL(url).join(path)) for path in ("/healthz", "/readyz"))
        assert [httpx.get(each).status_code for each in (healthy, ready)] == [200, 200]
        shutil.rmtree(export / "1")
        wait_until(url, {"1": ("END", "OK")})
        assert [httpx.get(each).status_code for each in (healthy, ready)] == [200, 503]
        response = httpx.post(f"{url}:predict", json={"inputs": ["a"]})
        assert (response.status_code, response.json()) == (
            404,
            {"error": "Servable not found for request: Latest(nmt)"},
        )
        put(told, export, 2)
        wait_until(url, {"2": ("AVAILABLE", "OK")})
        assert httpx.get(ready).status_code == 200


def test_a_disk_that_fails_for_a_while_changes_nothing(told, export):
    put(told, export, 1)
    elsewhere = export.with_name("elsewhere")
    with running(str(export), config=ServerConfig(poll_interval=0.02)) as url:
        os.rename(export, elsewhere)
        time.sleep(0.2)
        assert httpx.post(f"{url}:predict", json={"inputs": ["a"]}).json() == {"outputs": [1]}
        assert shown(url) == {"1": ("AVAILABLE", "OK")}
        os.rename(elsewhere, export)
        put(told, export, 2)
        wait_until(url, {"1": ("END", "OK"), "2": ("AVAILABLE", "OK")})


def test_without_an_interval_nothing_is_looked_for(told, export):
    put(told, export, 1)
    before = threading.active_count()
    with running(str(export), config=ServerConfig(poll_interval=0)) as url:
        # The server's own and the model's.
        assert threading.active_count() == before + 1
        put(told, export, 2)
        time.sleep(0.3)
        assert shown(url) == {"1": ("AVAILABLE", "OK")}


@pytest.mark.long
@pytest.mark.slow
def test_a_translation_goes_on_while_the_model_is_exported_anew(run, tmp_path):
    from serving.exports.export import export

    folder, ended = tmp_path / "export", threading.Event()
    export(str(run), str(folder), signatures=())
    with (
        running(str(folder), config=ServerConfig(poll_interval=0.2)) as url,
        concurrent.futures.ThreadPoolExecutor(4) as pool,
    ):
        body = {"inputs": {"text": ["one red cats", "two blue dogs here"]}}
        before = httpx.post(f"{url}:predict", json=body, timeout=30)
        assert before.status_code == 200
        clients = [pool.submit(ask_until, ended, url, body) for _ in range(4)]
        try:
            for number in (2, 3):
                assert export(str(run), str(folder), signatures=()) == str(folder / str(number))
                wait_until(url, {str(number - 1): ("END", "OK"), str(number): ("AVAILABLE", "OK")}, seconds=120)
        finally:
            ended.set()
        answers = [answer for client in clients for answer in client.result()]
    assert len(answers) > 20
    assert all(answer == (200, before.json()) for answer in answers)
