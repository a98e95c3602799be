"""Shared pools as values, as tables and as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from placewright.cli import fleet_card, text
from placewright.cli.comparison import side_of
from placewright.cli.inputs import problems_of
from placewright.cli.planning import Answer
from placewright.cli.screen import Column, Screen
from placewright.core.model import NodeValue

if TYPE_CHECKING:
    from placewright.kube.inventory import ObservedPool


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    """One pool.

    Attributes:
        observed: what it has and costs.
        used: GPUs that approved plans take.
        allocations: the same by request.
        age_seconds: of the price; None: its source does not say, or there is none.
        one_more_node: what a further node is worth; None: not known.
    """

    observed: "ObservedPool"
    used: int
    allocations: Mapping[str, int]
    age_seconds: float | None
    one_more_node: NodeValue | None

    @property
    def is_ready(self) -> bool:
        """Whether plans may use it."""
        return any(each.type == "Ready" and each.status == "True" for each in self.observed.conditions)


def rows(given: Answer, *, now: datetime) -> list[PoolRow]:
    """Every pool that was read, by name."""
    side = side_of(given)
    values = {use.name: use.one_more_node for use in given.fleet.pools} if given.fleet is not None else {}
    found = []
    for observed in sorted(given.inputs.observed, key=lambda each: each.name):
        allocations = {
            "/".join(part for part in key if part): standing.gpus_by_pool[observed.name]
            for key, standing in side.standings.items()
            if standing.approved_cost_per_hour is not None and observed.name in standing.gpus_by_pool
        }
        as_of = observed.price.as_of if observed.price is not None else None
        found.append(
            PoolRow(
                observed=observed,
                used=sum(allocations.values()),
                allocations=dict(sorted(allocations.items(), key=lambda entry: (-entry[1], entry[0]))),
                age_seconds=(now - as_of).total_seconds() if as_of is not None else None,
                one_more_node=values.get(observed.name),
            )
        )
    return found


def show(screen: Screen, shown: Sequence[PoolRow]) -> None:
    """Write all pools as a table, then what cannot be used, then Nodes that are left out."""
    screen.table(
        [
            Column("pool"),
            Column("GPU"),
            Column("nodes", "number"),
            Column("GPUs", "number"),
            Column("used", "number"),
            Column("free", "number"),
            Column("others", "number"),
            Column("$/GPU h", "number"),
            Column("source", "text"),
            Column("age"),
            Column("one more node", "text"),
        ],
        [_cells(row) for row in shown],
    )
    wrong = [(row, problem) for row in shown for problem in problems_of(row.observed)]
    if wrong:
        screen.blank()
        screen.text("To look at")
        screen.table(
            [Column("pool"), Column("usable"), Column("what"), Column("why", "text")],
            [
                [row.observed.name, "yes" if row.is_ready else "no", problem.reason, problem.message]
                for row, problem in wrong
            ],
        )
    left_out = [(row.observed.name, node, reason) for row in shown for node, reason in row.observed.left_out]
    if left_out:
        screen.blank()
        screen.text("Nodes left out")
        screen.table([Column("pool"), Column("node"), Column("why", "text")], left_out)


def _cells(row: PoolRow) -> list[str]:
    seen, pool = row.observed, row.observed.pool
    return [
        seen.name,
        pool.gpu.name if pool is not None else "-",
        f"{len(pool.free_by_node):,}" if pool is not None else "-",
        f"{seen.capacity:,}",
        f"{row.used:,}",
        f"{max(seen.capacity - row.used, 0):,}",
        f"{seen.held_by_others:,}",
        text.usd(seen.price.per_gpu_hour) if seen.price is not None else "-",
        _source(row),
        text.age(row.age_seconds) if row.age_seconds is not None else "-",
        fleet_card.value_text(row.one_more_node),
    ]


def _source(row: PoolRow) -> str:
    price = row.observed.price
    if price is None:
        return "-"
    return f"{price.source} ({price.detail})" if price.detail else price.source


def data(shown: Sequence[PoolRow]) -> dict[str, Any]:
    """All pools as one document; the fields are those of a GPUPool's status where it has them."""
    return {"apiVersion": "placewright.dev/v1alpha1", "kind": "PoolReport", "items": [_item(row) for row in shown]}


def _item(row: PoolRow) -> dict[str, Any]:
    from placewright.api.fleet_data import node_value_data  # noqa: PLC0415 - --help needs no pydantic

    seen, pool = row.observed, row.observed.pool
    status: dict[str, Any] = {
        "ready": row.is_ready,
        "conditions": [
            {"type": each.type, "status": each.status, "reason": each.reason, "message": each.message}
            for each in seen.conditions
        ],
    }
    if pool is not None:
        status |= {"gpu": pool.gpu.name, "nodes": len(pool.free_by_node)}
    status |= {
        "capacity": seen.capacity,
        "allocated": row.used,
        "free": max(seen.capacity - row.used, 0),
        "heldByOthers": seen.held_by_others,
        "allocations": [{"request": title, "gpus": count} for title, count in row.allocations.items()],
        "leftOut": [{"node": node, "reason": why} for node, why in seen.left_out],
    }
    if seen.price is not None:
        status["price"] = _price(row)
    if row.one_more_node is not None:
        status["oneMoreNode"] = node_value_data(row.one_more_node)
    return {"metadata": {"name": seen.name}, "status": status}


def _price(row: PoolRow) -> dict[str, Any]:
    from placewright.api.conditions import timestamp  # noqa: PLC0415 - --help needs no pydantic
    from placewright.api.figures import figure  # noqa: PLC0415

    price = row.observed.price
    assert price is not None, "asked for pools with a price"
    found: dict[str, Any] = {"perGPUHour": figure(price.per_gpu_hour), "source": price.source}
    if price.detail:
        found["detail"] = price.detail
    return {**found, "asOf": timestamp(price.as_of)} if price.as_of is not None else found
