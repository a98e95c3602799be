"""What the stored statuses hold of the shared pools: the book that no plan is written against."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from placewright.core.fleet.packing import Groups, fits, place
from placewright.core.model import Plan, PlanState, Pool
from placewright.handlers.cache import Json, key_of
from placewright.telemetry.views import Key

Held = tuple[tuple[tuple[int, int], ...], ...]  # for each layout of a plan its groups: (GPUs, how many)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What one plan takes.

    Attributes:
        plan_id: the plan.
        cost_per_hour: USD of all its replicas.
        pools: its groups on each shared pool; empty for a plan on private pools.
    """

    plan_id: str
    cost_per_hour: float
    pools: Mapping[str, Held] = field(default_factory=dict)

    def gpus(self, pool: str) -> int:
        """GPUs of a pool that the plan takes."""
        return sum(size * count for groups in self.pools.get(pool, ()) for size, count in groups)


NOTHING = Holding(plan_id="", cost_per_hour=0.0)


def holding_of(resource: Json) -> Holding:
    """What the stored status of a request takes; a plan that is blocked or malformed takes nothing."""
    plan = (resource.get("status") or {}).get("plan") or {}
    if plan.get("state", "Approved") != PlanState.APPROVED or "id" not in plan:
        return NOTHING
    shared = "poolSelector" in resource["spec"]
    layouts = plan.get("layouts") or () if shared else ()
    return Holding(
        plan_id=str(plan["id"]),
        cost_per_hour=float(plan.get("costPerHour") or 0.0),
        pools=_by_pool(
            (int(layout["replicas"]), [(str(s["pool"]), int(s["gpus"])) for s in layout["stages"]])
            for layout in layouts
        ),
    )


def holding_of_stored_plan(plan: Mapping[str, Any], shared: Collection[str]) -> Holding:
    """What a plan would take that was written once, in the form of a status.

    Args:
        plan: as in a status or in the audit journal.
        shared: names of the shared pools.
    """
    return Holding(
        plan_id=str(plan["id"]),
        cost_per_hour=float(plan.get("costPerHour") or 0.0),
        pools=_by_pool(
            (
                int(layout["replicas"]),
                [(str(s["pool"]), int(s["gpus"])) for s in layout["stages"] if str(s["pool"]) in shared],
            )
            for layout in plan.get("layouts") or ()
        ),
    )


def holding_of_plan(plan: Plan | None, shared: frozenset[str]) -> Holding:
    """What a plan would take of the shared pools.

    Args:
        plan: as decided; None and blocked plans take nothing.
        shared: names of the shared pools that its request may use.
    """
    if plan is None or plan.state is not PlanState.APPROVED:
        return NOTHING
    return Holding(
        plan_id=plan.id,
        cost_per_hour=plan.cost_per_hour,
        pools=_by_pool(
            (entry.count, [(s.pool, s.tensor_parallel) for s in entry.layout.stages if s.pool in shared])
            for entry in plan.replicas
        ),
    )


def _by_pool(layouts: Iterable[tuple[int, Sequence[tuple[str, int]]]]) -> dict[str, Held]:
    pools: dict[str, list[tuple[tuple[int, int], ...]]] = {}
    for copies, stages in layouts:
        counts = Counter(stages)
        for name in dict.fromkeys(pool for pool, _ in stages):
            groups = sorted((size, copies * n) for (pool, size), n in counts.items() if pool == name)
            pools.setdefault(name, []).append(tuple(groups))
    return {name: tuple(sorted(held)) for name, held in pools.items()}


class Ledger:
    """Holdings of every request as stored, and of the writes under way, which may hold either plan."""

    def __init__(self) -> None:
        self._stored: dict[Key, Holding] = {}
        self._coming: dict[Key, Holding] = {}

    def see(self, resource: Json) -> bool:
        """Takes in the newest stored object of a request; returns whether it holds something else than before."""
        key, holding = key_of(resource), holding_of(resource)
        if holding is NOTHING:
            return self.forget(key)
        before = self._stored.get(key)
        self._stored[key] = holding
        return holding != before

    def forget(self, key: Key) -> bool:
        """The request is gone, and what it held with it; returns whether it held anything."""
        return self._stored.pop(key, None) is not None

    def of(self, key: Key) -> Holding:
        """What the stored status of a request holds."""
        return self._stored.get(key, NOTHING)

    def items(self) -> tuple[tuple[Key, Holding], ...]:
        """All stored holdings."""
        return tuple(self._stored.items())

    def reserve(self, key: Key, holding: Holding) -> None:
        """A write of this holding begins; until `settle` both the old and the new one count."""
        self._coming[key] = holding

    def settle(self, key: Key) -> None:
        """The write has ended, and `see` was told how."""
        self._coming.pop(key, None)

    def takes(self, key: Key, holding: Holding) -> tuple[str, ...]:
        """The pools of which a holding takes something that the stored one does not hold."""
        before = self.of(key).pools
        return tuple(pool for pool, held in holding.pools.items() if held != before.get(pool))

    def room(self, pool: Pool, key: Key, holding: Holding) -> bool:
        """Whether the pool has room for a request's holding beside all others."""
        others = [held for other, held in self._held(pool.name) if other != key]
        return fits(pool, [*_flat(others), *holding.pools.get(pool.name, ())])

    def room_for_all(self, pool: Pool, holdings: Mapping[Key, Holding]) -> bool:
        """Whether the pool has room for what is stored and all these together, so that their order does not matter."""
        new = [holding.pools.get(pool.name, ()) for holding in holdings.values()]
        return fits(pool, [*_flat(held for _, held in self._held(pool.name)), *_flat(new)])

    def allocations(self) -> dict[str, dict[Key, int]]:
        """GPUs by pool and request, as stored."""
        found: dict[str, dict[Key, int]] = {}
        for key, holding in self._stored.items():
            for pool in holding.pools:
                found.setdefault(pool, {})[key] = holding.gpus(pool)
        return found

    def _held(self, pool: str) -> list[tuple[Key, Held]]:
        books = (*self._stored.items(), *self._coming.items())
        return [(key, holding.pools[pool]) for key, holding in books if pool in holding.pools]


def without(pool: Pool, kept: Sequence[Holding]) -> Pool:
    """The pool without the GPUs of plans that stay as they are.

    A plan that the nodes do not hold any more takes what there is room for; of a pool that is billed by the node it
    takes its nodes whole.
    """
    entries = [groups for holding in kept for groups in holding.pools.get(pool.name, ())]
    if not entries:
        return pool
    rooms = list(pool.free_by_node)
    nodes = place(pool, entries)
    if nodes is not None:
        for groups, row in zip(entries, nodes, strict=True):
            for size, node in zip(_sizes(groups), row, strict=True):
                rooms[node] -= size
    else:
        for size in sorted((size for groups in entries for size in _sizes(groups)), reverse=True):
            able = [node for node, room in enumerate(rooms) if room >= size]
            if able:
                rooms[min(able, key=lambda node: rooms[node])] -= size
    return replace(pool, rooms=tuple(sorted(rooms, reverse=True)))


def beside(
    pools: Mapping[str, Pool], standing: Sequence[Holding], asked: Mapping[Key, Holding]
) -> tuple[dict[str, Pool], dict[Key, str]]:
    """The pools without what may be set aside of them, beside all that stands on them.

    Args:
        pools: as they are free for plans, by name.
        standing: plans that stand on them.
        asked: what is to be set aside, by request; in the order of the names as long as there is room.

    Returns:
        The pools with what is left for plans, and for each request that got nothing the pool that is short.
    """
    aside: list[Holding] = []
    short: dict[Key, str] = {}
    for key in sorted(asked):
        together = [*standing, *aside, asked[key]]
        lacking = next((name for name in asked[key].pools if not _fit(pools, name, together)), None)
        if lacking is None:
            aside.append(asked[key])
        else:
            short[key] = lacking
    rooms = dict(pools)
    for name in {name for holding in aside for name in holding.pools}:
        rooms[name] = _left(pools[name], _groups(standing, name), _groups(aside, name))
    return rooms, short


def _fit(pools: Mapping[str, Pool], name: str, holdings: Sequence[Holding]) -> bool:
    return name in pools and fits(pools[name], _groups(holdings, name))


def _groups(holdings: Iterable[Holding], name: str) -> list[Groups]:
    return [groups for holding in holdings for groups in holding.pools.get(name, ())]


def _left(pool: Pool, standing: Sequence[Groups], aside: Sequence[Groups]) -> Pool:
    """The pool without the GPUs of what is set aside, where it stands when all stand together."""
    nodes = place(pool, [*standing, *aside])
    if nodes is None:  # a search that gave up: nothing is set aside rather than too much
        return pool
    left = list(pool.free_by_node)
    for groups, row in zip(aside, nodes[len(standing) :], strict=True):
        for size, node in zip(_sizes(groups), row, strict=True):
            left[node] -= size
    return replace(pool, rooms=tuple(sorted(left, reverse=True)))


def _sizes(groups: Groups) -> list[int]:
    return [size for size, count in groups for _ in range(count)]


def _flat(held: Iterable[Sequence[Any]]) -> list[Any]:
    return [groups for groups_of_plan in held for groups in groups_of_plan]
