import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from serving.server import serve

COMPOSE = Path(__file__).parents[2] / "deploy" / "docker-compose.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(:-|:\?)([^}]*)\}")


@pytest.fixture
def service():
    """The one service, its variables replaced by their defaults, and EXPORT by /export."""
    text = VARIABLE.sub(lambda match: "/export" if match[1] == "EXPORT" else match[3], COMPOSE.read_text())
    (service,) = yaml.safe_load(text)["services"].values()
    return service


def test_the_compose_file_fits_the_specification():
    checker = os.path.join(os.path.dirname(sys.executable), "check-jsonschema")
    run = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", str(COMPOSE)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


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
