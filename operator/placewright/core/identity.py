"""What names a request's inputs and a plan: hashes that are the same offline and in the cluster.

Apart from `decide`, since the operator names inputs in its own process, which must not load the numerical libraries.
"""

import json
from dataclasses import replace
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from typing import Any

from placewright import __version__
from placewright.core.model import Measured, PlanState, Replicas, Request

_PLAN_ID_DIGITS = 10


def canonical(request: Request) -> Request:
    """The same request with its unordered parts in one order, so that the order of inputs does not matter."""
    performance = request.performance
    if isinstance(performance, Measured):
        performance = replace(performance, rows=tuple(sorted(performance.rows, key=repr)))
    workload = replace(request.workload, classes=tuple(sorted(request.workload.classes, key=lambda each: each.name)))
    return replace(
        request,
        workload=workload,
        pools=tuple(sorted(request.pools, key=lambda pool: pool.name)),
        precisions=tuple(sorted(request.precisions, key=lambda precision: precision.name)),
        parallelism=replace(request.parallelism, tensor=tuple(sorted(set(request.parallelism.tensor)))),
        performance=performance,
    )


def inputs_hash(request: Request) -> str:
    """Hash of all that the decision depends on: the request without its name, and this version of the planner.

    The stock of shared pools is no part of it: it is the fleet's, and changes without changing most plans.
    """
    asked = _fields(canonical(request))
    del asked["name"], asked["namespace"]
    asked["pools"] = [replace(pool, nodes=0, rooms=None) if pool.shared else pool for pool in asked["pools"]]
    return digest({"version": __version__, "request": asked, "model": type(request.performance).__name__})[:16]


@lru_cache(maxsize=16384)
def request_digest(request: Request) -> str:
    """Hash of a request with the stock of its pools; kept, as the operator asks it of each request in each round."""
    return digest({"version": __version__, "request": canonical(request), "model": type(request.performance).__name__})


def plan_id(replicas: tuple[Replicas, ...], state: PlanState) -> str:
    """Name of a decision: a hash of the layouts, their figures, and whether they may be used."""
    return "p-" + digest({"replicas": replicas, "state": state})[:_PLAN_ID_DIGITS]


def digest(value: object) -> str:
    """Hash of plain values and values of the model; floats count to twelve digits."""
    return sha256(json.dumps(_plain(value), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: object) -> object:
    """Values as JSON; floats to twelve digits, so that the last bits of a sum do not make another plan."""
    match value:
        case Enum():
            return value.value
        case None | str() | int():
            return value
        case float():
            return f"{value:.12g}"
        case dict():
            return {str(key): _plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_plain(entry) for entry in value]
    return {name: _plain(entry) for name, entry in _fields(value).items() if entry != ()}


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a value, without the copies that `asdict` makes: the operator names every request it sees."""
    return {name: getattr(value, name) for name in value.__slots__}  # all values of the model are slotted
