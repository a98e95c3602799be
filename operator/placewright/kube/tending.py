"""What of a request's objects does not stand as its plan wants it, as far as that starts no Pod anew. Pure."""

from collections.abc import Collection, Mapping
from typing import Final

from placewright.kube.client import Json
from placewright.kube.manifests import Move, names
from placewright.kube.routes import RouteState
from placewright.kube.workloads import Workload

_STEERING: Final = "placewright.dev/"


def needs_tending(
    move: Move | None, seen: Mapping[str, Workload], route: RouteState | None, busy: Collection[str]
) -> bool:
    """Whether something is to be brought up to date, as far as is seen without asking.

    Args:
        move: what the plans are rendered to.
        seen: the request's workloads by name.
        route: its HTTPRoute.
        busy: units that an action is about.
    """
    if move is None:
        return False
    if route is not None and (move.route is None or route.applied != move.routed):
        return True
    return any(name not in busy and tended(move, each) and not stands(move, each) for name, each in seen.items())


def tended(move: Move, seen: Workload) -> bool:
    """Whether a unit stands and may be brought up to date without starting a Pod anew."""
    return not seen.going and seen.runs(move.wanted(seen.name))


def stands(move: Move, seen: Workload) -> bool:
    """Whether a unit that is rendered stands as it is, whatever its number of replicas."""
    wanted = move.rendered[seen.name]
    return seen.runs(wanted.template) and seen.applied == wanted.applied and seen.pools == wanted.unit.pools


def strays_of(move: Move, seen: Collection[str]) -> list[tuple[str, str]]:
    """Kind and name of what another way of bringing in the traffic would have made, and this one does not."""
    routed, pools = move.route is not None, move.route is not None and move.route.inference_pools
    found = [("Service" if routed else "HTTPRoute", move.entrance)]
    for name in sorted({*seen, *move.rendered}):
        if not routed or pools:
            found.append(("Service", names.backend_name(name)))
        if not pools:
            found.append(("InferencePool", name))
    return found


def same_request(seen: Json, stored: Json) -> bool:
    """Whether a request is still as a decision saw it: its spec, its plan, its ramp and what people ask of it."""
    return "deletionTimestamp" not in stored["metadata"] and _told(seen) == _told(stored)


def _told(request: Json) -> tuple[object, ...]:
    metadata, status = request["metadata"], request.get("status") or {}
    plan, ramp = status.get("plan") or {}, status.get("ramp") or {}
    asked = {name: value for name, value in (metadata.get("annotations") or {}).items() if name.startswith(_STEERING)}
    return (
        metadata["uid"],
        metadata.get("generation"),
        asked,
        plan.get("id"),
        plan.get("state"),
        ramp.get("planId"),
        ramp.get("phase"),
        ramp.get("percent"),
    )
