import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import nmt
from nmt_arguments import bind
from serving.server import serve

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE, TRAINING_JOB = DEPLOY / "docker-compose.yaml", DEPLOY / "training-job.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(:-|:\?)([^}]*)\}")


@pytest.fixture
def service():
    """The one service, its variables replaced by their defaults, and EXPORT by /export."""
    text = VARIABLE.sub(lambda match: "/export" if match[1] == "EXPORT" else match[3], COMPOSE.read_text())
    (service,) = yaml.safe_load(text)["services"].values()
    return service


def check(program, *options):
    path = os.path.join(os.path.dirname(sys.executable), program)
    run = subprocess.run([path, *options], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_compose_file_fits_the_specification():
    check("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))


def test_it_serves_what_nmt_serve_serves(service):
    defaults = {name: p.default for name, p in inspect.signature(serve).parameters.items()}
    assert service["image"] == "tensorflow/serving:2.20.0"
    assert service["environment"] == {"MODEL_NAME": defaults["model_name"]}
    assert service["ports"] == [f"{defaults['host']}:{port}:{port}" for port in (defaults["port"], 8500)]
    # The image's entrypoint reads versions from /models/$MODEL_NAME.
    (volume,) = service["volumes"]
    assert volume == {
        "type": "bind",
        "source": "/export",
        "target": f"/models/{defaults['model_name']}",
        "read_only": True,
    }


def test_the_export_has_no_default():
    assert [match[2] for match in VARIABLE.finditer(COMPOSE.read_text()) if match[1] == "EXPORT"] == [":?"]


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
