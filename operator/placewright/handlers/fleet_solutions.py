"""Decisions for the whole fleet: its parts are solved side by side, and none twice for the same question."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from placewright.core.fleet.components import combine, components, joined
from placewright.core.model import Decision, FleetDecision, PlanState, Request, Snapshot
from placewright.handlers.solver import FleetOutcome, FleetSolver, SolveFailed
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)

_TRIES = 2  # a part that kills its process this often is not tried again until it changes
_JOINS = 3  # broken ceilings of namespaces first, then of the fleet
_State = Mapping[Key, tuple[str, bool, bool]]  # plan, whether it dwells, whether it is held


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What was decided of a snapshot.

    Attributes:
        whole: the decision for every request that could be decided.
        failed: the others, and what became of the solve.
        seconds: how long the solve of each request's part took.
        brief: requests whose explanations were given back already; see `FleetSolutions.forget`.
        solved: how many parts were solved for this.
    """

    whole: FleetDecision
    failed: Mapping[Key, SolveFailed]
    seconds: Mapping[Key, float]
    brief: frozenset[Key]
    solved: int


@dataclass(slots=True)
class _Known:
    """A part, what became of its solve, and the plans that stand when the outcome is stored."""

    part: Snapshot
    outcome: FleetOutcome
    asked: _State
    after: _State
    brief: bool = False


@dataclass(slots=True)
class _Round:
    """What one call of `decide` has gathered."""

    parts: list[FleetDecision] = field(default_factory=list)
    failed: dict[Key, SolveFailed] = field(default_factory=dict)
    seconds: dict[Key, float] = field(default_factory=dict)
    brief: set[Key] = field(default_factory=set)
    used: set[tuple[object, ...]] = field(default_factory=set)
    solved: int = 0


class FleetSolutions:
    """Cache and retries in front of a solver of parts.

    Args:
        solver: solves apart from the event loop.
        grace_seconds: added to the longest time limit of a part's requests before its process is killed.
        on_solved: told of each solve that ended, for metrics.
    """

    def __init__(
        self, solver: FleetSolver, *, grace_seconds: float, on_solved: Callable[[Snapshot, FleetOutcome], None]
    ) -> None:
        self._solver = solver
        self._grace_seconds = grace_seconds
        self._on_solved = on_solved
        self._known: dict[tuple[object, ...], _Known] = {}
        self._running: dict[int, float] = {}

    async def decide(self, snapshot: Snapshot) -> Planned:
        """Decides every request of a snapshot; only parts that have changed are solved."""
        round_ = _Round()
        parts = await asyncio.to_thread(components, snapshot)
        await self._solve_all(parts, round_)
        decided = _left(snapshot, round_.failed)
        whole = combine(decided, round_.parts)
        for _ in range(_JOINS):
            again = joined(decided, whole)
            if not again:
                break
            await self._solve_all(again, round_)
            decided = _left(snapshot, round_.failed)
            whole = combine(decided, round_.parts)
        self._known = {name: known for name, known in self._known.items() if name in round_.used}
        return Planned(
            whole=whole,
            failed=round_.failed,
            seconds=round_.seconds,
            brief=frozenset(round_.brief),
            solved=round_.solved,
        )

    def forget(self, keys: Iterable[Key]) -> None:
        """Solves the parts of these requests again, whatever is known: their explanations are needed once more."""
        wanted = frozenset(keys)
        self._known = {name: known for name, known in self._known.items() if wanted.isdisjoint(_keys(known.part))}

    def forget_transient(self) -> bool:
        """Solves again what failed for lack of a process; returns whether there is any such part."""
        before = len(self._known)
        self._known = {
            name: known
            for name, known in self._known.items()
            if not (isinstance(known.outcome, SolveFailed) and known.outcome.transient)
        }
        return len(self._known) < before

    def give_back(self, unwritten: Iterable[Key]) -> None:
        """Drops the explanations of all decisions that are written: they stand in the statuses, and are large."""
        kept = frozenset(unwritten)
        for known in self._known.values():
            if not known.brief and not isinstance(known.outcome, SolveFailed) and kept.isdisjoint(_keys(known.part)):
                known.outcome = replace(known.outcome, decision=_briefly(known.outcome.decision, known.part))
                known.brief = True

    def longest_limit_seconds(self) -> float:
        """How long the slowest running solve may take in all, with its second try; 0 when none runs."""
        return max(list(self._running.values()), default=0.0) * _TRIES

    async def _solve_all(self, parts: Sequence[Snapshot], round_: _Round) -> None:
        found = await asyncio.gather(*(self._part(part, round_) for part in parts))
        for part, known in zip(parts, found, strict=True):
            if isinstance(known.outcome, SolveFailed):
                round_.failed.update(dict.fromkeys(_keys(part), known.outcome))
                continue
            round_.parts.append(known.outcome.decision)
            for key in _keys(part):
                round_.seconds[key] = known.outcome.seconds
                (round_.brief.add if known.brief else round_.brief.discard)(key)

    async def _part(self, part: Snapshot, round_: _Round) -> _Known:
        name = (*_keys(part), part.ceilings)
        round_.used.add(name)
        known, present = self._known.get(name), _present(part)
        if known is not None and _same_question(known.part, part) and present in (known.asked, known.after):
            return known
        outcome = await self._solve(part)
        round_.solved += 1
        after = present if isinstance(outcome, SolveFailed) else _after(outcome.decision, present)
        self._known[name] = _Known(part=part, outcome=outcome, asked=present, after=after)
        return self._known[name]

    async def _solve(self, part: Snapshot) -> FleetOutcome:
        limit = max(request.solver.time_limit_seconds for request in part.requests) + self._grace_seconds
        self._running[id(part)] = limit
        try:
            for attempt in range(1, _TRIES + 1):
                outcome = await self._solver.solve_fleet(part, timeout_seconds=limit)
                self._on_solved(part, outcome)
                if not isinstance(outcome, SolveFailed) or outcome.transient:
                    return outcome
                # A hang is not tried again: it would hold a process for the whole limit once more.
                if not outcome.lethal or outcome.reason == "SolverTimeout" or attempt == _TRIES:
                    log.error(
                        "part of the fleet quarantined until it changes",
                        extra={"requests": len(part.requests), "reason": outcome.reason, "error": outcome.message},
                    )
                    return outcome
                log.warning("fleet solve lost its process, trying once more", extra={"error": outcome.message})
        finally:
            del self._running[id(part)]
        raise AssertionError("the loop returns")


def _key(request: Request) -> Key:
    return request.namespace, request.name


def _keys(part: Snapshot) -> list[Key]:
    return [_key(request) for request in part.requests]


def _present(part: Snapshot) -> _State:
    return {(entry.namespace, entry.name): (entry.plan_id, entry.dwells, entry.held) for entry in part.present}


def _after(decision: FleetDecision, before: _State) -> _State:
    """The plans that stand once the decision is stored: those that are new dwell from then on."""
    return {
        _key(entry.request): old if old is not None and old[0] == entry.plan.id else (entry.plan.id, True, False)
        for entry in decision.decisions
        if entry.plan is not None and entry.plan.state is PlanState.APPROVED
        for old in [before.get(_key(entry.request))]
    }


def _same_question(known: Snapshot, part: Snapshot) -> bool:
    """Whether two parts ask the same but for the present plans; quick where the requests are the same objects."""
    return known.requests == part.requests and known.pools == part.pools and known.ceilings == part.ceilings


def _left(snapshot: Snapshot, failed: Mapping[Key, SolveFailed]) -> Snapshot:
    """The snapshot without what could not be solved: its plans stay, and what they cost counts."""
    if not failed:
        return snapshot
    kept = [entry for entry in snapshot.present if (entry.namespace, entry.name) in failed]
    return replace(
        snapshot,
        requests=tuple(request for request in snapshot.requests if _key(request) not in failed),
        present=tuple(entry for entry in snapshot.present if (entry.namespace, entry.name) not in failed),
        ceilings=tuple(
            replace(
                ceiling,
                max_cost_per_hour=max(
                    0.0,
                    ceiling.max_cost_per_hour
                    - sum(entry.cost_per_hour for entry in kept if ceiling.namespace in {None, entry.namespace}),
                ),
            )
            for ceiling in snapshot.ceilings
        ),
    )


def _briefly(whole: FleetDecision, part: Snapshot) -> FleetDecision:
    ours = {_key(request): request for request in part.requests}
    return replace(whole, decisions=tuple(_brief(entry, ours[_key(entry.request)]) for entry in whole.decisions))


def _brief(decision: Decision, request: Request) -> Decision:
    """The decision without what only a status shows of it, and with our own copy of the request."""
    if decision.plan is None:
        relaxation = decision.relaxation and replace(decision.relaxation, request=request)
        return replace(decision, request=request, relaxation=relaxation)
    return replace(decision, request=request, alternatives=(), frontier=(), rejections=(), relaxation=None)
