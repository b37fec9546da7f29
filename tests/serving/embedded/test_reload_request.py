"""Other models at run time, asked for over gRPC; messages are those of TensorFlow Serving, but for what it can do."""

import os
import shutil
import threading

import httpx
import pytest
from tensorflow_serving.apis import model_management_pb2

from serving.embedded.config import ServerConfig
from serving.embedded.models_config import ModelSource
from serving.embedded.reload_request import read_sources
from serving.embedded.status import Code, StatusError
from tests.serving.stubs import predict_request, refusal, serving


def reload_request(*configs):
    """A request for these models; a `base_path` alone stands for a whole one."""
    return model_management_pb2.ReloadConfigRequest(config={"model_config_list": {"config": configs}})


def config(name, path, **rest):
    return {"name": name, "base_path": str(path), "model_platform": "tensorflow"} | rest


def test_models_with_labels(small_export):
    request = reload_request(
        config("a", small_export, model_version_policy={"latest": {"num_versions": 1}}),
        config("b", small_export, version_labels={"stable": 2}),
    )
    path = str(small_export)
    assert read_sources(request) == [ModelSource("a", path), ModelSource("b", path, {"stable": 2})]
    assert read_sources(reload_request()) == []


NOT_A_LIST = "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "b"}, "Illegal to list model b multiple times in config list"),
        ({"base_path": "a/b"}, "Expected model a to have an absolute path or URI; got base_path()=a/b"),
        ({"model_platform": ""}, "Illegal setting: no ModelServerConfig::model_platform"),
        ({"model_platform": "pytorch"}, "Model a requests unsupported platform pytorch"),
        ({"name": "a/b"}, "--model-name: expected a name without any of"),
        ({"model_version_policy": {"all": {}}}, "Model a: expecting the version policy `latest` with num_versions 1"),
        ({"model_version_policy": {"specific": {"versions": [2]}}}, "Model a: expecting the version policy"),
        ({"model_version_policy": {"latest": {"num_versions": 2}}}, "Model a: expecting the version policy"),
        ({"logging_config": {"sampling_config": {"sampling_rate": 1}}}, "Model a: logging_config is not supported"),
    ],
)
def test_what_is_refused(small_export, changes, message):
    with pytest.raises(StatusError) as caught:
        read_sources(reload_request(config("b", small_export), config("a", small_export) | changes))
    assert (caught.value.code, caught.value.message[: len(message)]) == (Code.INVALID_ARGUMENT, message)


def test_no_list(small_export):
    for request in (model_management_pb2.ReloadConfigRequest(), {"config": {"custom_model_config": {}}}):
        if isinstance(request, dict):
            request = model_management_pb2.ReloadConfigRequest(**request)
        with pytest.raises(StatusError) as caught:
            read_sources(request)
        assert (caught.value.code, caught.value.message.startswith(NOT_A_LIST)) == (Code.INVALID_ARGUMENT, True)


def test_a_label_of_no_version(small_export):
    with pytest.raises(StatusError) as caught:
        read_sources(reload_request(config("a", small_export, version_labels={"stable": 3})))
    message = "Request to assign label to version 3 of model a, which is not currently available for inference"
    assert (caught.value.code, caught.value.message) == (Code.FAILED_PRECONDITION, message)


def test_models_are_exchanged_for_rest_and_grpc_alike_without_a_failed_request(told, tmp_path):
    for name, number in (("one", 1), ("two", 2), ("broken", 5)):
        shutil.copytree(told / str(number), tmp_path / name / str(number))
    ended, answers = threading.Event(), []

    def ask(stubs):
        while not ended.is_set():
            answers.append(stubs.predict(inputs={"text": ["a"]}).outputs["number"].int_val[:])

    with serving(tmp_path / "one", ServerConfig(poll_interval=0.05)) as (url, stubs):
        threads = [threading.Thread(target=ask, args=(stubs,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            failing = reload_request(config("nmt", tmp_path / "two"), config("other", tmp_path / "broken"))
            code, message = refusal(lambda: stubs.models.HandleReloadConfigRequest(failing, timeout=60))
            assert code == "UNKNOWN"
            assert message.startswith("1 model(s) did not become available: EXPORT: expected a SavedModel that loads")
            assert httpx.post(f"{url}:predict", json={"inputs": ["a"]}).json() == {"outputs": [1]}
            both = reload_request(
                config("nmt", tmp_path / "two", version_labels={"x": 2}), config("b", tmp_path / "one")
            )
            assert stubs.models.HandleReloadConfigRequest(both, timeout=60).status.error_code == 0
            # It has been loaded when the answer comes.
            assert httpx.post(f"{url}/labels/x:predict", json={"inputs": ["a"]}).json() == {"outputs": [2]}
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        other = url.replace("/nmt", "/b")
        assert httpx.post(f"{other}:predict", json={"inputs": ["a"]}).json() == {"outputs": [1]}
        request = predict_request(model="b")
        assert stubs.predictions.Predict(request).outputs["number"].int_val[:] == [1]
        # The new ones are watched as the first ones were.
        os.rename(tmp_path / "two" / "2", tmp_path / "two" / "3")
        while httpx.get(f"{url}/versions/3").status_code == 404:
            pass
        stubs.models.HandleReloadConfigRequest(reload_request(config("b", tmp_path / "one")), timeout=60)
        assert httpx.post(f"{url}:predict", json={"inputs": ["a"]}).status_code == 404
        assert httpx.get(httpx.URL(url).join("/readyz")).status_code == 200
    assert len(answers) == len([each for each in answers if each in ([1], [2])]) > 20
    assert [1] in answers and answers[-1] == [2]
