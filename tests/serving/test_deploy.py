"""Compose files, image and training job of deploy/: against their schemas, and against what they are to run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

import nmt
from nmt_arguments import bind
from serving.embedded.server import default_grpc_port, running
from serving.exports.tf_serving_configs import CONFIGS

ROOT = Path(__file__).parents[2]
EXPORTS = ROOT / "serving" / "exports"
DEPLOY = ROOT / "deploy"
COMPOSE, GPU, TRAINING_JOB = (
    DEPLOY / name for name in ("docker-compose.yaml", "docker-compose.gpu.yaml", "training-job.yaml")
)
EXPORT = re.compile(r"\$\{EXPORT:\?[^}]*\}")


@pytest.fixture
def services():
    """The services, the export being /export."""
    return yaml.safe_load(EXPORT.sub("/export", COMPOSE.read_text()))["services"]


def check(program, *options):
    path = os.path.join(os.path.dirname(sys.executable), program)
    run = subprocess.run([path, *options], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_compose_files_fit_the_specification():
    check("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE), str(GPU))


def test_tensorflow_serving_finds_the_export_and_its_settings(services):
    service = services["nmt"]
    text = EXPORTS.joinpath("models.config").read_text()
    (model,) = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    assert service["image"] == "tensorflow/serving:2.20.0"
    assert service["volumes"] == [
        {"type": "bind", "source": "/export", "target": model.base_path, "read_only": True},
    ]
    flags = dict(flag.removeprefix("--").partition("=")[::2] for flag in service["command"])
    files = {flag: path for flag, path in flags.items() if flag.endswith("_file")}
    assert files == {
        "model_config_file": f"{model.base_path}/models.config",
        "batching_parameters_file": f"{model.base_path}/batching.config",
        "monitoring_config_file": f"{model.base_path}/monitoring.config",
    }
    assert {Path(path).name for path in files.values()} == set(CONFIGS)
    # A file of parameters without this flag is an error at the start.
    assert "enable_batching" in flags
    assert service["ports"] == [f"127.0.0.1:{port}:{port}" for port in (flags["rest_api_port"], flags["port"])]


def test_what_has_to_be_given():
    """Nothing but the export, which has no default."""
    assert re.findall(r"\$\{(\w+)", COMPOSE.read_text()) == ["EXPORT"]
    assert EXPORT.search(COMPOSE.read_text())


def test_the_gpu_is_added_to_the_same_service(services):
    ((name, service),) = yaml.safe_load(GPU.read_text())["services"].items()
    assert service["image"] == services[name]["image"] + "-gpu"
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


def test_the_health_check_by_a_server(services, small_export):
    """In the image's shell, against another server with the same interface."""
    kind, *command, script = services["nmt"]["healthcheck"]["test"]
    assert kind == "CMD"

    def healthy(port, model="nmt"):
        told = script.replace("8501", str(port)).replace("/models/nmt/", f"/models/{model}/")
        return subprocess.run([*command, told], capture_output=True, timeout=60).returncode == 0

    with running(str(small_export)) as url:
        port = httpx.URL(url).port
        assert healthy(port)
        assert not healthy(port, model="other")
    assert not healthy(port)


def test_the_image_holds_the_project_and_serves():
    lines = [line.split(maxsplit=1) for line in (DEPLOY / "Dockerfile").read_text().splitlines() if line]
    copied = [word for name, rest in lines if name == "COPY" for word in rest.split()[:-1]]
    packages = re.search(r"include=\[(.*)\]", (ROOT / "setup.py").read_text())[1]
    modules = re.search(r"py_modules=\[(.*)\]", (ROOT / "setup.py").read_text())[1]
    expected = {*re.findall(r'"(\w+)"', packages), *(f"{name}.py" for name in re.findall(r'"(\w+)"', modules))}
    assert expected | {"setup.py", "pyproject.toml", "README.md", "LICENSE", "requirements.lock"} == set(copied)
    assert all((ROOT / name).exists() for name in copied)
    entry, command = (yaml.safe_load(rest) for name, rest in lines if name in ("ENTRYPOINT", "CMD"))
    assert entry == ["nmt"] and command[0] == "serve"
    call = bind(nmt.serve, "nmt serve", command[1:])
    assert call.args[1] == "/models/nmt" and call.keywords["host"] == "0.0.0.0"
    (exposed,) = (rest for name, rest in lines if name == "EXPOSE")
    port = call.keywords["port"]
    assert call.keywords["grpc_port"] is None and exposed.split() == [str(default_grpc_port(port)), str(port)]


def test_the_training_job_fits_kubernetes():
    check("kubernetes-validate", "--strict", str(TRAINING_JOB))


def test_the_hosts_of_the_training_job_find_each_other_and_the_command_is_one():
    service, job = yaml.safe_load_all(TRAINING_JOB.read_text())
    name, spec = service["metadata"]["name"], job["spec"]
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
    assert spec["template"]["spec"]["subdomain"] == name
    [container] = spec["template"]["spec"]["containers"]
    told = {each["name"]: each["value"] for each in container["env"]}
    # The first pod's name, as an indexed job gives it, and a count of hosts that is that of the pods.
    assert told.pop("KERAS_DISTRIBUTION_JOB_ADDRESSES").startswith(f"{job['metadata']['name']}-0.{name}:")
    hosts = str(spec["completions"])
    assert told == {"KERAS_BACKEND": "jax", "KERAS_DISTRIBUTION_NUM_PROCESSES": hosts}
    assert spec["parallelism"] == spec["completions"] and spec["completionMode"] == "Indexed"
    shell, option, command = container["command"]
    number, train = command.split(" exec nmt train ")
    assert (shell, option, number) == ("sh", "-c", "KERAS_DISTRIBUTION_PROCESS_ID=$JOB_COMPLETION_INDEX")
    call = bind(nmt.train, "nmt train", train.split())
    _, recipe = call.args
    assert (recipe.training.distribution, recipe.batching.bucket_width) == ("hosts", 20)
    assert call.keywords["resume"] and not call.keywords["overwrite"]
