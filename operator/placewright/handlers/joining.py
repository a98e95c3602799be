"""Which requests are planned together by the fleet, and which want live figures: read from the plain object."""

from placewright.api.annotations import ROLLBACK_TO
from placewright.core.model import Ceiling
from placewright.handlers.cache import Json


def covered(namespace: str, ceilings: tuple[Ceiling, ...]) -> bool:
    """Whether a ceiling counts the plans of this namespace."""
    return any(ceiling.namespace in {None, namespace} for ceiling in ceilings)


def wants_fleet(resource: Json, ceilings: tuple[Ceiling, ...], *, observed: bool = False) -> bool:
    """Whether a request is planned together with others, and so with its present plan in view.

    A suspended one keeps its plan as it is, and one that is being deleted goes with its plan.

    Args:
        resource: as stored.
        ceilings: of the policies; those that count its plan tie it to others.
        observed: whether a policy holds the plan of every request against what is observed of it.
    """
    spec, metadata = resource["spec"], resource["metadata"]
    if spec.get("suspend") or metadata.get("deletionTimestamp"):
        return False
    return joins(resource) or observed or covered(metadata["namespace"], ceilings)


def joins(resource: Json) -> bool:
    """Whether a request by itself asks for what only the fleet does: it looks at present plans and live figures.

    It takes from shared pools, has a demand or a bound on its replicas, follows live figures, ramps, or goes back to
    an earlier plan.
    """
    spec = resource["spec"]
    workload, replicas, gates = (spec.get(name) or {} for name in ("workload", "replicas", "gates"))
    return bool(
        "poolSelector" in spec
        or "requestsPerSecond" in workload
        or workload.get("classes")
        or replicas.get("min")
        or "max" in replicas
        or "maxObservedCostDriftPercent" in gates
        or "ramp" in spec
        or watches(resource)
        or ROLLBACK_TO in (resource["metadata"].get("annotations") or {})  # also one that means nothing, to say so
    )


def watches(resource: Json) -> bool:
    """Whether a request wants live figures."""
    spec = resource["spec"]
    return bool(
        "demandFrom" in (spec.get("workload") or {})
        or "observeFrom" in spec
        or "revenuePerHourQuery" in (spec.get("gates") or {})
    )
