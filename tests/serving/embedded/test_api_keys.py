import httpx
import pytest

from pipeline.errors import UserError
from serving.embedded.api_keys import read_keys
from serving.embedded.config import ServerConfig
from serving.embedded.server import running


@pytest.fixture(scope="module")
def http(small_export, tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("first-key\n\n  second-key \r\n")
    with (
        running(str(small_export), config=ServerConfig(api_key_file=str(keys))) as url,
        httpx.Client(base_url=url.removesuffix("/v1/models/nmt")) as client,
    ):
        yield client


@pytest.mark.parametrize("value", ["Bearer first-key", "Bearer second-key", "bearer  first-key"])
def test_a_key_admits(http, value):
    headers = {"Authorization": value}
    assert http.get("/v1/models/nmt", headers=headers).status_code == 200
    answer = http.post("/v1/models/nmt:predict", json={"inputs": ["a"]}, headers=headers)
    assert answer.json() == {"outputs": ["A"]}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "first-key"},
        {"Authorization": "Basic first-key"},
        {"Authorization": "Bearer first-ke"},
        {"Authorization": "Bearer first-key2"},
        {"Authorization": "Bearer first-key second-key"},
        {"Authorization": "Bearer schlüssel".encode("latin-1")},
    ],
)
@pytest.mark.parametrize("path", ["/v1/models/nmt", "/v1/models/nmt/metadata", "/elsewhere", "/healthz/x"])
def test_without_one_nothing_is_told(http, headers, path):
    response = http.get(path, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (401, "application/json")
    assert response.json() == {"error": "Expected a known key in the header 'Authorization: Bearer KEY'"}
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/monitoring/prometheus/metrics"])
def test_health_and_metrics_stay_open(http, path):
    assert http.get(path).status_code == 200


def test_a_file_of_keys(tmp_path):
    path = tmp_path / "keys"
    path.write_bytes(b"a\n\n b \r\nc")
    assert read_keys(str(path)) == (b"a", b"b", b"c")


@pytest.mark.parametrize(
    ("text", "fault"),
    [("", "no key"), (" \n\n", "no key"), ("a b\n", "a key of other characters"), ("schlüssel", "a key of other")],
)
def test_a_file_without_keys(small_export, tmp_path, text, fault):
    path = tmp_path / "keys"
    path.write_text(text)
    with (
        pytest.raises(UserError, match=f"--api-key-file: expected .*, received .*, which holds {fault}"),
        running(str(small_export), config=ServerConfig(api_key_file=str(path))),
    ):
        pass


def test_an_empty_name_of_a_file_does_not_switch_the_keys_off(small_export):
    with (
        pytest.raises(UserError, match="--api-key-file: expected a file of keys, received ''"),
        running(str(small_export), config=ServerConfig(api_key_file="")),
    ):
        pass


def test_no_file_of_keys(tmp_path):
    with pytest.raises(UserError, match=r"--api-key-file: expected .* \(No such file or directory\); write one key"):
        read_keys(str(tmp_path / "absent"))
