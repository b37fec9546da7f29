"""The manifests of deploy/kubernetes/: against Kubernetes's schemas, each other, and the rest of deploy/."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import nmt
from nmt_arguments import bind
from serving.embedded.config import ServerConfig

ROOT = Path(__file__).parents[2]
EXPORTS = ROOT / "serving" / "exports"
FOLDER = ROOT / "deploy" / "kubernetes"
VOLUME, ADAPTER = FOLDER / "model-volume.yaml", FOLDER / "prometheus-adapter.yaml"
SERVERS = [FOLDER / "tf-serving.yaml", FOLDER / "nmt-serve.yaml"]
# Of `tensorflow_model_server --help`, those that are used.
FLAGS = {
    "port",
    "rest_api_port",
    "model_config_file",
    "model_config_file_poll_wait_seconds",
    "enable_batching",
    "batching_parameters_file",
    "monitoring_config_file",
    "rest_api_num_threads",
    "grpc_max_threads",
    "tensorflow_session_parallelism",
}


def read(path):
    """The objects of a file, by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(path.read_text())}


def container_of(objects):
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


@pytest.fixture(params=SERVERS, ids=lambda path: path.stem)
def objects(request):
    return read(request.param)


def test_they_fit_kubernetes():
    command = [Path(sys.executable).with_name("kubernetes-validate"), "--strict", VOLUME, *SERVERS]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_parts_find_each_other(objects):
    assert set(objects) == {"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"}
    deployment, template = objects["Deployment"], objects["Deployment"]["spec"]["template"]
    labels = template["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        objects["Service"]["spec"]["selector"],
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector == labels
    target = {key: deployment[key] for key in ("apiVersion", "kind")} | {"name": deployment["metadata"]["name"]}
    assert objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"] == target
    container = container_of(objects)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    services = {port["targetPort"]: port["port"] for port in objects["Service"]["spec"]["ports"]}
    assert ports == services
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        action = container[probe].get("httpGet") or container[probe]["tcpSocket"]
        assert action["port"] in ports
    annotations = template["metadata"]["annotations"]
    assert int(annotations["prometheus.io/port"]) == ports["rest"]
    monitoring = EXPORTS.joinpath("monitoring.config").read_text()
    assert f'path: "{annotations["prometheus.io/path"]}"' in monitoring


def test_the_export_is_mounted_for_reading(objects):
    claim = read(VOLUME)["PersistentVolumeClaim"]["metadata"]["name"]
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["name"]: mount for mount in container_of(objects)["volumeMounts"]}
    assert volumes.keys() == mounts.keys() == {"export", "tmp"}
    assert volumes["export"]["persistentVolumeClaim"] == {"claimName": claim, "readOnly": True}
    assert mounts["export"]["readOnly"] and mounts["export"]["mountPath"] == "/models/nmt"
    assert f'base_path: "{mounts["export"]["mountPath"]}"' in EXPORTS.joinpath("models.config").read_text()


def test_nobody_is_root_and_nothing_can_be_written_but_tmp(objects):
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert container_of(objects)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_pod_ends_when_its_requests_are_answered(objects):
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (program, pause), timeout = container_of(objects)["lifecycle"]["preStop"]["exec"]["command"], 30
    assert program == "sleep" and timeout == ServerConfig().request_timeout
    if container_of(objects)["image"].startswith("tensorflow"):
        # It does not wait for what is under way, so that has to be over.
        assert timeout < int(pause) < pod["terminationGracePeriodSeconds"]
    else:
        assert int(pause) + timeout < pod["terminationGracePeriodSeconds"]
    assert objects["Deployment"]["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_tensorflow_serving_is_started_as_by_compose():
    container = container_of(read(SERVERS[0]))
    service = yaml.safe_load((ROOT / "deploy" / "docker-compose.yaml").read_text())["services"]["nmt"]
    own = "--tensorflow_session_parallelism=4"
    assert container["command"] == service["entrypoint"] and container["image"] == service["image"]
    assert [arg for arg in container["args"] if arg != own] == service["command"]
    flags = dict(arg.removeprefix("--").partition("=")[::2] for arg in container["args"])
    assert flags.keys() == FLAGS
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": int(flags["port"]), "rest": int(flags["rest_api_port"])}
    batching = EXPORTS.joinpath("batching.config").read_text()
    (threads,), (rows,) = (
        re.findall(rf"^{name} {{ value: (\d+) }}$", batching, re.MULTILINE)
        for name in ("num_batch_threads", "max_execution_batch_size")
    )
    assert flags["tensorflow_session_parallelism"] == threads
    assert container["resources"]["limits"]["cpu"] == container["resources"]["requests"]["cpu"] == threads
    # Enough requests of one row to fill the batches that run and as many that wait.
    for flag in ("rest_api_num_threads", "grpc_max_threads"):
        assert int(flags[flag]) == 2 * int(threads) * int(rows)
    assert container["readinessProbe"]["httpGet"]["path"] == "/v1/models/nmt/metadata"
    assert "/v1/models/nmt/metadata" in service["healthcheck"]["test"][-1]


def test_the_command_of_the_embedded_server_is_one():
    container = container_of(read(SERVERS[1]))
    verb, *words = container["args"]
    call = bind(nmt.serve, "nmt serve", words)
    assert verb == "serve" and call.args[1] == "/models/nmt"
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert call.keywords["host"] == "0.0.0.0"
    assert ports == {"grpc": call.keywords["grpc_port"], "rest": call.keywords["port"]}
    paths = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert paths == ["/readyz", "/readyz", "/healthz"]


def test_the_autoscaler_asks_for_what_the_adapter_makes(objects):
    spec = objects["HorizontalPodAutoscaler"]["spec"]
    custom, cpu = spec["metrics"]
    made = [rule["name"]["as"] for rule in yaml.safe_load(ADAPTER.read_text())["rules"]["custom"]]
    assert custom["pods"]["metric"]["name"] in made
    assert cpu["resource"]["name"] == "cpu" and container_of(objects)["resources"]["requests"]["cpu"]
    assert 1 < spec["minReplicas"] < spec["maxReplicas"]
    assert "replicas" not in objects["Deployment"]["spec"]
