"""Two outcomes for the same names side by side: what changes, for whom, and at what price.

Used for two sets of files (`diff`), for now and new in a cluster (`plan --from-cluster`), and for with and without
`--what-if`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from placewright.cli import text
from placewright.cli.planning import Answer, Planned
from placewright.core.model import Decision, GateResult, MoveReason, PlanState, SolveStatus

Key = tuple[str, str]


class State(StrEnum):
    """What became of a request."""

    APPROVED = "Approved"
    BLOCKED = "Blocked"
    INFEASIBLE = "Infeasible"  # proved
    REFUSED = "Refused"  # stock or ceilings are too short
    TIME_LIMIT = "TimeLimit"
    INVALID = "Invalid"
    SUSPENDED = "Suspended"
    UNPLANNED = "Unplanned"  # the cluster has no plan for it yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One request on one side.

    Attributes:
        state: what became of it.
        plan_id: of its plan; empty when there is none.
        cost_per_hour: USD of its plan, also of a blocked one; None without a plan.
        cost_per_million_tokens: USD, likewise.
        layout: the plan in a few words.
        gpus_by_pool: what an approved plan takes.
        reason: why there is no approved plan, or why the plan is another one than before.
    """

    state: State
    plan_id: str = ""
    cost_per_hour: float | None = None
    cost_per_million_tokens: float | None = None
    layout: str = ""
    gpus_by_pool: Mapping[str, int]
    reason: str = ""

    @property
    def approved_cost_per_hour(self) -> float | None:
        """USD per hour that are spent: only approved plans run."""
        return self.cost_per_hour if self.state is State.APPROVED else None


class Kind(StrEnum):
    """What happens to a request from one side to the other."""

    SAME = "Same"
    ADDED = "Added"
    REMOVED = "Removed"
    PLACED = "Placed"  # had no approved plan and has one now
    LOST = "Lost"  # had an approved plan and has none now
    MOVED = "Moved"  # has another layout
    CHANGED = "Changed"  # has the same layout at other figures: price, demand, layers of its stages
    STILL = "StillUnplaced"  # has no approved plan on either side


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One request on both sides; None: it is not there."""

    namespace: str
    name: str
    old: Standing | None
    new: Standing | None

    @property
    def title(self) -> str:
        """Name with the namespace, where there is one."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def kind(self) -> Kind:
        """What happens to it."""
        if self.old is None:
            return Kind.ADDED
        if self.new is None:
            return Kind.REMOVED
        before, after = self.old.state is State.APPROVED, self.new.state is State.APPROVED
        if before and after:
            return _kind_of_plans(self.old, self.new)
        if before or after:
            return Kind.PLACED if after else Kind.LOST
        return Kind.STILL

    @property
    def cost_change_per_hour(self) -> float:
        """USD per hour that are spent more (or less, below 0)."""
        return _spent(self.new) - _spent(self.old)

    @property
    def is_worse_off(self) -> bool:
        """Whether it has no approved plan now and had one, or was not there."""
        return self.new is not None and self.new.state in _UNPLACED and self.kind in (Kind.ADDED, Kind.LOST)


def _kind_of_plans(old: Standing, new: Standing) -> Kind:
    if old.layout != new.layout:
        return Kind.MOVED
    same = old.plan_id == new.plan_id and _price(old) == _price(new)
    return Kind.SAME if same else Kind.CHANGED


def _price(standing: Standing) -> str:
    """As a status and as a decision tell it: with six digits."""
    price = standing.cost_per_million_tokens
    return "" if price is None else text.usd(price)


_UNPLACED = frozenset({State.BLOCKED, State.INFEASIBLE, State.REFUSED, State.TIME_LIMIT, State.INVALID})


def _spent(standing: Standing | None) -> float:
    return (standing.approved_cost_per_hour or 0.0) if standing is not None else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolChange:
    """GPUs of a shared pool that may be used and that plans take, on both sides; None: the pool is not there."""

    name: str
    old_capacity: int | None
    new_capacity: int | None
    old_used: int
    new_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything on both sides, by namespace and name."""

    changes: tuple[Change, ...]
    pools: tuple[PoolChange, ...]

    @property
    def old_cost_per_hour(self) -> float:
        """USD per hour of the approved plans before."""
        return sum(_spent(change.old) for change in self.changes)

    @property
    def new_cost_per_hour(self) -> float:
        """USD per hour of the approved plans after."""
        return sum(_spent(change.new) for change in self.changes)

    @property
    def cost_change_per_hour(self) -> float:
        """USD per hour more (or less, below 0)."""
        return self.new_cost_per_hour - self.old_cost_per_hour

    @property
    def cost_change_percent(self) -> float | None:
        """The same in percent of before; None when nothing was spent before."""
        return self.cost_change_per_hour / self.old_cost_per_hour * 100.0 if self.old_cost_per_hour > 0 else None


def compare(old: "Side", new: "Side") -> Comparison:
    """Put two sides beside each other."""
    keys = sorted({*old.standings, *new.standings})
    names = sorted({*old.pools, *new.pools})
    return Comparison(
        changes=tuple(
            Change(namespace=key[0], name=key[1], old=old.standings.get(key), new=new.standings.get(key))
            for key in keys
        ),
        pools=tuple(
            PoolChange(
                name=name,
                old_capacity=old.pools.get(name),
                new_capacity=new.pools.get(name),
                old_used=old.used(name),
                new_used=new.used(name),
            )
            for name in names
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side: its requests, and the capacity of its shared pools."""

    standings: Mapping[Key, Standing]
    pools: Mapping[str, int]

    def used(self, pool: str) -> int:
        """GPUs of a shared pool that approved plans take."""
        if pool not in self.pools:
            return 0
        return sum(each.gpus_by_pool.get(pool, 0) for each in self.standings.values() if each.state is State.APPROVED)


def side_of(given: Answer) -> Side:
    """What was decided, as one side."""
    keeps = given.inputs.keeps_present
    standings = {_key(each): standing_of(each, keeps_present=keeps) for each in given.results}
    return Side(standings=standings, pools=_capacities(given))


def present_side(given: Answer) -> Side:
    """What the statuses of the requests say now, as one side."""
    standings = {_key(each): standing_in(each.job.previous) for each in given.results}
    return Side(standings=standings, pools=_capacities(given))


def _capacities(given: Answer) -> dict[str, int]:
    return {each.name: each.capacity for each in given.inputs.observed if each.pool is not None}


def _key(result: Planned) -> Key:
    return result.job.namespace, result.job.name


def standing_of(result: Planned, *, keeps_present: bool = False) -> Standing:
    """What was decided for one request; a suspended one keeps its plan where plans of statuses are there."""
    decision = result.decision
    if result.job.refusal is not None:
        return Standing(state=State.INVALID, gpus_by_pool={}, reason=str(result.job.refusal.error))
    if decision is None:
        kept = standing_in(result.job.previous if keeps_present else None)
        return kept if kept.state is State.APPROVED else Standing(state=State.SUSPENDED, gpus_by_pool={})
    plan = decision.plan
    if plan is None:
        return Standing(state=state_without_plan(decision), gpus_by_pool={}, reason=reason_of(decision))
    used: dict[str, int] = {}
    for entry in plan.replicas:
        for pool, count in entry.layout.gpus_by_pool.items():
            used[pool] = used.get(pool, 0) + count * entry.count
    return Standing(
        state=State.APPROVED if plan.state is PlanState.APPROVED else State.BLOCKED,
        plan_id=plan.id,
        cost_per_hour=plan.cost_per_hour,
        cost_per_million_tokens=plan.cost_per_million_tokens,
        layout=text.plan_shape(plan),
        gpus_by_pool=used,
        reason=reason_of(decision),
    )


def state_without_plan(decision: Decision) -> State:
    """Refused tells that the request could have a plan with more stock or a higher ceiling."""
    if decision.needs:
        return State.REFUSED
    return State.TIME_LIMIT if decision.report.status is SolveStatus.TIME_LIMIT else State.INFEASIBLE


def reason_of(decision: Decision) -> str:
    """One line: why there is no approved plan, or why the plan is another one than before."""
    if decision.plan is not None and decision.plan.state is PlanState.APPROVED:
        moved = decision.move is not None and decision.move.reason is not MoveReason.FIRST_PLAN
        told = [decision.move.message] if decision.move is not None and moved else []
        return "; ".join([*told, decision.spill.message] if decision.spill is not None else told)
    if decision.plan is not None:
        failed = [gate for gate in decision.gates if gate.result is not GateResult.PASS]
        return "; ".join(_gate(gate.name, gate.limit, gate.actual, gate.policy) for gate in failed)
    told = [f"{entry.code}: {entry.message}" for entry in decision.rejections[:1]]
    return "; ".join([*told, decision.needs] if decision.needs else told)


def _gate(name: str, limit: float, actual: float | None, policy: str) -> str:
    whose = f" of policy {policy}" if policy else ""
    return f"{name} {'unknown' if actual is None else f'{actual:.6g}'}, at most {limit:.6g}{whose}"


def standing_in(status: Mapping[str, Any] | None) -> Standing:
    """What a status says; a status that holds no plan stands for none."""
    plan = (status or {}).get("plan") or {}
    if not plan.get("id"):
        return Standing(state=State.UNPLANNED, gpus_by_pool={})
    layouts: Iterable[Mapping[str, Any]] = plan.get("layouts") or ()
    return Standing(
        state=State.BLOCKED if plan.get("state") == "Blocked" else State.APPROVED,
        plan_id=str(plan["id"]),
        cost_per_hour=_number(plan.get("costPerHour")),
        cost_per_million_tokens=_number(plan.get("costPerMillionTokens")),
        layout=text.replicas(
            (int(layout.get("replicas", 1)), str(layout.get("precision", "")), _stages(layout)) for layout in layouts
        ),
        gpus_by_pool={str(pool): int(count) for pool, count in (plan.get("gpusByPool") or {}).items()},
    )


def _stages(layout: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [(str(stage.get("pool", "")), int(stage.get("tensorParallel", 1))) for stage in layout.get("stages") or ()]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
