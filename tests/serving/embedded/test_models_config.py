import subprocess
import sys

import httpx
import pytest

import nmt
from pipeline.errors import UserError
from serving.client import Client
from serving.embedded.models_config import ModelSource, read_models_config
from serving.embedded.server import running_models


def test_a_file_of_models(tmp_path):
    (tmp_path / "models.yaml").write_text(
        "models:\n"
        "  - {name: en-de, path: exports/en-de, labels: {stable: 3, canary: 4}}\n"
        "  - name: en-fr\n"
        "    path: /exports/en-fr\n"
    )
    assert read_models_config(str(tmp_path / "models.yaml")) == (
        ModelSource("en-de", str(tmp_path / "exports/en-de"), {"stable": 3, "canary": 4}),
        ModelSource("en-fr", "/exports/en-fr"),
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "that has no list `models`, or more than it"),
        ("- a", "that has no list `models`, or more than it"),
        ("models: {}", "that has no list `models`, or more than it"),
        ("models: []\nport: 1", "that has no list `models`, or more than it"),
        ("models: []", "without models"),
        ("models: [a]", "with the model 'a'"),
        ("models: [{name: a}]", "with the model {'name': 'a'}"),
        ("models: [{name: a, path: 3}]", "with the model {'name': 'a', 'path': 3}"),
        ("models: [{name: a, path: b, lables: {}}]", "with the model .*lables"),
        ("models: [{name: a, path: b, labels: [x]}]", r"with the model .*\['x'\]"),
        ("models: [{name: a, path: b, labels: {x: '1'}}]", "with the model .*'x': '1'"),
        ("models: [{name: a, path: b, labels: {x: true}}]", "with the model .*'x': True"),
        ("models: [{name: a, path: b, labels: {x: -1}}]", "with the model .*'x': -1"),
        ("models: [{name: a, path: b}, {name: a, path: c}]", "with a name given twice"),
        ("models: [{name: a, path: b, path: c}]", r"\(the key 'path' stands twice"),
        ("models: [", r"\(while parsing"),
    ],
)
def test_a_file_of_something_else(tmp_path, text, fault):
    path = tmp_path / "models.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=f"--models-config: expected a YAML file .*, received .* {fault}.*; correct it"):
        read_models_config(str(path))


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"--models-config: expected .*No such file"):
        read_models_config(str(tmp_path / "absent"))


@pytest.mark.parametrize("name", ["a/b", "a:b", ""])
def test_names_that_no_url_can_hold(name):
    with pytest.raises(UserError, match="--model-name: expected a name without any of"):
        ModelSource(name, "path")
    with pytest.raises(UserError, match="label: expected a name without any of"):
        ModelSource("a", "path", {name: 1})


@pytest.mark.parametrize(("argv", "received"), [([], "neither"), (["a", "--models-config", "b"], "both")])
def test_one_model_or_a_file_of_them(argv, received, capsys):
    assert nmt.main(["serve", *argv]) == 2
    line = f"nmt: error: EXPORT, --models-config: expected one of them, received {received}; give one\n"
    assert capsys.readouterr().err == line


def test_models_are_served_by_name_and_label(small_export):
    sources = [ModelSource("a", str(small_export)), ModelSource("b", str(small_export), {"stable": 2})]
    with running_models(sources) as (a, b), httpx.Client() as client:
        assert (a.rpartition("/")[2], b.rpartition("/")[2]) == ("a", "b")
        body = {"inputs": ["x"]}
        for path in (f"{a}:predict", f"{b}:predict", f"{b}/labels/stable:predict", f"{b}/versions/2:predict"):
            assert client.post(path, json=body).json() == {"outputs": ["X"]}
        metadata = client.get(f"{b}/labels/stable/metadata").json()
        assert metadata["model_spec"] == {"name": "b", "signature_name": "", "version": "2"}
        assert client.get(f"{b}/metadata").json()["model_spec"]["version"] == "10"
        unknown = client.post(f"{a}/labels/stable:predict", json=body)
        message = "Unrecognized servable version label: stable"
        assert (unknown.status_code, unknown.json()) == (400, {"error": message})
        assert [each["version"] for each in client.get(b).json()["model_version_status"]] == ["10", "2"]
        assert [each["version"] for each in client.get(a).json()["model_version_status"]] == ["10"]
        metrics = client.get(httpx.URL(a).join("/monitoring/prometheus/metrics")).text.splitlines()
        assert ':tensorflow:serving:request_count{model_name="a",status="OK"} 1.0' in metrics
        assert ':tensorflow:serving:request_count{model_name="b",status="OK"} 3.0' in metrics
        assert client.get(a.replace("/a", "/c")).status_code == 404


@pytest.mark.slow
def test_the_command_serves_a_file_of_models(small_export, tmp_path):
    (tmp_path / "models.yaml").write_text(
        f"models:\n  - {{name: a, path: {small_export}, labels: {{old: 2}}}}\n  - {{name: b, path: {small_export}}}\n"
    )
    (tmp_path / "keys").write_text("key\n")
    argv = ["--models-config", tmp_path / "models.yaml", "--api-key-file", tmp_path / "keys", "--port", "0"]
    command = [sys.executable, nmt.__file__, "serve", *argv, "--batching.max_batch_size", "8", "--max-rows", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            urls = [server.stdout.readline().removeprefix("Serving ").rstrip("\n") for _ in range(4)]
            assert [url.rpartition("/")[2] for url in urls] == ["a", "b"] * 2
            with Client(f"{urls[2]}/labels/old", api_key="key") as client:
                assert (client.translate(["x"]), client.served_versions()) == (["X"], [2])
            with httpx.Client(headers={"Authorization": "Bearer key"}) as client:
                for path in (f"{urls[0]}/labels/old:predict", f"{urls[1]}:predict"):
                    assert client.post(path, json={"inputs": ["x"]}).json() == {"outputs": ["X"]}
                assert client.post(f"{urls[1]}:predict", json={"inputs": ["x"] * 3}).status_code == 400
            assert httpx.get(urls[0]).status_code == 401
            server.terminate()
            assert server.wait(30) == 0
        finally:
            server.kill()
