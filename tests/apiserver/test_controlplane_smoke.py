"""The control plane itself: it works, it can be broken and mended, and it ends with whoever started it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane import cluster
from tests.controlplane.assets import KUBERNETES, PROMETHEUS, TOOLS, Finder, prometheus_version
from tests.controlplane.nodes import GPU_RESOURCE, SAMPLE_NODES, GpuNodes, create_gpu_nodes, set_gpus
from tests.controlplane.ports import PortReservation
from tests.controlplane.processes import ManagedProcess, ProcessDiedError, wait_until
from tests.controlplane.rest import Api, ApiError
from tests.controlplane.server import BASIC, FULL, NOBODY, ControlPlane

ROOT = Path(__file__).resolve().parents[2]


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}}


def names(control_plane: ControlPlane, path: str) -> set[str]:
    return {item["metadata"]["name"] for item in control_plane.admin.items(path)}


def is_alive(pid: int) -> bool:
    """A zombie counts as dead: it runs nothing and holds nothing."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def child(program: Callable[[str], Path]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python processes in the repository root, killed at the end should they still run."""
    folder = program("kube-apiserver").parent
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, "KUBEBUILDER_ASSETS": str(folder), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_objects_are_created_and_listed_in_a_namespace(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"

    control_plane.admin.create(path, config_map("one"))

    assert names(control_plane, path) == {"one"}


def test_it_is_the_pinned_version(control_plane: ControlPlane) -> None:
    pinned = KUBERNETES.version("k8s.io/kubernetes")
    if "KUBEBUILDER_ASSETS" not in os.environ:  # whoever brings binaries brings their version
        assert control_plane.admin.get("/version")["gitVersion"] == pinned
    assert json.loads(control_plane.kubectl("version", "-o", "json").stdout)["serverVersion"]["gitVersion"]


@pytest.mark.parametrize("user", [NOBODY, None])
def test_who_has_no_rights_gets_none(control_plane: ControlPlane, namespace: str, user: str | None) -> None:
    api = control_plane.api_with_token(control_plane.token(user) if user else None)

    with pytest.raises(ApiError) as raised:
        api.items(f"/api/v1/namespaces/{namespace}/configmaps")

    assert raised.value.status == 403


def test_a_service_account_token_is_its_account(control_plane: ControlPlane, namespace: str) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}}
    control_plane.admin.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    token = control_plane.service_account_token(namespace, "operator")
    kubeconfig = control_plane.kubeconfig_with_token("operator", token)

    said = control_plane.kubectl("auth", "whoami", "-o", "json", kubeconfig=kubeconfig)

    assert json.loads(said.stdout)["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:operator"


def test_kubectl_tells_why_it_failed(control_plane: ControlPlane, namespace: str) -> None:
    with pytest.raises(AssertionError, match=r"NotFound.*configmaps \"none\" not found"):
        control_plane.kubectl("get", "configmap", "none", "-n", namespace)


def test_a_deleted_namespace_takes_its_custom_resources_along(control_plane: ControlPlane) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.smoke.placewright.dev"},
        "spec": {
            "group": "smoke.placewright.dev",
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(crd))
    control_plane.kubectl("wait", "--for=condition=Established", "crd/things.smoke.placewright.dev")
    namespace = control_plane.create_namespace("gone")
    thing = {"apiVersion": "smoke.placewright.dev/v1", "kind": "Thing", "metadata": {"name": "one"}}
    control_plane.admin.create(f"/apis/smoke.placewright.dev/v1/namespaces/{namespace}/things", thing)
    assert names(control_plane, "/apis/smoke.placewright.dev/v1/things") == {"one"}

    control_plane.delete_namespace(namespace)

    assert names(control_plane, "/apis/smoke.placewright.dev/v1/things") == set()
    assert namespace not in names(control_plane, "/api/v1/namespaces")
    control_plane.admin.delete(f"{crds}/things.smoke.placewright.dev")


def test_fake_gpu_nodes_without_kwok(control_plane: ControlPlane) -> None:
    pool = GpuNodes("bare", "NVIDIA-L40S", nodes=2, gpus_per_node=8, memory_mib=46068)

    created = create_gpu_nodes(control_plane.admin, [pool], ready=True)
    set_gpus(control_plane.admin, "bare-1", 7)  # one GPU falls off the bus

    assert created == ["bare-0", "bare-1"]
    nodes = {name: control_plane.admin.get(f"/api/v1/nodes/{name}") for name in created}
    assert [node["status"]["capacity"][GPU_RESOURCE] for node in nodes.values()] == ["8", "7"]
    assert nodes["bare-0"]["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-L40S"
    assert nodes["bare-0"]["status"]["conditions"][0]["status"] == "True"
    for name in created:
        control_plane.admin.delete(f"/api/v1/nodes/{name}")


def test_pods_of_a_deployment_run_on_the_fake_gpus(full_control_plane: ControlPlane, full_namespace: str) -> None:
    create_gpu_nodes(full_control_plane.admin, SAMPLE_NODES)
    full_control_plane.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
    container = {"name": "web", "image": "none", "resources": {"limits": {GPU_RESOURCE: "8"}}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": full_namespace},
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
        },
    }

    full_control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(deployment))
    full_control_plane.kubectl(
        "wait", "-n", full_namespace, "--for=condition=Available", "deployment/web", "--timeout=60s"
    )

    pods = full_control_plane.admin.items(f"/api/v1/namespaces/{full_namespace}/pods")
    assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 4
    # One each, since each takes all eight GPUs of its node and a10-0 has only four.
    assert {pod["spec"]["nodeName"] for pod in pods} == {"a100-0", "a100-1", "l40s-0", "l40s-1"}


def test_a_restart_of_the_api_server_keeps_the_data(own_control_plane: Callable[..., ControlPlane]) -> None:
    own = own_control_plane()
    own.admin.create("/api/v1/namespaces/default/configmaps", config_map("kept"))

    with own.apiserver_down(), pytest.raises(OSError, match="refused"):
        own.admin.get("/version")

    assert "kept" in names(own, "/api/v1/namespaces/default/configmaps")


def test_a_server_restarted_from_a_short_thread_stays(own_control_plane: Callable[..., ControlPlane]) -> None:
    own = own_control_plane()
    own.stop_apiserver()
    restart = threading.Thread(target=own.start_apiserver)

    restart.start()
    restart.join()

    assert own.processes["kube-apiserver"].running
    assert own.admin.ok("/readyz")


def test_a_frozen_etcd_blocks_writes_until_it_thaws(own_control_plane: Callable[..., ControlPlane]) -> None:
    own = own_control_plane()
    path = "/api/v1/namespaces/default/configmaps"

    with own.etcd_frozen(), pytest.raises(OSError, match="timed out"):
        own.admin.text("POST", path, config_map("late"), timeout_s=1.0)

    own.admin.create(path, config_map("after"))
    assert "after" in names(own, path)


def test_a_server_that_dies_while_starting_shows_its_log(own_control_plane: Callable[..., ControlPlane]) -> None:
    with pytest.raises(ProcessDiedError, match=r"(?s)kube-apiserver ended with 1.*unknown flag: --no-such-flag"):
        own_control_plane(apiserver_args=["--no-such-flag"])


OWNER = """
import json, signal
from tests.controlplane.assets import Finder
from tests.controlplane.server import ControlPlane
control_plane = ControlPlane(Finder())
control_plane.start()
pids = [process.pid for process in control_plane.processes.values()]
print(json.dumps({"pids": pids, "folder": str(control_plane.folder)}), flush=True)
signal.pause()
"""


def test_sigkill_of_the_owner_ends_the_servers(child: Callable[..., subprocess.Popen[str]], finder: Finder) -> None:
    owner = child("-c", OWNER)
    assert owner.stdout is not None
    said = json.loads(owner.stdout.readline())
    assert len(said["pids"]) == len(BASIC)
    assert all(is_alive(pid) for pid in said["pids"])

    owner.kill()
    owner.wait(10)

    wait_until(lambda: not any(is_alive(pid) for pid in said["pids"]), 10, "the servers to die with their owner")
    ControlPlane(finder).stop()  # whoever comes next clears what the killed one had in memory
    assert not Path(said["folder"]).exists()


BLOCKED_TEST = """
import json, signal
from tests.apiserver.conftest import *

def test_blocked(control_plane, capfd):
    pids = [process.pid for process in control_plane.processes.values()]
    with capfd.disabled():
        print("SAID", json.dumps({"pids": pids, "folder": str(control_plane.folder)}), flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_pytest_ended_by_a_signal_leaves_nothing_running(
    child: Callable[..., subprocess.Popen[str]], finder: Finder, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "test_blocked.py").write_text(BLOCKED_TEST)
    pytest_options = ("-p", "no:cacheprovider", "-p", "no:kmock", "-c", os.devnull, "--rootdir", str(tmp_path))
    session = child("-m", "pytest", "-q", "--import-mode=importlib", *pytest_options, str(tmp_path))
    assert session.stdout is not None
    line = next(line for line in session.stdout if "SAID" in line)
    said = json.loads(line.partition("SAID")[2])

    session.send_signal(number)
    session.communicate(timeout=20)

    wait_until(lambda: not any(is_alive(pid) for pid in said["pids"]), 10, "the servers to end")
    if number == signal.SIGTERM:  # pytest tears nothing down then: whoever comes next does
        ControlPlane(finder).stop()
    assert not Path(said["folder"]).exists()


def test_the_tools_are_the_pinned_ones(helm3: Path, helm4: Path, kubeconform: Path, promtool: Path) -> None:
    def said(*command: str | Path) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert said(helm3, "version", "--template", "{{.Version}}") == TOOLS.version("helm.sh/helm/v3")
    assert said(helm4, "version", "--template", "{{.Version}}") == TOOLS.version("helm.sh/helm/v4")
    assert said(kubeconform, "-v") == TOOLS.version("github.com/yannh/kubeconform")
    assert prometheus_version(said(promtool, "--version")) >= (2, 42)
    assert PROMETHEUS.version("github.com/prometheus/prometheus") == "3.15.0"


def test_prometheus_runs_without_its_web_assets(prometheus: Path, tmp_path: Path) -> None:
    config = tmp_path / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1s}\n")
    with PortReservation() as port:
        options = [
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        server = ManagedProcess("prometheus", [str(prometheus), *options], tmp_path / "prometheus.log")
        api = Api(f"http://127.0.0.1:{port}", None, None)
        server.start()
        try:
            wait_until(lambda: api.ok("/-/ready"), 30, "prometheus to get ready")
            assert api.get("/api/v1/query?query=vector(42)")["data"]["result"][0]["value"][1] == "42"
        finally:
            server.kill()

    assert not server.running


def test_the_full_control_plane_is_full(full_control_plane: ControlPlane) -> None:
    assert set(full_control_plane.processes) == set(FULL)
    assert all(process.running for process in full_control_plane.processes.values())


def test_the_cluster_to_try_goes_up_and_down(program: Callable[[str], Path], tmp_path: Path) -> None:
    env = {
        **os.environ,
        "KUBEBUILDER_ASSETS": str(program("kwok").parent),
        "XDG_CACHE_HOME": str(tmp_path),
        "HOME": str(tmp_path),
    }

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tests.controlplane", command],
            cwd=ROOT, env=env, capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip

    try:
        first, second, exported = run("up"), run("up"), run("env")
        state = cluster.Place.of(env).read()
        kubeconfig = exported.stdout.strip().removeprefix("export KUBECONFIG=")
        asked = [str(program("kubectl")), "get", "nodes,placementrequests", "-o", "name", "-A"]
        nodes = subprocess.run(asked, env={**env, "KUBECONFIG": kubeconfig}, capture_output=True, text=True, check=True)
        healthy = Api(state["operator"], None, None).ok("/healthz")
    finally:
        down = run("down")
    again, late = run("down"), run("env")

    assert first.returncode == 0, first.stderr
    assert exported.stdout in first.stdout
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert "already running" in second.stderr
    assert {f"node/{name}" for pool in SAMPLE_NODES for name in pool.names()} <= set(nodes.stdout.split())
    assert healthy
    assert (down.returncode, down.stdout) == (0, "the cluster is down\n")
    assert not is_alive(state["pid"])
    assert (again.returncode, again.stdout) == (0, "no cluster was up\n")
    assert late.returncode == 1
    assert late.stderr.startswith("error: no cluster is up")
    assert list((tmp_path / "placewright").iterdir()) == []
