"""Rules and dashboard of deploy/: against a parser of PromQL, Grafana's own model and what servers measure."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from serving.embedded.server import running
from serving.embedded.status import Code

ROOT = Path(__file__).parents[2]
EXPORTS = ROOT / "serving" / "exports"
DEPLOY = ROOT / "deploy"
PROMETHEUS, RULES = DEPLOY / "prometheus" / "prometheus.yaml", DEPLOY / "prometheus" / "rules.yaml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "nmt.json"
PROVISIONING = DEPLOY / "grafana" / "provisioning"
ADAPTER = DEPLOY / "kubernetes" / "prometheus-adapter.yaml"
CASES = Path(__file__).with_name("alert_cases.yaml")

QUEUING = ":tensorflow:serving:batching_session:queuing_latency"
RUNTIME = ":tensorflow:serving:runtime_latency"
# TensorFlow Serving's alone, as its sources name them: the metrics that are used, and their labels.
TF_SERVING = {
    **{f"{QUEUING}_{kind}": {"thread_pool_name"} for kind in ("sum", "count")},
    f"{QUEUING}_bucket": {"thread_pool_name", "le"},
    f"{RUNTIME}_bucket": {"model_name", "API", "runtime", "le"},
    ":tensorflow:serving:batching_session:wrapped_run_count": set(),
    ":tensorflow:cc:saved_model:load_attempt_count": {"model_path", "status"},
}
# What Prometheus adds: of each target, and, by its usual job for pods, of each pod.
TARGET, POD = {"job", "instance"}, {"namespace", "pod"}


@pytest.fixture(scope="module")
def measured(small_export):
    """The metrics of `nmt serve` after a request, and their labels."""
    with running(str(small_export)) as url:
        httpx.post(f"{url}:predict", json={"instances": ["a"]}).raise_for_status()
        text = httpx.get(httpx.URL(url).join("/monitoring/prometheus/metrics")).text
    samples = re.findall(r"^([\w:]+)\{(.*)\} ", text, re.MULTILINE)
    return {name: set(re.findall(r'(\w+)="', labels)) for name, labels in samples}


@pytest.fixture(scope="module")
def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def dashboard():
    return json.loads(DASHBOARD.read_text())


def selectors(expression):
    """The metrics of an expression that can be parsed, each with its conditions by label."""
    found = []

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            matchers = [(each.name, each.value) for each in node.matchers.matchers]
            found.append((node.name or dict(matchers)["__name__"], dict(matchers)))

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def of_dashboard(dashboard):
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [
        re.sub(r"\$__rate_interval", "5m", each).replace("$job", "a").replace("$model", "b") for each in expressions
    ]


def of_adapter():
    for rule in yaml.safe_load(ADAPTER.read_text())["rules"]["custom"]:
        yield rule["seriesQuery"]
        ((series, _),) = selectors(rule["seriesQuery"])
        query = rule["metricsQuery"].replace("<<.GroupBy>>", "pod").replace("<<.Series>>", series)
        yield query.replace("<<.LabelMatchers>>", 'namespace="a",pod=~"b|c"')


def recorded(rules):
    """The metrics that rules record, and the labels by which they are summed."""
    found = {}
    for rule in rules:
        if "record" in rule:
            by = re.search(r"sum by \(([\w, ]+)\)", rule["expr"])[1]
            found[rule["record"]] = set(by.split(", ")) - {"le"}
    return found


def test_each_metric_is_measured_by_a_server_or_recorded_by_a_rule(measured, rules, dashboard):
    known = {"up": set(), **TF_SERVING, **measured, **recorded(rules)}
    expressions = [rule["expr"] for rule in rules] + of_dashboard(dashboard) + list(of_adapter())
    found = [selector for expression in expressions for selector in selectors(expression)]
    for name, conditions in found:
        assert name in known, name
        assert conditions.keys() <= known[name] | TARGET | POD | {"__name__"}, (name, conditions)
    # No list of names that nobody uses, and no record that nobody looks at.
    assert {name for name, _ in found} >= TF_SERVING.keys() | recorded(rules).keys()
    # What both servers have is looked up in the one that can be asked.
    assert not TF_SERVING.keys() & measured.keys()


def test_the_fields_of_rules(rules):
    for rule in rules:
        assert set(rule) in ({"record", "expr"}, {"alert", "expr", "for", "labels", "annotations"},
                             {"alert", "expr", "labels", "annotations"})  # fmt: skip
    alerts = [rule for rule in rules if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) == 8
    assert {rule["labels"]["severity"] for rule in alerts} <= {"critical", "warning", "info"}
    assert all(set(rule["annotations"]) == {"summary"} for rule in alerts)


def test_failures_of_the_server_are_codes(rules):
    (expression,) = (rule["expr"] for rule in rules if rule.get("record") == "model:failed_requests:ratio_rate5m")
    (codes,) = (conditions["status"] for _, conditions in selectors(expression) if "status" in conditions)
    blamed = {
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND,
        Code.OUT_OF_RANGE,
        Code.FAILED_PRECONDITION,
        Code.ALREADY_EXISTS,
        Code.UNAUTHENTICATED,
        Code.PERMISSION_DENIED,
        Code.UNIMPLEMENTED,
        Code.CANCELLED,
    }
    assert {Code[name] for name in codes.split("|")} == set(Code) - blamed - {Code.OK}


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool, which comes with Prometheus, is not installed")
def test_alerts_on_series_made_up():
    for arguments in (["check", "config", PROMETHEUS], ["test", "rules", CASES]):
        run = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr


def lost(given, read, path=""):
    """Where a document has something that its reader does not know."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            yield from lost(value, read[key], f"{path}.{key}") if key in read else [f"{path}.{key}"]
    elif isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        for index, pair in enumerate(zip(given, read, strict=True)):
            yield from lost(*pair, f"{path}[{index}]")
    elif given != read:
        yield path


def read_by_grafana(document):
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(document)))


def test_grafana_knows_each_field_of_the_dashboard(dashboard):
    assert list(lost(dashboard, read_by_grafana(dashboard))) == []
    dashboard = json.loads(json.dumps(dashboard))
    dashboard["panels"][0]["fieldConfig"]["defaults"]["custom"]["fillOpacitty"] = 1
    dashboard["panels"][1]["targets"][0]["exprr"] = "up"
    assert list(lost(dashboard, read_by_grafana(dashboard))) == [
        ".panels[0].fieldConfig.defaults.custom.fillOpacitty",
        ".panels[1].targets[0].exprr",
    ]


def test_panels_stand_beside_each_other_and_tell_what_they_show(dashboard):
    panels, taken = dashboard["panels"], set()
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["title"] and panel["description"] and panel["targets"]


def test_grafana_finds_prometheus_and_the_dashboard(dashboard):
    compose = yaml.safe_load((DEPLOY / "docker-compose.yaml").read_text())["services"]
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text())["datasources"]
    used = {part["datasource"]["uid"] for panel in dashboard["panels"] for part in (panel, *panel["targets"])}
    used |= {variable["datasource"]["uid"] for variable in dashboard["templating"]["list"]}
    assert used == {source["uid"]}
    host, port = httpx.URL(source["url"]).host, httpx.URL(source["url"]).port
    assert compose[host]["ports"] == [f"127.0.0.1:{port}:{port}"]
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "nmt.yaml").read_text())["providers"]
    mounts = dict(volume.split(":")[:2] for volume in compose["grafana"]["volumes"])
    assert mounts == {
        "./grafana/provisioning": "/etc/grafana/provisioning",
        "./grafana/dashboards": provider["options"]["path"],
    }
    assert [DEPLOY / folder for folder in mounts] == [PROVISIONING, DASHBOARD.parent]
    assert compose["grafana"]["profiles"] == compose["prometheus"]["profiles"] == ["monitoring"]


def test_prometheus_scrapes_the_server_and_reads_the_rules(rules):
    compose = yaml.safe_load((DEPLOY / "docker-compose.yaml").read_text())["services"]
    config = yaml.safe_load(PROMETHEUS.read_text())
    assert [PROMETHEUS.parent / name for name in config["rule_files"]] == [RULES]
    (job,) = config["scrape_configs"]
    ((target,),) = (each["targets"] for each in job["static_configs"])
    host, port = target.split(":")
    assert f"--rest_api_port={port}" in compose[host]["command"]
    assert f'path: "{job["metrics_path"]}"' in EXPORTS.joinpath("monitoring.config").read_text()
    jobs = {conditions["job"] for rule in rules for _, conditions in selectors(rule["expr"]) if "job" in conditions}
    assert jobs == {job["job_name"]}
    (folder,) = (volume.split(":")[1] for volume in compose["prometheus"]["volumes"] if volume.startswith("./"))
    assert compose["prometheus"]["command"] == [f"--config.file={folder}/{PROMETHEUS.name}"]
