"""The statuses of GPUPools, PlacementPolicies and PerformanceProfiles: written only when they say something new."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from placewright.api.acting import policy_notes
from placewright.api.conditions import Condition, rendered
from placewright.api.figures import figure
from placewright.api.placement_policy import PlacementPolicy
from placewright.core.model import NodeValue
from placewright.handlers.cache import Json
from placewright.handlers.ledger import Ledger
from placewright.handlers.prices import PriceStatus
from placewright.handlers.reflector import Reflector
from placewright.handlers.surveyor import Known, Survey, Surveyor
from placewright.kube import inventory
from placewright.kube.client import ApiError, UnreachableError
from placewright.kube.status import ObjectStatuses, ObjectTransport, WriteResult, write_status

log = logging.getLogger(__name__)

Status = dict[str, Any]


class KindStatuses:
    """Keeps the statuses of the cluster-wide kinds.

    Args:
        surveyor: knows the objects.
        ledger: what stored plans hold and cost.
        transport: writes statuses.
        count: counts writes.
        prices: what the status of a policy of this name says of its sources of prices; None: it has none.
    """

    def __init__(
        self,
        *,
        surveyor: Surveyor,
        ledger: Ledger,
        transport: ObjectTransport,
        count: Callable[[WriteResult], None],
        prices: Callable[[str], PriceStatus | None] = lambda _: None,
    ) -> None:
        self._surveyor = surveyor
        self._ledger = ledger
        self._transport = transport
        self._count = count
        self._prices = prices

    async def write(self, survey: Survey, values: Mapping[str, NodeValue]) -> bool:
        """Writes what has changed.

        Args:
            survey: what was observed.
            values: what one more node of a pool is worth, where it was computed.

        Returns:
            Whether all stands; False: try again.
        """
        results = [
            *[await self._write(self._surveyor.pools, name, status) for name, status in self._pools(survey, values)],
            *[await self._write(self._surveyor.policies, name, status) for name, status in self._policies()],
            *[await self._write(self._surveyor.profiles, name, status) for name, status in self._profiles()],
        ]
        return all(results)

    async def _write(self, reflector: Reflector[Any], name: str, status: Callable[[Status], Status]) -> bool:
        known: Known[Any] | None = reflector.get(name)
        if known is None or _says(known.resource, status):
            return True
        transport = ObjectStatuses(self._transport, reflector.kind)

        def render(newest: Json) -> Json | None:
            return None if _says(newest, status) else status(newest.get("status") or {})

        try:
            written = await write_status(transport, known.resource, render)
        except (ApiError, UnreachableError) as error:
            self._count(WriteResult.FAILED)
            log.warning(
                "status not written", extra={"kind": reflector.kind.plural, "object": name, "error": str(error)}
            )
            return False
        self._count(written.result)
        if written.stored is not None:
            reflector.take(written.stored)
        return written.result is not WriteResult.REJECTED

    def _pools(self, survey: Survey, values: Mapping[str, NodeValue]) -> list[tuple[str, Callable[[Status], Status]]]:
        taken = self._ledger.allocations()
        found: list[tuple[str, Callable[[Status], Status]]] = []
        for observed in survey.observed:

            def status(previous: Status, observed: inventory.ObservedPool = observed) -> Status:
                return inventory.pool_status(
                    observed,
                    taken.get(observed.name, {}),
                    previous,
                    _now(),
                    one_more_node=values.get(observed.name),
                )

            found.append((observed.name, status))
        known = self._surveyor.pools.objects()
        seen = {observed.name for observed in survey.observed}
        unseen = [each for each in known if each.model is not None and each.name not in seen]
        return [*found, *((each.name, _blind(each.generation, survey.fault)) for each in unseen), *_invalid(known)]

    def _policies(self) -> list[tuple[str, Callable[[Status], Status]]]:
        costs: dict[str, float] = {}
        for key, holding in self._ledger.items():
            costs[key[0]] = costs.get(key[0], 0.0) + holding.cost_per_hour
        known = self._surveyor.policies.objects()
        usable = [(each, each.model) for each in known if each.model is not None]
        return [
            *(
                (each.name, _policy_status(each.generation, model, costs, self._prices(each.name)))
                for each, model in usable
            ),
            *_invalid(known),
        ]

    def _profiles(self) -> list[tuple[str, Callable[[Status], Status]]]:
        known = self._surveyor.profiles.objects()
        usable = [(each, len(each.model.spec.rows)) for each in known if each.model is not None]
        return [
            *(
                (each.name, _ready(each.generation, "RowsUsable", f"{rows} rows", {"rows": rows}))
                for each, rows in usable
            ),
            *_invalid(known),
        ]


def _policy_status(
    generation: int, model: PlacementPolicy, costs: Mapping[str, float], prices: PriceStatus | None
) -> Callable[[Status], Status]:
    total = sum(costs.values())
    named = [entry.name for entry in model.spec.namespaces or ()]
    more: Status = {"costPerHour": figure(total)}
    if named:
        more["namespaces"] = [{"name": name, "costPerHour": figure(costs.get(name, 0.0))} for name in named]
    told = prices.conditions if prices is not None else ()
    return _status(
        generation,
        "True",
        "PolicyInForce",
        "; ".join(("limits, ceilings and prices count", *policy_notes(model))),
        more | (prices.fields if prices is not None else {}),
        told,
    )


def _ready(generation: int, reason: str, message: str, more: Status) -> Callable[[Status], Status]:
    return _status(generation, "True", reason, message, more)


def _blind(generation: int, fault: str) -> Callable[[Status], Status]:
    """A pool whose Nodes nobody can see: the figures stay what they were."""
    told = _status(generation, "Unknown", "NodesUnreadable", fault, {})
    return lambda previous: {**previous, **told(previous)}


def _invalid(objects: Sequence[Known[Any]]) -> list[tuple[str, Callable[[Status], Status]]]:
    return [
        (each.name, _status(each.generation, "False", "InvalidSpec", each.fault, {}))
        for each in objects
        if each.fault is not None
    ]


def _status(
    generation: int,
    ready: Literal["True", "False", "Unknown"],
    reason: str,
    message: str,
    more: Status,
    conditions: Sequence[Condition] = (),
) -> Callable[[Status], Status]:
    def status(previous: Status) -> Status:
        head = [Condition(type="Ready", status=ready, reason=reason, message=message), *conditions]
        written = rendered(head, generation=generation, now=_now(), previous=previous)
        return {"observedGeneration": generation, "conditions": written, **more}

    return status


def _says(resource: Json, status: Callable[[Status], Status]) -> bool:
    """Whether the object says this already."""
    previous = resource.get("status") or {}
    return bool(_plain(previous) == _plain(status(previous)))


def _plain(status: Status) -> Status:
    """Without how well the value of a node is known: that alone changes when the same fleet is solved again."""
    value = status.get("oneMoreNode")
    if not isinstance(value, dict):
        return status
    return {**status, "oneMoreNode": {name: told for name, told in value.items() if name != "exact"}}


def _now() -> datetime:
    return datetime.now(UTC)
