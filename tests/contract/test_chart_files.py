"""The chart's files among themselves and with the package: versions, values, schema, texts, examples."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from placewright import __version__
from placewright.api.validate import validate
from placewright.cli.run import run
from placewright.handlers.options import OperatorOptions
from placewright.handlers.watching import settings
from tests.support.chart_files import documented_values

CHART = Path(__file__).resolve().parents[2] / "charts/placewright"
Json = dict[str, Any]


def read(name: str) -> str:
    return (CHART / name).read_text(encoding="utf-8")


def values() -> Json:
    loaded: Json = yaml.safe_load(read("values.yaml"))
    return loaded


def schema() -> Json:
    loaded: Json = json.loads(read("values.schema.json"))
    return loaded


def chart() -> Json:
    loaded: Json = yaml.safe_load(read("Chart.yaml"))
    return loaded


def paths_of(properties: Json, prefix: str = "") -> list[str]:
    found = []
    for name, node in properties.items():
        inner = node.get("properties")
        found += paths_of(inner, f"{prefix}{name}.") if inner and name != "resources" else [f"{prefix}{name}"]
    return found


def objects_of(node: Any) -> list[Json]:
    """Every object in the schema that lists properties."""
    if isinstance(node, list):
        return [found for item in node for found in objects_of(item)]
    if not isinstance(node, dict):
        return []
    own = [node] if "properties" in node and isinstance(node["properties"], dict) else []
    return own + [found for part in node.values() for found in objects_of(part)]


def test_chart_and_package_have_one_version() -> None:
    assert chart()["version"] == __version__
    assert chart()["appVersion"] == __version__


def test_every_value_is_documented_and_in_the_schema_and_nothing_else_is() -> None:
    documented = documented_values(read("values.yaml"))
    assert [value.path for value in documented if not value.text] == []
    for_parents = {"global", "enabled"}  # what Helm and parent charts put into a subchart's values
    assert {value.path for value in documented} | for_parents == set(paths_of(schema()["properties"]))


def test_the_schema_is_strict_at_every_level() -> None:
    listed = objects_of(schema())
    assert len(listed) > 10
    assert [node for node in listed if node.get("additionalProperties") is not False] == []


def test_the_readme_is_for_this_chart() -> None:
    for value in documented_values(read("values.yaml")):
        assert f"| `{value.path}` |" in read("README.md")


def test_options_have_the_defaults_of_the_command() -> None:
    defaults = {parameter.name: parameter.default for parameter in run.params}
    told = values()
    assert told["solver"]["processes"] == defaults["solver_processes"]
    assert told["solver"]["memoryMiB"] == defaults["solver_memory_mib"]
    assert told["solver"]["graceSeconds"] == defaults["solver_grace_seconds"]
    assert told["resyncSeconds"] == defaults["resync_seconds"]
    assert told["fleet"]["debounceSeconds"] == defaults["fleet_debounce_seconds"]
    assert told["inputs"]["intervalSeconds"] == defaults["inputs_interval_seconds"]
    assert told["apply"]["intervalSeconds"] == defaults["act_interval_seconds"]
    assert (told["apply"]["enabled"], told["apply"]["namespaces"]) == (OperatorOptions().apply, [])
    assert told["prometheus"]["timeoutSeconds"] == defaults["prometheus_timeout_seconds"]
    assert told["audit"]["s3"]["retentionDays"] == defaults["audit_retention_days"]
    assert told["log"] == {"format": defaults["log_format"], "level": defaults["log_level"]}
    assert f"{told['http']['host']}:{told['http']['port']}" == defaults["metrics_address"]


def test_every_option_of_the_command_is_one_of_the_operator() -> None:
    options = {parameter.name for parameter in run.params} - {"log_format", "log_level"}
    assert options <= {field.name for field in dataclasses.fields(OperatorOptions)}


def test_every_option_of_the_command_is_set_by_the_chart() -> None:
    options = {option for parameter in run.params for option in parameter.opts if option.startswith("--")}
    given = set(re.findall(r"- (--[a-z0-9-]+)(?:=|$)", read("templates/deployment.yaml"), flags=re.MULTILINE))
    out_of_a_cluster = {"--kubeconfig", "--context"}
    by_environment = {"--own-namespace"}
    mounted_there = {"--price-dir"}  # with extraVolumeMounts, at its default
    assert options - given == out_of_a_cluster | by_environment | mounted_there
    assert given <= options


def test_the_operator_learns_its_namespace_from_the_environment() -> None:
    (option,) = [parameter for parameter in run.params if parameter.name == "own_namespace"]
    assert f"- name: {option.envvar}\n" in read("templates/deployment.yaml")


def test_files_of_prices_are_mounted_where_the_operator_reads_them() -> None:
    (option,) = [parameter for parameter in run.params if parameter.name == "price_dir"]
    assert str(option.default) in read("values.yaml")


def test_there_is_time_to_end_and_memory_to_solve() -> None:
    told, options, kopf = values(), OperatorOptions(), settings()
    grace = told["terminationGracePeriodSeconds"]
    assert grace > 2 * options.drain_seconds + kopf.queueing.exit_timeout
    assert grace > kopf.process.ultimate_exiting_timeout
    limit = told["resources"]["limits"]["memory"]
    assert limit.endswith("Gi")
    assert int(limit[:-2]) * 1024 >= told["solver"]["processes"] * told["solver"]["memoryMiB"] + 512


def test_pod_and_container_are_restricted_by_default() -> None:
    told = values()
    assert told["podSecurityContext"]["runAsNonRoot"] is True
    assert told["podSecurityContext"]["runAsUser"] > 0
    assert told["podSecurityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert told["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_user_is_that_of_the_image() -> None:
    dockerfile = (CHART.parents[1] / "Dockerfile").read_text(encoding="utf-8")
    told = values()["podSecurityContext"]
    assert f"\nUSER {told['runAsUser']}:{told['runAsGroup']}\n" in dockerfile
    assert f"\nEXPOSE {values()['http']['port']}\n" in dockerfile


def example_of_chart_yaml() -> str:
    return str(chart()["annotations"]["artifacthub.io/crdsExamples"]).replace("- apiVersion", "  apiVersion", 1)


def example_of_notes() -> str:
    found = re.search(r"<<'EOF'\n(.*?)^EOF$", read("templates/NOTES.txt"), flags=re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("example", [example_of_chart_yaml, example_of_notes])
def test_requests_shown_to_users_are_valid(example: Any) -> None:
    found = validate(example(), file="example")
    assert found.faults == ()
    assert len(found.requests) == 1


def test_annotations_name_the_crds_there_are() -> None:
    annotated = yaml.safe_load(chart()["annotations"]["artifacthub.io/crds"])
    crds = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (CHART.parents[1] / "crds").glob("*.yaml")]
    assert {(crd["name"], crd["kind"], crd["version"]) for crd in annotated} == {
        (crd["metadata"]["name"], crd["spec"]["names"]["kind"], crd["spec"]["versions"][0]["name"]) for crd in crds
    }
