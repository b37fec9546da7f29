import contextlib
import re

import httpx
import pytest

from serving.embedded.app import create_app
from serving.embedded.config import ServerConfig
from serving.embedded.metrics import ServingMetrics
from serving.embedded.models_config import ModelSource
from serving.embedded.page import PATHS
from serving.embedded.server import running_models

TYPES = {
    "/": "text/html; charset=utf-8",
    "/page/page.css": "text/css; charset=utf-8",
    "/page/page.js": "text/javascript; charset=utf-8",
    "/page/service.js": "text/javascript; charset=utf-8",
    "/page/alignment.js": "text/javascript; charset=utf-8",
    "/page/words.js": "text/javascript; charset=utf-8",
    "/page/map.js": "text/javascript; charset=utf-8",
    "/page/icon.svg": "image/svg+xml",
}


@pytest.fixture(scope="module")
def http(small_export, tmp_path_factory):
    """A client of a server of two models that asks for a key."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("secret")
    sources = [ModelSource("one", str(small_export)), ModelSource("another", str(small_export))]
    with (
        running_models(sources, ServerConfig(api_key_file=str(keys))) as (url, _),
        httpx.Client(base_url=url.removesuffix("/v1/models/one")) as client,
    ):
        yield client


@pytest.mark.parametrize("path", TYPES)
def test_the_files_of_the_page_need_no_key(http, path):
    response = http.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, TYPES[path])
    policy = dict(part.partition(" ")[::2] for part in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert {policy[f"{kind}-src"] for kind in ("connect", "img", "script", "style")} == {"'self'"}
    assert "unsafe" not in str(policy)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    head = http.head(path, headers={"accept-encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(response.content)


def test_no_file_is_left_out():
    assert set(TYPES) == PATHS


def test_files_are_sent_again_only_if_they_changed(http):
    first = http.get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = http.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_loads_nothing_but_these_files(http):
    html = http.get("/").text
    assert set(re.findall(r'(?:src|href)="([^"]*)"', html)) == {"page/icon.svg", "page/page.css", "page/page.js"}
    assert not re.search(r"<style|<script(?! type=\"module\" src)|\son\w+=|\sstyle=", html)
    for path in TYPES.keys() - {"/page/icon.svg"}:
        text = http.get(path).text
        assert "//" not in re.sub(r"^\s*// .*|^//$", "", text, flags=re.MULTILINE)
        for imported in re.findall(r'from "\./([^"]*)"', text):
            assert f"/page/{imported}" in TYPES


def test_the_models_and_their_signatures(http):
    assert http.get("/page/models").status_code == 401
    response = http.get("/page/models", headers={"Authorization": "Bearer secret"})
    assert response.headers["cache-control"] == "no-store"
    (one, another) = response.json()
    assert (one["name"], another["name"]) == ("one", "another")
    assert one["version"] == another["version"] == 10
    assert {"serving_default", "nbest"} <= set(one["signatures"]) and "align" not in one["signatures"]
    assert one["languages"] == {}


def test_a_model_without_a_version(small_export):
    from starlette.testclient import TestClient

    from serving.embedded.catalog import Catalog

    config, metrics = ServerConfig(poll_interval=0), ServingMetrics()
    with contextlib.closing(Catalog(config, metrics)) as catalog:
        catalog.replace([ModelSource("nmt", str(small_export))])
        catalog.find("nmt").unload(10)
        client = TestClient(create_app(catalog, config, metrics))
        assert client.get("/page/models").json() == [
            {"name": "nmt", "version": None, "signatures": [], "languages": {}}
        ]


@pytest.mark.parametrize("path", ["/page", "/page/page.html", "/page/..%2fapp.py"])
def test_all_else_is_not_found(http, path):
    response = http.get(path, headers={"Authorization": "Bearer secret"})
    assert (response.status_code, response.json()) == (404, {"error": "Not Found"})


@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("DELETE", "/page/page.js")])
def test_the_page_is_only_read(http, method, path):
    response = http.request(method, path, headers={"Authorization": "Bearer secret"})
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}
