"""Every flag and variable that a runtime is started with stands in the page's table, with where it comes from."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from placewright.kube.manifests import ENGINES, Manifest, Route, Settings, Work, render
from placewright.kube.manifests.runtimes import sglang, triton
from tests.support.renders import SETTINGS, a_layout, a_site, a_work, container, templates, workloads

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs/rendering.md"
GOLDEN = sorted((ROOT / "tests/scenarios/render").glob("*/expected.yaml"))
OURS = {"HOME", "USER", "HF_HOME", "HF_TOKEN", "NODE_RANK", "POD_IP"}  # no runtime's own

SEVERAL_NODES = a_work(
    a_layout((17, 15), env=(("VLLM_PP_LAYER_PARTITION", "17,15"),)), sites=[a_site(gpus_per_node=2, rooms=(2, 2))]
)
ALL_FLAGS = a_layout(
    engine_args=(*a_layout().engine_args, "--gpu-memory-utilization=0.9", "--quantization=fp8"), precision="fp8"
)


def rows() -> list[list[str]]:
    """The cells of the rows of the page's two tables of flags, without their heads."""
    text = PAGE.read_text(encoding="utf-8")
    lines = text[text.index("### Flags of the plan") : text.index("[1] vllm/")].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in cells if row[1] != "vLLM" and set(row[0]) != {"-"}]


def told(runtime: str) -> set[str]:
    """Flags and variables in the runtime's column of the tables."""
    column = 1 + list(ENGINES).index(runtime)
    return {name for row in rows() for name in re.findall(r"`(-{2}[\w-]+|[A-Z][A-Z_]+)`", row[column])}


def test_every_row_has_a_source() -> None:
    assert len(rows()) == 16
    text = PAGE.read_text(encoding="utf-8")
    for row in rows():
        sources = re.findall(r"\[\d+\]", row[4])
        assert sources
        assert all(
            f"{source} vllm/" in text or f"{source} sglang/" in text or f"{source} tensorrt" in text
            for source in sources
        )


def used(objects: tuple[Manifest, ...] | list[Manifest]) -> set[str]:
    found: set[str] = set()
    for workload in workloads(objects):
        for _, template in templates(workload):
            engine = container(template)
            found |= {argument.partition("=")[0] for argument in engine["args"] if argument.startswith("--")}
            found |= {entry["name"] for entry in engine["env"]} - OURS
    return found


@pytest.mark.parametrize("runtime", ENGINES)
def test_every_flag_stands_in_the_table(runtime: str) -> None:
    works = [a_work(), SEVERAL_NODES, a_work(ALL_FLAGS)]
    if runtime == "triton":
        works = [a_work(), a_work(a_layout(engine_args=(*a_layout().engine_args[:4], "--gpu-memory-utilization=0.9")))]
    settings = replace(SETTINGS, runtime=runtime)
    everything = set().union(*(used(render(work, settings)) for work in works))
    assert everything == told(runtime)


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.parent.name)
def test_every_flag_of_the_golden_files_stands_in_the_table(file: Path) -> None:
    objects = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    runtime = workloads(objects)[0]["spec"]
    name = (runtime.get("template") or runtime["leaderWorkerTemplate"]["leaderTemplate"])["metadata"]["labels"][
        "app.kubernetes.io/name"
    ]
    assert used(objects) <= told(name)


def arguments(work: Work, settings: Settings) -> list[list[str]]:
    return [
        container(template)["args"] for each in workloads(render(work, settings)) for _, template in templates(each)
    ]


def test_the_plans_flags_are_vllms_own() -> None:
    (given,) = arguments(a_work(), SETTINGS)
    assert given[0] == "meta-llama/Llama-3.1-8B-Instruct"
    assert tuple(given[1:6]) == a_layout().engine_args


def test_every_flag_of_the_plan_is_translated_or_left_out_on_purpose() -> None:
    flags = {argument.partition("=")[0] for argument in ALL_FLAGS.engine_args}
    for dictionary in (sglang.DICTIONARY, triton.DICTIONARY):
        known = [*dictionary.words, *dictionary.left_out, *dictionary.refused]
        assert sorted(known) == sorted(flags)


def test_sglang_is_told_the_plan_in_its_own_words() -> None:
    (given,) = arguments(a_work(ALL_FLAGS), replace(SETTINGS, runtime="sglang"))
    assert given[1:7] == [
        "--tp-size=2",
        "--pp-size=1",
        "--max-running-requests=32",
        "--context-length=4096",
        "--dtype=bfloat16",
        "--quantization=fp8",
    ]


def test_sglang_is_told_the_layers_also_where_they_are_even() -> None:
    work = a_work(a_layout((16, 16)))
    pod = container(templates(render(work, replace(SETTINGS, runtime="sglang"))[0])[0][1])
    assert {"name": "SGLANG_PP_LAYER_PARTITION", "value": "16,16"} in pod["env"]


def test_sglang_splits_the_layers_itself_where_nobody_knows_them() -> None:
    work = a_work(a_layout((1, 1)), layers=None)
    pod = container(templates(render(work, replace(SETTINGS, runtime="sglang"))[0])[0][1])
    assert "SGLANG_PP_LAYER_PARTITION" not in [entry["name"] for entry in pod["env"]]


def test_trtllm_gets_its_metrics_by_a_file() -> None:
    files, deployment, _ = render(a_work(), replace(SETTINGS, runtime="triton"))
    assert files["kind"] == "ConfigMap"
    assert files["data"] == {"trtllm.yaml": "return_perf_metrics: true\n"}
    template = deployment["spec"]["template"]
    assert f"--extra_llm_api_options=/etc/placewright/{next(iter(files['data']))}" in container(template)["args"]
    assert {"name": "files", "configMap": {"name": files["metadata"]["name"]}} in template["spec"]["volumes"]
    mount = {"name": "files", "mountPath": "/etc/placewright", "readOnly": True}
    assert mount in container(template)["volumeMounts"]


@pytest.mark.parametrize("runtime", ENGINES)
def test_probes_and_metrics_are_the_runtimes_own(runtime: str) -> None:
    engine = ENGINES[runtime]
    deployment = next(iter(workloads(render(a_work(), replace(SETTINGS, runtime=runtime, start_seconds=95.0)))))
    template = deployment["spec"]["template"]
    pod = container(template)
    assert pod["ports"] == [{"name": "http", "containerPort": engine.port, "protocol": "TCP"}]
    assert f"--port={engine.port}" in pod["args"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert pod[probe]["httpGet"] == {"path": engine.health_path, "port": "http"}
    assert pod["startupProbe"]["periodSeconds"] * pod["startupProbe"]["failureThreshold"] == 100
    assert template["metadata"]["annotations"]["prometheus.io/path"] == engine.metrics_path
    assert template["metadata"]["annotations"]["prometheus.io/port"] == str(engine.port)


def test_pods_that_only_compute_have_no_port_and_no_probe() -> None:
    (group, _) = render(SEVERAL_NODES, SETTINGS)
    leader, worker = (container(template) for _, template in templates(group))
    assert "ports" in leader
    assert {"ports", "startupProbe", "readinessProbe", "livenessProbe"}.isdisjoint(worker)
    assert "--node-rank=0" in leader["args"]
    assert "--headless" not in leader["args"]
    assert "--node-rank=$(NODE_RANK)" in worker["args"]
    assert "--headless" in worker["args"]
    for pod in (leader, worker):
        assert "--nnodes=2" in pod["args"]
        assert "--master-addr=$(LWS_LEADER_ADDRESS)" in pod["args"]
        names = [entry["name"] for entry in pod["env"]]
        assert names.index("POD_IP") < names.index("VLLM_HOST_IP")  # Kubernetes knows a variable from there on


def test_settings_reach_the_pods() -> None:
    settings = Settings(
        image="example.com/engine@sha256:0",
        models={"": "s3://bucket/model", "fp8": "/models/fp8"},
        cache_claim="models",
        token_secret="hugging-face",
        token_key="hf",
        route=Route(gateway="public"),
    )
    template = render(a_work(), settings)[0]["spec"]["template"]
    pod = container(template)
    assert pod["image"] == "example.com/engine@sha256:0"
    assert pod["args"][0] == "s3://bucket/model"
    assert {"name": "models", "persistentVolumeClaim": {"claimName": "models"}} in template["spec"]["volumes"]
    reference = {"secretKeyRef": {"name": "hugging-face", "key": "hf"}}
    assert {"name": "HF_TOKEN", "valueFrom": reference} in pod["env"]
    fp8 = render(a_work(a_layout(precision="fp8")), settings)[0]["spec"]["template"]
    assert container(fp8)["args"][0] == "/models/fp8"


def test_what_clients_call_the_model_is_no_variable_of_kubernetes() -> None:
    (given,) = arguments(a_work(model="$(HF_TOKEN)"), replace(SETTINGS, models={"": "example/model"}))
    assert "--served-model-name=$$(HF_TOKEN)" in given
