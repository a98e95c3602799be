"""A request that lives on an acting site (tests/support/acting_site.py), with whoever writes its story."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.support.acting_site import Site, soon
from tests.support.acting_watch import Chronicle
from tests.support.operator_process import OperatorProcess
from tests.support.placements import condition

Json = dict[str, Any]

CHEAP: Final = "cheap"
DEAR: Final = "dear"
OWN_MODEL: Final = {"name": "own/model", "precisions": [{"name": "bf16"}]}
INPUT: Final = 512
OUTPUT: Final = 128
_KINDS: Final = (
    "deployments,replicasets,leaderworkersets,pods,services,endpointslices,configmaps,httproutes,inferencepools"
)


def spec(site: Site, rate: float, *, tensor: int = 1, pipeline: int = 1, serves: float = 1.0, **more: Any) -> Json:
    """A request on the site's pools whose only layout is measured; one replica serves `serves` requests per second."""
    sizes = {"inputTokens": INPUT, "outputTokens": OUTPUT}
    row = {"gpu": "L40S", "tensorParallel": tensor, "pipelineParallel": pipeline, "precision": "bf16", **sizes}
    return {
        "mode": "Apply",
        "workload": {**sizes, "requestsPerSecond": rate},
        "performance": {"measurements": [{**row, "requestsPerSecond": serves}]},
        "poolSelector": {"matchLabels": {"site": site.namespace}},
        "stabilization": {"minDwell": "1s", "loadTime": "0s"},
        "rollout": {"strategy": "Surge", "progressDeadline": "60s"},
        **more,
    }


@dataclass
class Life:
    """A request that lives, with whoever writes its story."""

    site: Site
    operator: OperatorProcess
    name: str
    story: Chronicle

    def reach(self, text: str, probe: Callable[[], Any]) -> None:
        """Waits for a stage, and writes it down."""
        soon(self.operator, probe, f"{self.name}: {text}", lambda: f"{self.story}\n{self.stands()}")
        self.site.watcher.check()
        self.story.stage(text)

    def stands(self) -> str:
        status = self.site.status(self.name) if self.site.placements.find(self.name) else {}
        told = {key: status.get(key) for key in ("conditions", "rollout", "idle", "ramp")}
        return f"{told}\nworkloads {self.site.workloads(self.name)}, Ready {self.ready}"

    @property
    def ready(self) -> dict[str, int]:
        return self.site.watcher.ready(self.name)

    def rolled_out(self, total: int) -> bool:
        """Whether the condition says so of the newest spec, and it is so."""
        found = self.site.placements.get(self.name)
        applied = condition(found, "Applied")
        current = (found.get("status") or {}).get("observedGeneration") == found["metadata"]["generation"]
        done = current and (applied.get("status"), applied.get("reason")) == ("True", "RolledOut")
        return done and sum(self.ready.values()) == total == sum(self.site.workloads(self.name).values())

    def says(self, kind: str, reason: str) -> bool:
        return self.site.reason(self.name, kind) == reason

    def pool_of(self, workload: str) -> str:
        return next((pool for pool in (CHEAP, DEAR) if self.site.on(pool, self.name) == workload), "")

    def pools(self) -> dict[str, int]:
        """Ready replicas by pool."""
        return {self.pool_of(workload): count for workload, count in self.ready.items()}

    def lost_nothing_since(self, lost: float) -> None:
        """Fails where a request was lost, and tells when, with what the operator did."""
        if self.site.traffic.lost(self.name) != lost:
            acted = [f"{line['timestamp'][11:23]} {line['action']}" for line in self.operator.log("acted")]
            told = sorted([*self.story.lines, *self.site.traffic.losses, *acted])
            raise AssertionError("\n".join(told))

    def events(self) -> list[str]:
        return self.site.placements.event_reasons(self.name)


def owned(site: Site, uid: str) -> list[str]:
    """All that is owned by this uid, or by something that is."""
    found = site.plane.kubectl("get", _KINDS, "-n", site.namespace, "-o", "json").stdout
    items = json.loads(found)["items"]
    uids, names = {uid}, set[str]()
    for _ in items:  # as deep as it goes
        for item in items:
            if uids & {each["uid"] for each in item["metadata"].get("ownerReferences") or ()}:
                uids.add(item["metadata"]["uid"])
                names.add(f"{item['kind']}/{item['metadata']['name']}")
    return sorted(names)
