"""Ramps: a new plan takes its share of the traffic step by step, each step only while its gates pass.

`look` is a pure function of the ramp, its memory, the gates and `now`: it advances by one step, holds, or rolls back.
It never goes forward on a failing or unknown gate, and never before the gates have passed for hold_seconds without a
gap, unless somebody promotes, which skips the time and never a gate. Messages say how long a time lasts, not what is
left of it, so that they stay true while nothing happens. docs/ramps.md tells it in full.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from placewright.core.figures import number, span
from placewright.core.model import (
    GateOutcome,
    GateResult,
    Ramp,
    RampAction,
    RampCommand,
    RampObservation,
    RampPhase,
    RampState,
    RampVerdict,
)


class RampReason(StrEnum):
    """Why a look at a ramp did what it did: condition reason, event reason and audit key in one."""

    STEP_ENTERED = "StepEntered"
    GATES_PASSING = "GatesPassing"  # their time runs
    GATE_FAILS = "GateFails"
    GATE_UNKNOWN = "GateUnknown"
    NOT_SERVING = "NotServing"  # mode Apply: what the step before gave it is not rolled out
    AWAITING_PROMOTION = "AwaitingPromotion"
    PAUSED = "Paused"
    ROLLED_BACK_BY_GATE = "RolledBackByGate"
    ROLLED_BACK_BY_COMMAND = "RolledBackByCommand"
    RESUMED = "Resumed"  # somebody promoted a plan that had been rolled back
    COMPLETED = "Completed"


_OVER = frozenset({RampPhase.COMPLETED, RampPhase.ROLLED_BACK})


def start(plan_id: str) -> RampState:
    """Return the memory of a new plan's ramp: no traffic, nothing seen."""
    return RampState(plan_id=plan_id)


def percent_of(ramp: Ramp, state: RampState) -> float:
    """Share of the traffic in percent that the plan has now."""
    step = _step(ramp, state)
    return 0.0 if step < 0 or state.phase is RampPhase.ROLLED_BACK else ramp.steps_percent[step]


def next_step(ramp: Ramp, state: RampState) -> int | None:
    """Index of the step whose gates decide about going on; None on the last step, whose own gates decide."""
    step = _step(ramp, state) + 1
    return step if step < len(ramp.steps_percent) else None


def due_at(ramp: Ramp, state: RampState) -> float | None:
    """When the next thing happens by time alone, if gates and commands stay as they are; None: nothing will."""
    if state.phase in _OVER or state.phase is RampPhase.PAUSED:
        return None
    times: list[float] = []
    if state.passing_since is not None and state.phase is RampPhase.PROGRESSING:  # it does not await a word by then
        times.append(state.passing_since + ramp.hold_seconds)
    if state.failing_since is not None and ramp.rollback_after_seconds is not None:
        times.append(state.failing_since + ramp.rollback_after_seconds)
    return min(times, default=None)


def look(
    ramp: Ramp, state: RampState, observation: RampObservation, now: float, *, max_gap_seconds: float
) -> RampVerdict:
    """Decide what one look at a ramp does.

    Args:
        ramp: the rules.
        state: what the look before left.
        observation: the gates of the present and of the next step, and what somebody asks.
        now: seconds of the same clock as the times of the state.
        max_gap_seconds: after a longer time without a look, nobody knows what the gates did: both times begin anew, as
            they do on the first look and when the clock has gone back.
    """
    if state.phase in _OVER:
        return _ended(state, observation, now)
    if observation.command is RampCommand.ROLLBACK:
        return _back(ramp, state, now, RampReason.ROLLED_BACK_BY_COMMAND, "somebody asked to leave this plan")
    seen = _see(ramp, state, observation, now, max_gap_seconds)
    if observation.command is RampCommand.PAUSE:
        where = f"paused at {_place(ramp, seen.state.step)}"
        return _hold(seen.state, RampPhase.PAUSED, RampReason.PAUSED, where)
    limit = ramp.rollback_after_seconds
    if seen.failing_for is not None and limit is not None and seen.failing_for >= limit:
        why = f"{_told(seen.failing)} for {span(seen.failing_for)}"
        return _back(ramp, seen.state, now, RampReason.ROLLED_BACK_BY_GATE, why)
    if seen.passing_for is None or not observation.serving:
        return _stopped(ramp, seen, serving=observation.serving)
    return _passing(ramp, seen, promoted=observation.command is RampCommand.PROMOTE)


# ---------------------------------------------------------------------------------------------- what one look sees


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The memory with the times of this look, for how long they run, and the gates that are in the way."""

    state: RampState
    passing_for: float | None  # seconds; None: they do not pass
    failing_for: float | None  # seconds; None: none of the present step fails
    failing: tuple[GateOutcome, ...]  # those of the present step first
    unknown: tuple[GateOutcome, ...]


def _see(ramp: Ramp, state: RampState, observation: RampObservation, now: float, max_gap_seconds: float) -> _Seen:
    step = _step(ramp, state)
    present = observation.present_gates if step >= 0 else ()
    following = observation.next_gates if next_step(ramp, state) is not None else ()
    gates = (*present, *following)
    watched = state.seen_at is not None and 0.0 <= now - state.seen_at <= max_gap_seconds
    passing = all(gate.result is GateResult.PASS for gate in gates)
    failing = any(gate.result is GateResult.FAIL for gate in present)
    passing_since = _since(state.passing_since, now, watched=watched) if passing else None
    failing_since = _since(state.failing_since, now, watched=watched) if failing else None
    return _Seen(
        state=replace(state, step=step, passing_since=passing_since, failing_since=failing_since, seen_at=now),
        passing_for=None if passing_since is None else now - passing_since,
        failing_for=None if failing_since is None else now - failing_since,
        failing=tuple(gate for gate in gates if gate.result is GateResult.FAIL),
        unknown=tuple(gate for gate in gates if gate.result is GateResult.UNKNOWN),
    )


def _since(since: float | None, now: float, *, watched: bool) -> float:
    """A time that goes on, or begins now: nobody watched, it had not begun, or it lies in the future."""
    return since if watched and since is not None and since <= now else now


def _step(ramp: Ramp, state: RampState) -> int:
    """The step of the state, also when the ramp has fewer steps now."""
    return min(state.step, len(ramp.steps_percent) - 1)


# -------------------------------------------------------------------------------------------------- what it does


def _passing(ramp: Ramp, seen: _Seen, *, promoted: bool) -> RampVerdict:
    """All gates pass: go on when their time is over, or when somebody says so."""
    state = seen.state
    following = next_step(ramp, state)
    long = seen.passing_for or 0.0
    aim = "the ramp is completed" if following is None else f"{_place(ramp, following)} is entered"
    if long < ramp.hold_seconds and not promoted:
        message = f"all gates pass; {aim} when they have for {span(ramp.hold_seconds)} without a gap"
        return _hold(state, RampPhase.PROGRESSING, RampReason.GATES_PASSING, message)
    if following is None:
        return _completed(ramp, seen)
    if not ramp.auto_promote and not promoted:
        message = f"all gates have passed for {span(ramp.hold_seconds)}; {aim} when somebody promotes it"
        return _hold(state, RampPhase.HOLDING, RampReason.AWAITING_PROMOTION, message)
    entered = replace(state, step=following, phase=RampPhase.PROGRESSING, passing_since=None, failing_since=None)
    how = "promoted while all gates pass" if long < ramp.hold_seconds else f"all gates passed for {span(long)}"
    message = f"entered {_place(ramp, following)}: {how}"
    return RampVerdict(action=RampAction.ADVANCE, state=entered, reason=RampReason.STEP_ENTERED, message=message)


def _completed(ramp: Ramp, seen: _Seen) -> RampVerdict:
    """All traffic is on the plan, and it has stood there as long as every other step."""
    message = f"all gates passed for {span(seen.passing_for or 0.0)} at {_place(ramp, seen.state.step)}"
    reason = RampReason.COMPLETED
    ended = replace(seen.state, end_reason=reason.value, end_message=message)
    return _hold(ended, RampPhase.COMPLETED, reason, message)


def _stopped(ramp: Ramp, seen: _Seen, *, serving: bool) -> RampVerdict:
    """A gate fails or is unknown, or nobody serves: nothing moves, and the line says what is in the way."""
    if not serving:
        message = f"holds at {_place(ramp, seen.state.step)}: its replicas do not serve this share yet (see Applied)"
        state = replace(seen.state, passing_since=None)
        return _hold(state, RampPhase.HOLDING, RampReason.NOT_SERVING, message)
    failing = bool(seen.failing)
    reason = RampReason.GATE_FAILS if failing else RampReason.GATE_UNKNOWN
    message = f"holds at {_place(ramp, seen.state.step)}: {_told(seen.failing or seen.unknown)}"
    if seen.failing_for is not None and ramp.rollback_after_seconds is not None:
        message += f"; it goes back when a gate of this step fails for {span(ramp.rollback_after_seconds)}"
    return _hold(seen.state, RampPhase.HOLDING, reason, message)


def _back(ramp: Ramp, state: RampState, now: float, reason: RampReason, why: str) -> RampVerdict:
    message = f"rolled back from {_place(ramp, _step(ramp, state))}: {why}; promote it anew to try again"
    left = RampState(
        plan_id=state.plan_id,
        phase=RampPhase.ROLLED_BACK,
        seen_at=now,
        end_reason=reason.value,
        end_message=message,
    )
    return RampVerdict(action=RampAction.ROLLBACK, state=left, reason=reason, message=message)


def _ended(state: RampState, observation: RampObservation, now: float) -> RampVerdict:
    """Nothing moves any more, unless somebody promotes a plan that was rolled back: it begins anew, without traffic.

    A promotion that has stood ever since is none: it may be the very one that led to the rollback, and would lead to
    the next.
    """
    if state.phase is RampPhase.ROLLED_BACK and observation.command is RampCommand.PROMOTE and state.resumable:
        begun = replace(start(state.plan_id), seen_at=now)
        message = "somebody promoted this plan after it was rolled back; it begins anew at 0 %"
        return _hold(begun, RampPhase.HOLDING, RampReason.RESUMED, message)
    quiet = state.phase is RampPhase.ROLLED_BACK and observation.command is RampCommand.NONE
    completed = state.phase is RampPhase.COMPLETED
    fallback = RampReason.COMPLETED if completed else RampReason.ROLLED_BACK_BY_COMMAND
    reason = state.end_reason or fallback.value
    message = state.end_message or ("all traffic is on this plan" if completed else "the plan before serves")
    kept = replace(state, seen_at=now, resumable=state.resumable or quiet)
    return RampVerdict(action=RampAction.HOLD, state=kept, reason=reason, message=message)


def _hold(state: RampState, phase: RampPhase, reason: RampReason, message: str) -> RampVerdict:
    return RampVerdict(action=RampAction.HOLD, state=replace(state, phase=phase), reason=reason, message=message)


# ------------------------------------------------------------------------------------------------------ one line


def _place(ramp: Ramp, step: int) -> str:
    """Where a step is, for people: `step 2 of 3 (50 %)`."""
    if step < 0:
        return "0 %"
    return f"step {step + 1} of {len(ramp.steps_percent)} ({number(ramp.steps_percent[step])} %)"


def _told(gates: Sequence[GateOutcome]) -> str:
    """The first gate with its figures, and how many more there are."""
    first = gates[0]
    if first.result is GateResult.UNKNOWN:
        text = f"{first.name} is unknown" + (f" ({first.fault})" if first.fault else "")
    else:
        actual = "missing" if first.actual is None else number(first.actual)
        text = f"{first.name} is {actual}, limit {number(first.limit)}"
    names = {gate.name for gate in gates}
    return text if len(names) == 1 else f"{text} (and {len(names) - 1} more)"
