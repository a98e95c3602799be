"""The HTTPRoute of a request as the cluster holds it: who gets which share of the traffic. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from placewright.kube.client import Json
from placewright.kube.manifests.names import backend_name
from placewright.kube.manifests.stamps import APPLIED

_SUFFIX = backend_name("")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteState:
    """A route at one moment.

    Attributes:
        namespace: it is in.
        name: its name.
        owner_uid: of its controller; empty: it has none.
        shares: of the traffic by unit, 0..1; those without any are left out.
        applied: digest of all but the shares, as we applied it last.
    """

    namespace: str
    name: str
    owner_uid: str
    shares: Mapping[str, float] = field(hash=False)
    applied: str


def route_of(body: Json) -> RouteState:
    """Cut an HTTPRoute down."""
    metadata: Json = body["metadata"]
    controller: Json = next((each for each in metadata.get("ownerReferences") or () if each.get("controller")), {})
    rules = (body.get("spec") or {}).get("rules") or ()
    weights: dict[str, int] = {}
    for reference in (each for rule in rules for each in rule.get("backendRefs") or ()):
        name = str(reference.get("name", ""))
        unit = name if reference.get("kind") == "InferencePool" else name.removesuffix(_SUFFIX)
        weights[unit] = weights.get(unit, 0) + int(reference.get("weight", 1))
    total = sum(weights.values())
    return RouteState(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        owner_uid=controller.get("uid", ""),
        shares={unit: weight / total for unit, weight in weights.items() if weight > 0},
        applied=(metadata.get("annotations") or {}).get(APPLIED, ""),
    )
