"""The dashboards: Grafana can read them, and each query finds data in a Prometheus that scraped the metrics."""

import json
import math
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from placewright.telemetry.health import Health, Heartbeats
from placewright.telemetry.server import HttpServer
from tests.controlplane.processes import wait_until
from tests.support import dashboards, metrics_scene
from tests.support.prometheus_server import PrometheusServer, Target

Json = dict[str, Any]

FILES = dashboards.files()
RULES = dashboards.FOLDER.parent / "rules.yaml"
NAMES = {"chat", "draft", "big", "summaries", "nightly"}
OWN_PANELS = {"stat", "timeseries", "table", "bargauge"}  # of Grafana itself: no plugin is needed
HEARTBEATS = Heartbeats(
    loop=None,
    list_ok=None,
    watch_event=None,
    list_found_changes=None,
    queue_waiting_since=None,
    progress=None,
    solver_alive=True,
    solve_limit_seconds=0.0,
)


@dataclass(frozen=True)
class Scraped:
    """A Prometheus that scrapes the metrics, and the label under which it has a request's namespace."""

    server: PrometheusServer
    label: str

    def chosen(self, namespace: str = ".*", name: str = ".*") -> dict[str, str]:
        """The variables as a user sets them."""
        return {
            "datasource": "prometheus",
            "namespace_label": self.label,
            "namespace": namespace,
            "name": name,
            "__rate_interval": "10s",
        }

    def get(self, path: str, **query: str) -> Any:
        """What its API answers."""
        with urllib.request.urlopen(f"{self.server.url}{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]


@pytest.fixture(scope="module", params=["namespace", "exported_namespace"])
def scraped(
    request: pytest.FixtureRequest, prometheus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scraped]:
    metrics = metrics_scene.metrics()
    http = HttpServer(
        ("127.0.0.1", 0),
        registry=metrics.registry,
        health=Health(lambda: HEARTBEATS, relist_seconds=60.0),
    )
    http.start()
    honor = request.param == "namespace"
    target = Target(address=f"127.0.0.1:{http.port}", labels={"namespace": "placewright"}, honor_labels=honor)
    folder = tmp_path_factory.mktemp("prometheus")
    with PrometheusServer(prometheus, folder, [target], rules=[RULES]) as server:

        def counted() -> bool:
            metrics.query_answered("Success", 0.02)  # a rate needs a counter that moves
            metrics.acting.wake_ready(90.0)
            moved = ("prometheus_queries_total", "wake_ready_seconds_count")
            return all(server.query(f"rate(placewright_{name}[10s]) > 0") for name in moved)

        wait_until(counted, 60.0, "two scrapes")
        yield Scraped(server, request.param)
    http.stop()


def values(found: list[Json]) -> list[float]:
    return [float(series["value"][1]) for series in found]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_query_of_every_panel_finds_data(scraped: Scraped, file: Path) -> None:
    for panel in dashboards.panels(dashboards.read(file)):
        for target in panel["targets"]:
            expr = dashboards.filled(target["expr"], scraped.chosen())
            for asked in {expr, expr.removesuffix(" or vector(0)")}:
                found = values(scraped.server.query(asked))
                assert found, f"{panel['title']}: {asked}"
                assert not [value for value in found if math.isnan(value)], f"{panel['title']}: {asked}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_variables_choose_requests(scraped: Scraped, file: Path) -> None:
    dashboard = dashboards.read(file)
    given = {each["name"]: each for each in dashboard["templating"]["list"]}
    for name, expected in (("namespace", {"serving", "research"}), ("name", NAMES)):
        selector, label = dashboards.label_values(given[name]["query"]["query"])
        label = dashboards.filled(label, scraped.chosen())
        asked = dashboards.filled(selector, scraped.chosen())
        assert set(scraped.get(f"/api/v1/label/{label}/values", **{"match[]": asked})) == expected

    chosen = scraped.chosen(namespace="research", name="chat")
    filtered = 0
    for panel in dashboards.panels(dashboard):
        for target in panel["targets"]:
            if "$name" not in target["expr"]:
                continue
            for series in scraped.server.query(dashboards.filled(target["expr"], chosen)):
                told = series["metric"]
                filtered += 1
                if told:
                    assert told.get(scraped.label) == "research", panel["title"]
                    assert told.get("name", "chat") == "chat", panel["title"]
    assert filtered > 10


def figures(scraped: Scraped, dashboard: str) -> Callable[..., list[float]]:
    """Tells the values that a panel shows, by its title and the number of its query."""
    drawn = dashboards.panels(dashboards.read(dashboards.FOLDER / f"{dashboard}.json"))
    shown = {panel["title"]: panel for panel in drawn}

    def of(title: str, target: int = 0) -> list[float]:
        expr = dashboards.filled(shown[title]["targets"][target]["expr"], scraped.chosen())
        return sorted(values(scraped.server.query(expr)))

    return of


def test_figures_of_money_and_rollouts_are_those_of_the_requests(scraped: Scraped) -> None:
    of = figures(scraped, "idle-and-rollouts")
    assert of("Burned by idle models") == pytest.approx([4.8 + 1.0])
    assert of("Avoided by reaps") == [3.0]
    assert of("Avoided until now by request") == pytest.approx([0.0, 12.5, 20.0 + 2 * 3.0])
    assert of("What burns money now") == pytest.approx([1.0, 4.8])
    assert of("What burns money now", 1)[1] - of("What burns money now", 1)[0] == pytest.approx(2.5, abs=0.01)
    assert (of("Idle"), of("Reaped"), of("Not rolled out")) == ([1], [1], [1])
    assert of("Queue in front") == [0, 3]
    assert of("Seconds from a wake until Ready") == [90]
    assert of("Replicas") == [1, 2, 2]
    assert of("Replicas", 1) == [0, 2, 2]
    assert (of("Brake"), of("Paused")) == ([1], [1])


def test_figures_of_gates_are_those_of_the_requests(scraped: Scraped) -> None:
    of = figures(scraped, "cost-gates")
    assert of("Planned spend") == pytest.approx([19.2 + 12.0 + 4.8 + 4.0])
    assert of("Gates that block") == [2]
    assert of("Cost per million tokens by request") == pytest.approx([1.5, 2.0, 2.31, 4.0, 12.5])
    assert of("Cost per million tokens by request", 1) == pytest.approx([3.0492])
    assert of("Blocked gates") == [10, 10]
    assert of("Headroom of gates") == pytest.approx([-900.0, -20.0, 7.6, 20.0])
    assert of("Traffic on the new plan") == [50]
    assert of("Step of the ramp") == [2]


def test_alerts_of_a_real_scrape_name_the_request(scraped: Scraped) -> None:
    def pending() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for alert in scraped.get("/api/v1/alerts")["alerts"]:
            found.setdefault(alert["labels"]["alertname"], set()).add(alert["annotations"]["summary"])
        return found

    wait_until(lambda: "PlacewrightRampHeld" in pending(), 60.0, "the rules to be evaluated")
    told = pending()
    assert told["PlacewrightGateBlocked"] == {
        "Gate CostPerHour blocks research/chat.",
        "Gate CostPerHour blocks research/draft.",
    }
    assert told["PlacewrightGateUnknown"] == {"Gate CostToRevenueRatio of serving/chat cannot be judged."}
    assert told["PlacewrightInputStale"] == {"Revenue of serving/chat is missing or stale."}
    assert told["PlacewrightInfeasible"] == {"serving/big gets no plan: Infeasible."}
    assert told["PlacewrightObservedCostHigh"] == {"A token of serving/chat costs 1.32 times what was predicted."}
    assert told["PlacewrightNamespaceCeilingNear"] == {
        "Namespace serving takes 96% of its hourly ceiling of policy default."
    }
    assert told["PlacewrightPriceHeldBack"] == {
        "Source opencost of policy default tells a price of H100 that is not believed."
    }
    assert told["PlacewrightRolloutFailed"] == {
        "The rollout of research/nightly failed: replicas did not get Ready in time."
    }
    assert told["PlacewrightActingPaused"] == {"Acting is paused for four hours: everything."}
    assert told["PlacewrightIdleModelBurnsMoney"] == {
        "research/summaries idles for over an hour and costs $4.80 per hour."
    }
    assert told["PlacewrightSignalsMissing"] == {"Signals of research/nightly are missing (1), so it is never reaped."}
    assert told["PlacewrightReapedWhileQueue"] == {
        "3 requests wait for research/nightly, which is reaped and not woken."
    }
    assert not {"PlacewrightDown", "PlacewrightAuditFault", "PlacewrightRampRolledBack"} & set(told)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_grafana_can_read_it(file: Path) -> None:
    dashboard = dashboards.read(file)
    assert dashboard["uid"] == f"placewright-{file.stem}"
    assert "id" not in dashboard  # Grafana's own number: it would take another dashboard's place
    assert {each["name"] for each in dashboard["templating"]["list"]} >= {"datasource", "namespace", "name"}
    drawn = list(dashboards.panels(dashboard))
    assert {panel["type"] for panel in drawn} <= OWN_PANELS
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in drawn:
        assert panel["title"], panel["id"]
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        marks = [target["refId"] for target in panel["targets"]]
        assert len(marks) == len(set(marks)), panel["title"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_panel_covers_another(file: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboards.read(file)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        own = {(place["x"] + right, place["y"] + down) for right in range(place["w"]) for down in range(place["h"])}
        assert not own & taken, panel["title"]
        taken |= own
