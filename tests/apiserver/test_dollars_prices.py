"""Live prices on the real API server: a ConfigMap prices a plan, also when it breaks and across a restart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.server import ControlPlane
from tests.support.fleet_cluster import GROUP
from tests.support.operator_process import OperatorProcess
from tests.support.placements import Placements, condition, reason

Json = dict[str, Any]

POLICY, POOL = f"{GROUP}/placementpolicies/live-prices", f"{GROUP}/gpupools/live-prices"
WITHIN_SECONDS = 90.0
GOOD = "gpu,pricePerGPUHour\nL40S,{price}\n"
SPEC = {
    "model": {"name": "own/model", "precisions": [{"name": "bf16"}]},
    "workload": {"inputTokens": 512, "outputTokens": 128, "requestsPerSecond": 1},
    "performance": {
        "measurements": [
            {
                "gpu": "L40S",
                "tensorParallel": 1,
                "pipelineParallel": 1,
                "precision": "bf16",
                "inputTokens": 512,
                "outputTokens": 128,
                "requestsPerSecond": 1,
            }
        ]
    },
    "poolSelector": {"matchLabels": {"priced": "live"}},
    "stabilization": {"minSavingsPercent": 0, "minDwell": "1s", "loadTime": "0s"},
}


class Market:
    """A pool whose price a ConfigMap tells, a request on it, and the operator's own namespace."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.api = control_plane.admin
        self.plane = control_plane
        self.home = control_plane.create_namespace("home")
        self.placements = Placements(self.api, control_plane.create_namespace("market"))
        self.api.create(f"/api/v1/namespaces/{self.home}/configmaps", self._table(GOOD.format(price=2)))
        self.api.create(f"/api/v1/namespaces/{self.placements.namespace}/configmaps", self._table(GOOD.format(price=7)))
        self.api.create(f"{GROUP}/gpupools", self._object("GPUPool", self._pool(), labels={"priced": "live"}))
        source = {
            "name": "table",
            "configMap": {"name": "prices", "key": "prices.csv"},
            "refreshInterval": "10s",
            "confirmAfter": "30m",
        }
        self.api.create(f"{GROUP}/placementpolicies", self._object("PlacementPolicy", {"priceSources": [source]}))
        self.placements.create("one", SPEC)

    @staticmethod
    def _pool() -> Json:
        return {"gpu": "L40S", "stock": {"nodes": 1, "gpusPerNode": 8}}

    @staticmethod
    def _table(text: str) -> Json:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prices"}, "data": {"prices.csv": text}}

    @staticmethod
    def _object(kind: str, spec: Json, **metadata: Any) -> Json:
        return {
            "apiVersion": "placewright.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": "live-prices", **metadata},
            "spec": spec,
        }

    def tell(self, text: str) -> None:
        """The ConfigMap holds this table from now on."""
        self.api.patch(f"/api/v1/namespaces/{self.home}/configmaps/prices", {"data": {"prices.csv": text}})

    def operator(self, folder: Path) -> OperatorProcess:
        arguments = ["--resync=10", f"--own-namespace={self.home}"]
        return OperatorProcess(
            self.plane.kubeconfig, folder, namespaces=[self.placements.namespace], arguments=arguments
        )

    def cost(self) -> float | None:
        found = self.placements.get("one")
        if reason(found) != "PlanCurrent":
            return None
        cost: float = found["status"]["plan"]["costPerHour"]
        return cost

    def fresh(self) -> str:
        return str(condition(self.placements.get("one"), "InputsFresh")["reason"])

    def conditions(self, path: str) -> set[str]:
        return {entry["type"] for entry in self.api.get(path).get("status", {}).get("conditions", ())}

    def clear(self) -> None:
        for path in (POLICY, POOL):
            self.api.delete(path)
        self.plane.delete_namespace(self.placements.namespace)
        self.plane.delete_namespace(self.home)


@pytest.fixture
def market(control_plane: ControlPlane, crds: list[Path]) -> Iterator[Market]:
    assert crds
    made = Market(control_plane)
    yield made
    made.clear()


def _price(pool: Any) -> Any:
    return (pool.get("status") or {}).get("price") or {}


def test_a_config_map_prices_a_plan_through_faults_and_a_restart(market: Market, tmp_path: Path) -> None:
    def soon(probe: Any, what: str) -> None:
        operator.wait(probe, what, timeout_s=WITHIN_SECONDS)

    with market.operator(tmp_path) as operator:
        soon(lambda: market.cost() == 2, "a plan at the price of the own namespace")
        # Statuses of the other kinds come after those of the requests, here and below.
        soon(lambda: _price(market.api.get(POOL)).get("source") == "PriceSource", "the pool to tell its price")
        assert market.fresh() == "Fresh"

        market.tell(GOOD.format(price=3))
        soon(lambda: market.cost() == 3, "the new price")

        market.tell("gpu,pricePerGPUHour\nL40S,free\n")
        soon(lambda: market.fresh() == "PricesStale", "the request to say that its price is stale")
        assert market.cost() == 3
        both = "the policy and the pool to say so too"
        soon(lambda: "PricesStale" in market.conditions(POLICY) & market.conditions(POOL), both)
        told = market.api.get(POLICY)["status"]["priceSources"][0]["message"]
        assert told.startswith(f"ConfigMap {market.home}/prices prices.csv:2: pricePerGPUHour: got 'free', wants USD")

        market.tell(GOOD.format(price=300))
        soon(lambda: "PricesHeldBack" in market.conditions(POLICY), "the jump to be held back")
        soon(lambda: market.fresh() == "Fresh", "the request to be fresh again")
        assert market.cost() == 3
        held = market.api.get(POLICY)["status"]["prices"]
        assert (held[0]["perGPUHour"], held[0]["heldBack"]["reason"]) == (3, "Jump")
        operator.kill()

    with market.operator(tmp_path) as operator:
        soon(lambda: operator.idle, "rest after the restart")
        assert market.cost() == 3
        assert market.api.get(POLICY)["status"]["prices"] == held
        market.tell(GOOD.format(price=3))
        soon(lambda: market.conditions(POLICY) == {"Ready"}, "the price to recover by itself")
        assert market.cost() == 3
