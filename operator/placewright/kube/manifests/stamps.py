"""What stands on the objects of a request besides what starts its Pods: whose they are, and what was applied."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from placewright.api.base import API_VERSION
from placewright.core.model import Groups
from placewright.kube.manifests.values import Manifest

POOLS: Final = "placewright.dev/pools"
"""Pods of one replica by pool: `{"l40s": [[2, 1]]}` is one Pod with two GPUs."""
REPLICAS_BEFORE: Final = "placewright.dev/replicas-before"
"""Replicas before the workload was reaped, or began to give way to another."""
UP_SINCE: Final = "placewright.dev/up-since"
"""When we raised its replicas last, or changed its template."""
TEMPLATE: Final = "placewright.dev/template"
"""Digest of the template that we applied last."""
TEMPLATE_GENERATION: Final = "placewright.dev/template-generation"
"""metadata.generation that this template came with: a status that is older says nothing of its Pods."""
ADMITTED: Final = "placewright.dev/admitted"
"""Digest of what the Pods are started with as an admission webhook made it of what we applied; it is let stand."""
APPLIED: Final = "placewright.dev/applied"
"""Digest of all that we applied last with this object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The request that objects belong to: with it they go."""

    name: str
    uid: str

    @property
    def reference(self) -> Manifest:
        """Its owner reference. Nothing waits for our objects to go: the request's deletion is not blocked."""
        return {
            "apiVersion": API_VERSION,
            "kind": "PlacementRequest",
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }


def pools_text(pools: Mapping[str, Groups]) -> str:
    """The annotation POOLS."""
    return json.dumps({pool: [list(each) for each in groups] for pool, groups in sorted(pools.items())})
