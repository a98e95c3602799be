"""The demo from its first line to its last; every step is checked, and the first that fails ends it."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from demo import dollars_story, fleet_story, idle_story
from demo.api import ApiServer, kubeconfig
from demo.calls import Calls, DemoError
from demo.crd import Json, read_crds, table
from demo.fleet_story import read_fleet
from demo.operator_process import OperatorProcess, inherited
from demo.samples import Sample, condition, is_decided, read_samples, surprises
from demo.show import Page, refusals
from demo.stand_in import StandIn

ROOT = Path(__file__).resolve().parents[1]
CRD_FOLDER = ROOT / "crds"

_DECIDE_SECONDS = 90.0
_METRICS_SECONDS = 15.0
_SHOWN_METRICS = ("placewright_cost_usd_", "placewright_cost_gate_")
_EXACTLY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the demo runs.

    Attributes:
        program: the placewright program.
        samples: folder of the manifests.
        fleet: folder of the manifests of the models that share pools.
        dollars: folder of the manifests of the gate with a live input.
        idle: folder of the manifest of the model that idles.
        patience_seconds: how long each step of the fleet and of what follows may take.
        folder: for the kubeconfig and the log; whoever gives it removes it.
        check: called between steps and on each poll; what it raises ends the demo.
    """

    program: Path
    samples: Path
    fleet: Path
    dollars: Path
    idle: Path
    patience_seconds: float
    folder: Path
    check: Callable[[], None]

    @property
    def log(self) -> Path:
        """The operator's log."""
        return self.folder / "operator.log"

    @property
    def journal(self) -> Path:
        """The operator's audit journal."""
        return self.folder / "audit"


def tell(page: Page, setting: Setting) -> None:
    """Runs the whole demo.

    Raises:
        DemoError, OperatorFailedError, ApiFailedError, SampleError, CrdError: a step failed.
    """

    def tick(text: str) -> None:
        setting.check()
        page.waiting(text)

    crds, samples, fleet = read_crds(CRD_FOLDER), read_samples(setting.samples), read_fleet(setting.fleet)
    setting.check()
    page.paragraph("Placewright demo: the real operator against a Kubernetes API in this process (no cluster, no GPU).")
    page.line()
    with ApiServer(crds.values()) as server, StandIn(dollars_story.GOOD_USD_PER_HOUR) as metrics:
        page.progress(f"API with the {len(crds)} kinds of crds/ on {server.url}")
        credentials = setting.folder / "kubeconfig"
        credentials.write_text(kubeconfig(server.url), encoding="utf-8")
        operator = OperatorProcess(
            setting.program,
            kubeconfig=credentials,
            log=setting.log,
            tick=tick,
            options=(
                f"--prometheus-url={metrics.url}",
                "--inputs-interval=0.3",
                "--act-interval=0.5",
                f"--audit-dir={setting.journal}",
            ),
        )
        calls = Calls(server.port, crds)
        try:
            setting.check()
            _watch_it_work(page, samples, calls, operator)
            setting.check()
            fleet_story.tell(page, fleet, calls, operator, patience_seconds=setting.patience_seconds)
            setting.check()
            dollars_story.tell_gate(
                page, setting.dollars, metrics, calls, operator, patience_seconds=setting.patience_seconds
            )
            setting.check()
            tools = idle_story.Tools(
                program=setting.program,
                env={**inherited(os.environ), "KUBECONFIG": str(credentials)},
                metrics=metrics,
                patience_seconds=setting.patience_seconds,
            )
            idle_story.tell(page, setting.idle, tools, calls, operator)
            setting.check()
            operator.end()
            page.progress("operator ended by SIGTERM with exit code 0")
            dollars_story.tell_audit(page, setting.program, setting.journal, setting.folder / "audit-tampered")
        finally:
            operator.kill()
    page.line()
    _farewell(page)


def _watch_it_work(page: Page, samples: list[Sample], calls: Calls, operator: OperatorProcess) -> None:
    crd = calls.crds["PlacementRequest"]
    operator.start()
    page.progress(f"operator ready, its metrics on {operator.metrics_url}")
    for sample in samples:
        calls.create(sample.body)
    page.progress(f"applied {len(samples)} requests: config/samples/*.yaml")
    resources = _wait_until_decided(page, samples, calls, operator)
    page.line()
    page.line(f"What `kubectl get {crd.plural} -A` shows:")
    page.table(table(crd, list(resources.values())), key=1)
    page.line()
    page.paragraph("Refused, why, and the smallest change that would help:")
    refusals(page, list(resources.values()))
    page.line()
    page.paragraph("What it costs, from the operator's /metrics:")
    for line in _cost_lines(operator, resources):
        page.line(line)
    page.line()
    unexpected = [one for sample in samples for one in surprises(sample, resources[sample.namespace, sample.name])]
    if unexpected:
        raise DemoError("; ".join(unexpected))
    promised = sum(len(sample.conditions) + len(sample.fields) for sample in samples)
    page.progress(f"all {promised} states that the samples promise are there, and the metrics agree with the status")


def _wait_until_decided(
    page: Page, samples: list[Sample], calls: Calls, operator: OperatorProcess
) -> dict[tuple[str, str], Json]:
    """The objects, once each of them has its decision; tells each as it comes."""
    wanted = [(sample.namespace, sample.name) for sample in samples]
    told: set[tuple[str, str]] = set()

    def decided() -> dict[tuple[str, str], Json] | None:
        found = {key: item for key, item in calls.objects("PlacementRequest").items() if is_decided(item)}
        for key in [key for key in wanted if key in found and key not in told]:
            told.add(key)
            ready = condition(found[key], "Ready")
            assert ready is not None
            page.progress(f"decided {len(told)} of {len(wanted)}: {'/'.join(key)}: {ready['reason']}")
        return {key: found[key] for key in wanted} if told.issuperset(wanted) else None

    what = f"to decide {len(wanted)} requests"
    found = operator.wait(decided, what, _DECIDE_SECONDS)
    assert found is not None
    return found


def _cost_lines(operator: OperatorProcess, resources: dict[tuple[str, str], Json]) -> list[str]:
    """The lines of /metrics about money, as they are, once they speak of every plan."""

    def agreed() -> str:
        code, text = operator.get("/metrics")
        return text if code == 200 and _agrees(text, resources) else ""

    text = operator.wait(agreed, "to show every plan's cost in /metrics as in its status", _METRICS_SECONDS)
    return [line for line in text.splitlines() if line.startswith(_SHOWN_METRICS)]


def _agrees(text: str, resources: dict[tuple[str, str], Json]) -> bool:
    """Whether the metrics show the hourly cost of every plan, and of nothing else."""
    shown = {
        (sample.labels["namespace"], sample.labels["name"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "placewright_cost_usd_per_hour"
    }
    planned = {key: one["status"]["plan"]["costPerHour"] for key, one in resources.items() if "plan" in one["status"]}
    return shown.keys() == planned.keys() and all(
        math.isclose(shown[key], planned[key], rel_tol=_EXACTLY) for key in planned
    )


def _farewell(page: Page) -> None:
    page.paragraph("Next, on a cluster of yours (docs/install.md tells about the image):")
    page.line("  helm upgrade --install placewright charts/placewright \\")
    page.line("    --namespace placewright --create-namespace")
    page.line("  kubectl apply -f config/samples/")
    page.line("  kubectl get placementrequests -A")
    page.paragraph("Models that share pools, without a cluster (docs/fleet.md):")
    page.line("  placewright plan -f config/samples/fleet")
    page.paragraph("Or on a real Kubernetes API server on this machine, with fake GPU nodes (needs Go):")
    page.line("  make cluster")
