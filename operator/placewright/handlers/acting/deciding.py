"""What one look at a request says and does. Decides; asks and writes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from placewright.api.acting_status import (
    AppliedReason,
    applied_condition,
    idle_condition,
    idle_data,
    not_applied,
    rollout_data,
)
from placewright.api.annotations import retries
from placewright.api.conditions import Condition
from placewright.api.parts import Parts
from placewright.core import rollout
from placewright.core.model import (
    Goal,
    IdleAction,
    IdleState,
    IdleVerdict,
    RolloutMemory,
    RolloutPhase,
    RolloutStep,
    Unit,
)
from placewright.core.stock import Budget
from placewright.handlers.acting.goals import goal_of
from placewright.handlers.acting.idling import Found
from placewright.handlers.acting.limits import Brake, Cycle, Doing, doing_of, held
from placewright.handlers.acting.looks import Hold, Look
from placewright.handlers.acting.reporting import condition_of
from placewright.handlers.acting.stock import Book


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What follows of a look.

    Attributes:
        look: at the request.
        parts: what its status is to say.
        step: what is done; None: nothing, and nothing is looked after.
        doing: what the step is to the fleet.
    """

    look: Look
    parts: Parts
    step: RolloutStep | None = None
    doing: Doing = Doing.ROLLOUT


class Decider:
    """Decides the looks of one cycle, one after the other.

    Args:
        book: the stock.
        cycle: what may be moved and reaped.
        brake: whether rollouts are held.
        now: Unix seconds.
    """

    def __init__(self, *, book: Book, cycle: Cycle, brake: Brake, now: float) -> None:
        self._book = book
        self._cycle = cycle
        self._brake = brake
        self._now = now

    def decide(self, look: Look, found: Found | None, refused: Hold | None) -> Decided:
        """One look.

        Args:
            look: at the request.
            found: what follows of its idling; None: it was not asked in this cycle.
            refused: how the step before ended; None: well, or there was none.
        """
        hold = look.hold
        if hold is None and look.stored.plan is None and not _empties(look):
            hold = Hold(reason=AppliedReason.WAITING, message="there is no plan; what runs stays as it is")
        if hold is not None:
            return Decided(look=look, parts=_parts(look, found, _applied(hold)))
        reaping = found is not None and found.verdict.action is IdleAction.REAP
        if found is not None and reaping:
            gpus = _given_back(look, found.verdict.target or 0)
            if self._cycle.may_reap(look.key, gpus):
                self._cycle.reaps(look.key, gpus)
            else:
                reaping = False
                told = f"{found.verdict.message.rpartition(':')[0]}: it waits for its turn, as others are being reaped"
                waits = replace(found.verdict, action=IdleAction.KEEP, target=None, message=told)
                found = replace(found, verdict=waits)
        return self._stepped(look, found, refused, reaping=reaping)

    def _stepped(self, look: Look, found: Found | None, refused: Hold | None, *, reaping: bool) -> Decided:
        assert look.said is not None, "only what was read is acted for"
        verdict = None if found is None else found.verdict
        target = None if verdict is None else verdict.target
        goal = _goal(look, target)
        doing = doing_of(
            emptied=_empties(look),
            reaping=target is not None,
            waking=_waking(look, verdict),
            rolled_out=_rolled_out(look, goal),
        )
        memory = self._memory(look)
        free = reaping or (self._brake.engaged and doing is Doing.ROLLOUT)  # counted already, or not done at all
        stock = self._book.open(look.key, look.claim, look.private)
        step = rollout.decide(
            goal,
            look.running,
            stock,
            look.said.rollout,
            memory,
            self._now,
            budget=Budget(None) if free else self._cycle.budget,
            owner=look.key,
        )
        self._book.close(look.key, look.claim)
        applied = applied_condition(step)
        if held(step, doing, self._brake):
            step = replace(step, actions=(), phase=RolloutPhase.WAITING, message=self._brake.message)
            applied = not_applied(AppliedReason.BRAKE_ENGAGED, self._brake.message)
        elif refused is not None and step.actions:
            applied = not_applied(refused.reason, refused.message)
        parts = replace(_parts(look, found, applied), rollout=rollout_data(step, look.now))
        return Decided(look=look, parts=parts, step=step, doing=doing)

    def _memory(self, look: Look) -> RolloutMemory:
        """What is remembered, without failures where somebody wants another try: a new spec, or an annotation."""
        memory = look.rollout
        if memory.failed_at is None:
            return memory
        if retries(look.subject.resource) or _generation(look) < look.subject.generation:
            return replace(memory, failures=0, failed_at=None, trouble="", since=self._now)
        return memory


def _given_back(look: Look, target: int) -> int:
    """GPUs that end to be asked for when a request goes down to so many replicas."""
    kept = {unit.name: unit.replicas for unit in rollout.lowered(look.units, target)}
    return sum(max(0, each.replicas - kept.get(each.name, 0)) * rollout.gpus_of(each.pools) for each in look.running)


def _empties(look: Look) -> bool:
    """Whether what runs goes, as its GPUs are gone: of a target only where a plan was rolled out on it."""
    if look.target is None or not look.stored.emptied:
        return look.stored.emptied
    rolled: Iterable[Any] = (look.subject.status.get("rollout") or {}).get("workloads") or ()
    named = {(each.get("kind"), each.get("name")) for each in rolled}
    return look.target[1:] in named and all(each.gpus for each in look.workloads)


def _goal(look: Look, target: int | None) -> Goal:
    if look.stored.emptied and look.target is not None:
        nothing = tuple(Unit(name=each.name, replicas=0, weight=1.0, pools=each.pools) for each in look.running)
        return Goal(plan_id="", units=nothing)
    routed = look.move is not None and look.move.route is not None
    return goal_of(look.stored, look.units, before=look.before, target=target, routed=routed)


def _waking(look: Look, verdict: IdleVerdict | None) -> bool:
    state = look.idle.state if verdict is None else verdict.memory.state
    return state is IdleState.WAKING


def _rolled_out(look: Look, goal: Goal) -> bool:
    """Whether the plan was rolled out before, and nothing else of the request runs."""
    wanted = {unit.name for unit in goal.units}
    return (
        look.rollout.plan_id == goal.plan_id
        and look.rollout.done_at is not None
        and all(each.name in wanted and not each.stale for each in look.running)
    )


def _generation(look: Look) -> int:
    """Of the spec for which the condition Applied was found."""
    conditions: Iterable[Any] = look.subject.status.get("conditions") or ()
    found: Any = next((each for each in conditions if each.get("type") == "Applied"), {})
    return int(found.get("observedGeneration") or 0)


def _applied(hold: Hold) -> Condition | None:
    if hold.reason is AppliedReason.NOT_REQUESTED:
        return None  # told only where something was applied before, which the status knows
    return not_applied(hold.reason, hold.message)


def _parts(look: Look, found: Found | None, applied: Condition | None) -> Parts:
    """What the status is to say, with what it says of what was not looked at now."""
    status, requested = look.subject.status, look.subject.applies
    stands = status.get("rollout") if requested else None
    if found is not None:
        return Parts(
            rollout=stands,
            idle=idle_data(found.verdict, found.suggestions),
            applied=applied,
            idling=idle_condition(found.verdict),
        )
    if look.said is not None and look.said.idle.policy == "Off":
        return Parts(rollout=stands, applied=applied)
    return Parts(rollout=stands, idle=status.get("idle"), applied=applied, idling=condition_of(status, "Idle"))
