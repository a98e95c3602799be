"""Ramps and rollbacks of the fleet's members: what is remembered of each, what plan is held, and what a status tells.

The rules are `core.ramp.look`'s. State lives in the status; in memory alone is when a ramp was looked at last, so that
a gap of the operator is no time in which gates passed.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from placewright.api.annotations import RAMP_PROMOTE, ROLLBACK_TO, ramp_command, rollback_to, step_name
from placewright.api.live import RampStatus
from placewright.api.present import present_of_plan
from placewright.core import figures, gates, ramp
from placewright.core.model import (
    Decision,
    Move,
    MoveReason,
    Observation,
    Plan,
    PlanState,
    Present,
    Ramp,
    RampAction,
    RampCommand,
    RampObservation,
    RampPhase,
    RampState,
    Request,
    RolloutPhase,
)
from placewright.handlers.bands import banded
from placewright.handlers.cache import Json
from placewright.handlers.courses import Course, completed, stored_course, told_of
from placewright.handlers.ledger import NOTHING, Holding, holding_of_stored_plan
from placewright.handlers.members import Member
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)

# Nobody chose to move: the plan before cannot serve, so the new one takes all traffic at once.
_FORCED = frozenset({MoveReason.STOCK_GONE, MoveReason.PREEMPTED, MoveReason.DEMAND_CHANGED, MoveReason.SLO_BROKEN})


@dataclass(slots=True)
class _Wish:
    """An annotation that asks for an earlier plan, and what became of it."""

    uid: str
    plan_id: str
    plan: Json | None = None
    why: str = ""  # there is no plan
    refusal: str = ""


def plan_in_force(present: Present, request: Request) -> Plan:
    """The stored plan as the gates look at it."""
    demand = request.workload.tokens_per_second or None
    return Plan(
        id=present.plan_id, state=PlanState.APPROVED, replicas=present.replicas, demand_tokens_per_second=demand
    )


class Ramps:
    """Every ramp and every plan that is held.

    Args:
        find_plan: an earlier plan (namespace, name, plan id) as a status has it; None: nobody knows it.
        indexed: whether earlier plans can be looked up by now.
        now: Unix seconds.
        max_gap_seconds: after a longer time between two looks the times of a ramp begin anew.
        refused: told of each rollback that is refused, once: the request and one line.
    """

    def __init__(
        self,
        *,
        find_plan: Callable[[str, str, str], Json | None],
        now: Callable[[], float],
        max_gap_seconds: float,
        indexed: Callable[[], bool] = lambda: True,
        refused: Callable[[Key, str], None] = lambda *_: None,
    ) -> None:
        self._find_plan = find_plan
        self._indexed = indexed
        self._now = now
        self._max_gap_seconds = max_gap_seconds
        self._refused = refused
        self._courses: dict[Key, Course] = {}
        self._wishes: dict[Key, _Wish] = {}
        self._held: dict[Key, str] = {}

    # ------------------------------------------------------------------------------------------------- looking

    def look(self, key: Key, member: Member, observation: Observation) -> bool:
        """One look at a member's ramp; returns whether there is something new to tell or to decide."""
        rules = member.ramp
        if rules is None or member.request is None:
            return False
        course = self.course(key, member)
        if course is None:
            return False
        state, present = course.state, member.present
        serves = present is not None and present.plan_id == state.plan_id
        if not serves and state.phase is not RampPhase.ROLLED_BACK:
            return False  # its plan is decided and not written yet
        seen = RampObservation(present_gates=(), next_gates=())
        following = ramp.next_step(rules, state)
        if serves and present is not None:
            plan = plan_in_force(present, member.request)
            seen = _seen(member.request, plan, observation, rules, state)
        coming = len(rules.steps_percent) if following is None else following
        asked = _asked(member.commands, state, coming)
        verdict = ramp.look(
            rules,
            state,
            replace(seen, command=asked, serving=_serving(member, state)),
            self._now(),
            max_gap_seconds=self._max_gap_seconds,
        )
        told = banded(course.gates, seen.next_gates or seen.present_gates)
        fresh = replace(
            course,
            generation=member.generation if verdict.action is RampAction.ROLLBACK else course.generation,
            state=verdict.state,
            entered_at=self._now() if verdict.action is RampAction.ADVANCE else course.entered_at,
            gates=told,
        )
        # A message counts seconds, which must not make a status of each; it is new when what it tells is.
        same = told_of(replace(fresh, reason=str(verdict.reason), message="")) == told_of(replace(course, message=""))
        fresh = replace(
            fresh, reason=str(verdict.reason), message=course.message if same and course.message else verdict.message
        )
        self._courses[key] = fresh
        return not same

    def due_at(self, key: Key, member: Member) -> float | None:
        """When the next look is due by time alone, Unix seconds; None: no such moment."""
        if member.ramp is None:
            return None
        course = self.course(key, member)
        return None if course is None else ramp.due_at(member.ramp, course.state)

    def course(self, key: Key, member: Member) -> Course | None:
        """What is remembered of a member's ramp; read from its status at first."""
        found = self._courses.get(key)
        if found is None or found.uid != member.uid:
            found = stored_course(member)
            if found is None:
                self._courses.pop(key, None)
            else:
                self._courses[key] = found
        return found

    def forget(self, key: Key) -> None:
        """The request is gone, or is not planned here any more."""
        self._courses.pop(key, None)
        self._wishes.pop(key, None)
        self._held.pop(key, None)

    # ------------------------------------------------------------------------------------- what is planned with

    def wishes(self, key: Key, member: Member) -> bool:
        """Whether the journal must be asked for a plan that an annotation names; see `fetch`."""
        wanted, known = rollback_to(member.commands), self._wishes.get(key)
        if not wanted:
            self._wishes.pop(key, None)
            return False
        return known is None or (known.uid, known.plan_id) != (member.uid, wanted)

    def fetch(self, key: Key, member: Member) -> bool:
        """Looks an earlier plan up; False: not yet. Reads files: not for the event loop."""
        if not self._indexed():
            return False
        wanted = rollback_to(member.commands)
        plan = self._find_plan(*key, wanted)
        refusal = "" if plan is not None else "the audit journal has no such plan of this request"
        self._wishes[key] = _Wish(uid=member.uid, plan_id=wanted, plan=plan, why=refusal)
        return True

    def present(self, key: Key, member: Member, fits: Callable[[Key, Holding], str]) -> Present | None:
        """The plan that a member has as far as planning is concerned.

        Args:
            key: of the member.
            member: with the plan of its status.
            fits: the pool that has no room for a holding in place of the member's own; empty: all have.
        """
        self._held.pop(key, None)
        return self._wished(key, member, fits) or self._ramped(key, member)

    def _ramped(self, key: Key, member: Member) -> Present | None:
        """The plan of the status as the ramp leaves it."""
        present = member.present
        course = None if member.ramp is None else self.course(key, member)
        if course is None:
            return present
        if course.state.phase is RampPhase.ROLLED_BACK and course.generation == member.generation:
            return self._back(key, member, course)
        if present is None:
            return None
        if course.running and course.state.plan_id == present.plan_id:
            return replace(present, dwells=True)
        # Somebody promoted a plan that had been left: the one that was held instead gives way at once.
        return replace(present, dwells=False) if course.reason == ramp.RampReason.RESUMED else present

    def _back(self, key: Key, member: Member, course: Course) -> Present | None:
        """The plan before, after a rollback: it stays until the spec changes or somebody promotes."""
        present = member.present
        if present is not None and present.plan_id != course.state.plan_id:
            return _held(present)
        before = _present(member, course.previous)
        if before is None:
            return present
        self._held[key] = course.message
        return before

    def _wished(self, key: Key, member: Member, fits: Callable[[Key, Holding], str]) -> Present | None:
        wish, present = self._wishes.get(key), member.present
        if wish is None:
            return None
        if present is not None and present.plan_id == wish.plan_id:
            wish.refusal = ""
            return _held(present)
        if wish.plan is None:
            self._refuse(key, wish, wish.why)
            return None
        earlier = _present(member, wish.plan)
        if earlier is None:
            self._refuse(key, wish, "the audit journal holds no whole plan of this id")
            return None
        short = fits(key, holding_of_stored_plan(wish.plan, _shared(member)))
        if short:
            self._refuse(key, wish, f"pool {short} has no room for it now")
            return None
        wish.refusal = ""
        self._held[key] = f"annotation {ROLLBACK_TO}"
        return earlier

    def _refuse(self, key: Key, wish: _Wish, why: str) -> None:
        line = f"{ROLLBACK_TO} {wish.plan_id} is refused: {why}"
        if wish.refusal != line:
            wish.refusal = line
            self._refused(key, line)

    def reserved(self, key: Key, member: Member) -> Holding:
        """What the plan before takes while both serve."""
        if member.ramp is None or member.present is None:
            return NOTHING
        course = self.course(key, member)
        if course is None or not course.running or course.previous is None:
            return NOTHING
        if member.present.plan_id != course.state.plan_id:
            return NOTHING
        return holding_of_stored_plan(course.previous, _shared(member))

    def note_short(self, key: Key, pool: str) -> None:
        """Whether the GPUs of the plan before could be kept: the pool that is short, empty: they are."""
        course = self._courses.get(key)
        if course is not None and course.short != pool:
            self._courses[key] = replace(course, short=pool)

    # --------------------------------------------------------------------------------------- what was decided

    def settle(self, key: Key, member: Member, decision: Decision) -> Decision:
        """Begins, continues or ends the ramp of a member; returns its decision with what a rollback makes of it."""
        plan = decision.plan
        if plan is None or plan.state is not PlanState.APPROVED:
            if plan is None or member.present is None:
                self._courses.pop(key, None)
            return self._with_refusal(key, decision)
        decision = self._rolled(key, member, decision)
        if member.ramp is None:
            self._courses.pop(key, None)
        else:
            self._courses[key] = self._course_of(key, member, plan, decision.move)
        return self._with_refusal(key, decision)

    def _with_refusal(self, key: Key, decision: Decision) -> Decision:
        wish = self._wishes.get(key)
        if wish is None or not wish.refusal:
            return decision
        return replace(decision, warnings=(wish.refusal, *decision.warnings))

    def _rolled(self, key: Key, member: Member, decision: Decision) -> Decision:
        """Tells that the plan is an earlier one; the solver was told that it is the present one."""
        why, left, plan = self._held.get(key), member.present, decision.plan
        if why is None or plan is None or (decision.move is not None and decision.move.reason in _FORCED):
            return decision
        if left is None or left.plan_id == plan.id:
            return decision
        old, new = figures.per_hour(left.cost_per_hour), figures.per_hour(plan.cost_per_hour)
        move = Move(
            reason=MoveReason.ROLLED_BACK,
            old_plan_id=left.plan_id,
            old_cost_per_hour=left.cost_per_hour,
            new_cost_per_hour=plan.cost_per_hour,
            message=f"an earlier plan serves again ({why}): {old} before, {new} now",
        )
        return replace(decision, move=move)

    def _course_of(self, key: Key, member: Member, plan: Plan, move: Move | None) -> Course:
        course = self.course(key, member)
        if course is not None and self._goes_on(course, member, plan, move):
            if course.running and course.previous is None and member.present is not None:
                # Promoted after a rollback: the plan that is held until now is the one before.
                return course if member.present.plan_id == plan.id else replace(course, previous=_plan(member))
            return course
        stored = stored_course(member)
        if stored is not None and stored.running and stored.state.plan_id == plan.id:
            return stored  # another plan was decided and never written
        return self._begun(member, course, plan, move)

    @staticmethod
    def _goes_on(course: Course, member: Member, plan: Plan, move: Move | None) -> bool:
        if course.state.phase is not RampPhase.ROLLED_BACK:
            return course.state.plan_id == plan.id
        if course.generation != member.generation:
            return False
        return (plan.id != course.state.plan_id and (move is None or move.reason not in _FORCED)) or (
            course.previous is None and plan.id == course.state.plan_id
        )

    def _begun(self, member: Member, course: Course | None, plan: Plan, move: Move | None) -> Course:
        """The ramp of a plan that is new to it."""
        assert member.ramp is not None, "only a request with a ramp has a course"
        reason = move.reason if move is not None else None
        blank = Course(uid=member.uid, generation=member.generation, state=ramp.start(plan.id), entered_at=self._now())
        present = member.present
        under_way = course if course is not None and course.running else None
        if reason is MoveReason.REPRICED and under_way is not None:  # the same layouts under another name
            return replace(under_way, state=replace(under_way.state, plan_id=plan.id))
        if reason in _FORCED or reason in {MoveReason.REPRICED, MoveReason.ROLLED_BACK}:
            return completed(blank, member.ramp, f"all traffic at once: {reason}")
        if present is not None and present.plan_id == plan.id:
            return completed(blank, member.ramp, "this plan served before there was a ramp")
        before = under_way.previous if under_way is not None and under_way.previous is not None else _plan(member)
        return replace(blank, previous=before, reason="NewPlan", message="a new plan; it has no traffic yet")

    def status(self, key: Key, member: Member) -> RampStatus | None:
        """What a status shows of the ramp; None: nothing."""
        course = self._courses.get(key)
        if course is None or member.ramp is None:
            return None
        message = course.message
        if course.short and course.running:
            message += f"; the GPUs of the plan before are not kept, as pool {course.short} has no room for both"
        return RampStatus(
            ramp=member.ramp,
            state=course.state,
            entered_at=course.entered_at,
            reason=course.reason,
            message=message,
            gates=course.gates,
            previous_plan=course.previous if course.running else None,
        )

    def told(self, key: Key) -> object:
        """What of the ramp is worth a status, for comparing."""
        course = self._courses.get(key)
        return None if course is None else told_of(course)


def _asked(commands: Json, state: RampState, coming: int) -> RampCommand:
    """What is asked of a ramp; a rollback that has been followed asks nothing more, unless it hides a promotion."""
    asked = ramp_command(commands, state.plan_id, coming)
    if state.phase is not RampPhase.ROLLED_BACK or asked is not RampCommand.ROLLBACK:
        return asked
    given = commands["metadata"]["annotations"].get(RAMP_PROMOTE)
    return asked if given == step_name(state.plan_id, coming) else RampCommand.NONE


def _seen(request: Request, plan: Plan, observation: Observation, rules: Ramp, state: RampState) -> RampObservation:
    following = ramp.next_step(rules, state)
    return RampObservation(
        present_gates=gates.of_step(request, plan, observation, rules, state.step),
        next_gates=() if following is None else gates.of_step(request, plan, observation, rules, following),
    )


def _serving(member: Member, state: RampState) -> bool:
    """Whether the plan runs as far as its ramp lets it; in mode Recommend that is for others to know."""
    resource = member.resource
    if resource["spec"].get("mode") != "Apply":
        return True
    rollout = (resource.get("status") or {}).get("rollout") or {}
    return rollout.get("planId") == state.plan_id and rollout.get("phase") == RolloutPhase.ROLLED_OUT


def _plan(member: Member) -> Json | None:
    """The whole approved plan of the status."""
    if member.present is None:
        return None
    plan: Json | None = (member.resource.get("status") or {}).get("plan")
    return plan


def _present(member: Member, plan: Mapping[str, Any] | None) -> Present | None:
    """A plan that is held in place of the stored one."""
    if plan is None or member.request is None:
        return None
    metadata = {"name": member.request.name, "namespace": member.request.namespace}
    return present_of_plan(plan, metadata, dwells=True, held=True)


def _held(present: Present) -> Present:
    """A plan that stays; that it dwells too makes it the same question when its dwell ends."""
    return replace(present, held=True, dwells=True)


def _shared(member: Member) -> frozenset[str]:
    request = member.request
    return frozenset(pool.name for pool in request.pools if pool.shared) if request is not None else frozenset()
