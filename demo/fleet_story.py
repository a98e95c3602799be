"""The second half of the demo: models that share pools found from Nodes, before and after a Node is added."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from demo.calls import Calls, DemoError, Key
from demo.crd import Json, table
from demo.operator_process import OperatorProcess
from demo.samples import Sample, condition, is_decided, read_objects, read_samples, surprises
from demo.show import Page, refusals
from demo.steps import until_right
from placewright.api.base import duration_seconds

_CLOCK_SECONDS = 1.0  # times in a status have whole seconds

Objects = dict[Key, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What shares GPUs in the demo.

    Attributes:
        cluster: Nodes, and Pods of others.
        pools: GPUPools that select these Nodes.
        models: requests on the pools, each with the state that it promises.
        added: what is added later, after which every model has a plan where it is cheapest.
    """

    cluster: list[Json]
    pools: list[Json]
    models: list[Sample]
    added: list[Json]


def read_fleet(folder: Path) -> Fleet:
    """The fleet of a folder: cluster.yaml, pools.yaml, node.yaml and models/*.yaml.

    Raises:
        SampleError: one of them cannot be read or does not say what to expect.
    """
    return Fleet(
        cluster=read_objects(folder / "cluster.yaml"),
        pools=read_objects(folder / "pools.yaml"),
        models=read_samples(folder / "models"),
        added=read_objects(folder / "node.yaml"),
    )


def tell(page: Page, fleet: Fleet, calls: Calls, operator: OperatorProcess, *, patience_seconds: float) -> None:
    """Shows the fleet.

    Args:
        page: where it is shown.
        fleet: what is shown.
        calls: on the API.
        operator: runs.
        patience_seconds: how long each step may take.

    Raises:
        DemoError: a step failed, or something is not as promised.
    """
    stage = _Stage(page, fleet, calls, operator, patience_seconds)
    page.line()
    page.paragraph("Now a fleet: models that share GPUs of the cluster's own Nodes, planned together.")
    page.line()
    stage.find_pools()
    stage.place_models()
    stage.add_node()
    stage.return_spilled()


class _Stage:
    """The steps, in order."""

    def __init__(
        self, page: Page, fleet: Fleet, calls: Calls, operator: OperatorProcess, patience_seconds: float
    ) -> None:
        self._page = page
        self._fleet = fleet
        self._calls = calls
        self._operator = operator
        self._patience_seconds = patience_seconds

    def find_pools(self) -> None:
        """Pools whose GPUs are those of the Nodes, without those of others."""
        fleet = self._fleet
        for body in (*fleet.cluster, *fleet.pools):
            self._calls.create(body)
        self._page.progress(f"added {_counted(fleet.cluster)}, applied {_counted(fleet.pools)}")

        def faults() -> list[str]:
            stored = self._calls.objects("GPUPool")
            return [f"GPUPool {name} is not Ready" for (_, name), one in stored.items() if not _is_true(one, "Ready")]

        self._until("to find the pools' GPUs on the Nodes", faults)
        self._page.line()
        self._show("GPUPool", self._calls.objects("GPUPool"))
        for (_, name), pool in sorted(self._calls.objects("GPUPool").items()):
            held = pool["status"].get("heldByOthers", 0)
            if held:
                self._page.paragraph(f"{name}: {held} more GPUs are held by Pods of others")
        self._page.line()

    def place_models(self) -> None:
        """All models at once: who gets GPUs, who spills over, who is refused."""
        models = self._fleet.models
        for sample in models:
            self._calls.create(sample.body)
        self._page.progress(f"applied {len(models)} models that select both pools by a label")

        def faults() -> list[str]:
            stored = self._models()
            wrong = [one for sample in models for one in surprises(sample, stored[sample.namespace, sample.name])]
            return wrong + self._disagreements(stored, valued=any(not _has_plan(one) for one in stored.values()))

        self._until(f"to plan {len(models)} models together as they promise", faults)
        stored = self._models()
        self._page.progress("planned together; every GPU is promised once")
        self._page.line()
        self._show("PlacementRequest", stored)
        self._page.line()
        self._show("GPUPool", self._calls.objects("GPUPool"))
        self._page.line()
        for (_, name), one in stored.items():
            spilled = condition(one, "Spilled")
            if spilled is not None:
                self._page.paragraph(spilled["message"], head=f"{name} spilled over: ")
        refusals(self._page, list(stored.values()))
        for (_, name), pool in sorted(self._calls.objects("GPUPool").items()):
            self._page.paragraph(_worth(pool["status"]["oneMoreNode"]), head=f"one more node of {name}: ")
        self._page.line()

    def add_node(self) -> None:
        """A Node comes, and whoever had no plan gets one."""
        refused = [key for key, one in self._models().items() if not _has_plan(one)]
        for body in self._fleet.added:
            self._calls.create(body)
        self._page.progress(f"added {_counted(self._fleet.added)}: {', '.join(map(_name, self._fleet.added))}")

        def faults() -> list[str]:
            stored = self._models()
            return [f"{key[1]} has no plan" for key in refused if not _is_true(stored[key], "Ready")]

        self._until("to place on the new Node who was refused", faults)
        stored = self._models()
        for key in refused:
            self._page.progress(f"{key[1]}: {_plan_text(stored[key])}")
        for (_, name), one in stored.items():
            if condition(one, "Spilled") is not None:
                dwell = one["spec"]["stabilization"]["minDwell"]
                self._page.progress(f"{name} stays where it is for its minDwell of {dwell}: plans do not flap")

    def return_spilled(self) -> None:
        """Who spilled over comes back, when stabilization lets it and not before."""

        def faults() -> list[str]:
            stored = self._models()
            spilled = [f"{key[1]} is still spilled over" for key, one in stored.items() if condition(one, "Spilled")]
            unsettled = [f"{key[1]} is not Ready" for key, one in stored.items() if not _is_true(one, "Ready")]
            return spilled + unsettled + self._disagreements(stored, valued=False)

        self._until("to bring back who spilled over", faults)
        stored = self._models()
        for sample in self._fleet.models:
            if any(kind == "Spilled" for kind, _, _ in sample.conditions):
                self._hold_return(sample, stored[sample.namespace, sample.name])
        self._page.line()
        self._show("PlacementRequest", stored)
        self._page.line()
        self._page.progress(
            f"all {len(stored)} models have plans, each GPU is promised once, and nobody moved too early"
        )

    def _hold_return(self, sample: Sample, resource: Json) -> None:
        """Tells how a model came back, and holds it to the rules of stabilization."""
        new, old = resource["status"]["history"][:2]
        stood = (_moment(new) - _moment(old)).total_seconds()
        dwell = duration_seconds(resource["spec"]["stabilization"]["minDwell"], field="minDwell")
        if new["reason"] != "Cheaper" or new["costPerHour"] >= old["costPerHour"]:
            raise DemoError(f"{sample.name}: moved for {new['reason']} to ${new['costPerHour']}/h, wants Cheaper")
        if stood < dwell - _CLOCK_SECONDS:
            raise DemoError(f"{sample.name}: moved after {stood:g} s, wants its minDwell of {dwell:g} s")
        told = f"after {stood:g} s, {new['reason']}: {new['message']}; {_plan_text(resource)}"
        self._page.progress(f"{sample.name} came back {told}")

    # ------------------------------------------------------------------------------------------------ how

    def _models(self) -> Objects:
        """The fleet's requests, in the order of their names."""
        stored = self._calls.objects("PlacementRequest")
        return {key: stored[key] for key in sorted((sample.namespace, sample.name) for sample in self._fleet.models)}

    def _disagreements(self, stored: Objects, *, valued: bool) -> list[str]:
        """What is not settled, and where the pools do not tell the same GPUs as the plans.

        Args:
            stored: the models.
            valued: whether every pool has to say what one more node is worth.
        """
        found = [f"{key[1]} is not decided" for key, one in stored.items() if not is_decided(one)]
        for (_, name), pool in self._calls.objects("GPUPool").items():
            status = pool.get("status", {})
            promised = sum(
                one["status"]["plan"]["gpusByPool"].get(name, 0) for one in stored.values() if _has_plan(one)
            )
            if status.get("allocated") != promised:
                found.append(f"GPUPool {name} tells {status.get('allocated')} GPUs as taken, the plans {promised}")
            if promised > status.get("capacity", 0):
                found.append(f"GPUPool {name} has {status.get('capacity')} GPUs, the plans take {promised}")
            if valued and "oneMoreNode" not in status:
                found.append(f"GPUPool {name} does not say what one more node is worth")
        return found

    def _until(self, what: str, faults: Callable[[], list[str]]) -> None:
        until_right(self._operator, what, faults, self._patience_seconds)

    def _show(self, kind: str, stored: Mapping[Key, Json]) -> None:
        crd = self._calls.crds[kind]
        namespace = f" -n {next(iter(stored))[0]}" if crd.namespaced else ""
        self._page.line(f"What `kubectl get {crd.plural}{namespace}` shows:")
        self._page.table(table(crd, list(stored.values()), namespaces=False), key=0)


def _is_true(resource: Mapping[str, Any], kind: str) -> bool:
    found = condition(resource, kind)
    return found is not None and found["status"] == "True"


def _has_plan(resource: Mapping[str, Any]) -> bool:
    return "plan" in resource.get("status", {})


def _plan_text(resource: Json) -> str:
    plan = resource["status"]["plan"]
    gpus = ", ".join(f"{count} of {pool}" for pool, count in sorted(plan["gpusByPool"].items()))
    return f"{gpus} at ${plan['costPerHour']:g}/h"


def _worth(value: Json) -> str:
    """What a node more would do, as a pool's status has it."""
    told = [f"places {', '.join(value['places'])}"] if value["places"] else []
    if value["savingCostPerHour"] > 0:
        told.append(f"saves ${value['savingCostPerHour']:g}/h")
    return (", ".join(told) or "nothing") + ("" if value["exact"] else " (at most)")


def _counted(bodies: Sequence[Json]) -> str:
    """How many of each kind, as 2 Nodes and 1 Pod."""
    kinds = [body["kind"] for body in bodies]
    return " and ".join(
        f"{kinds.count(kind)} {kind}{'s' if kinds.count(kind) > 1 else ''}" for kind in dict.fromkeys(kinds)
    )


def _name(body: Json) -> str:
    return str(body["metadata"]["name"])


def _moment(entry: Json) -> datetime:
    return datetime.fromisoformat(entry["time"])
