"""One ramp as the operator remembers it: read from a status, told in a status."""

from dataclasses import dataclass, replace

from placewright.api.live import stored_ramp
from placewright.core.model import GateOutcome, Ramp, RampPhase, RampState
from placewright.core.ramp import RampReason
from placewright.handlers.bands import outcomes_of, plain
from placewright.handlers.cache import Json
from placewright.handlers.members import Member

_RUNNING = frozenset({RampPhase.PROGRESSING, RampPhase.HOLDING, RampPhase.PAUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One ramp.

    Attributes:
        uid: of the request.
        generation: of the spec for which a rollback is held.
        state: the core's memory.
        entered_at: when it entered its step, Unix seconds.
        reason, message: of the look that is told.
        gates: of the next step, as told.
        previous: the whole plan before, as a status has it; None: there was none.
        short: the pool that has no room for the plan before beside everything else; empty: its GPUs are kept.
    """

    uid: str
    generation: int
    state: RampState
    entered_at: float | None = None
    reason: str = ""
    message: str = ""
    gates: tuple[GateOutcome, ...] = ()
    previous: Json | None = None
    short: str = ""

    @property
    def running(self) -> bool:
        """Whether both plans serve."""
        return self.state.phase in _RUNNING


def told_of(course: Course) -> tuple[object, ...]:
    """What of a course is worth a status, for comparing."""
    state = course.state
    times = [None if moment is None else int(moment) for moment in (state.passing_since, state.failing_since)]
    return (
        *(state.plan_id, state.step, str(state.phase), course.reason, course.message, course.short),
        *times,
        plain(course.gates),
    )


def completed(blank: Course, rules: Ramp, message: str) -> Course:
    """All traffic is on the plan."""
    reason = RampReason.COMPLETED.value
    state = replace(
        blank.state,
        step=len(rules.steps_percent) - 1,
        phase=RampPhase.COMPLETED,
        end_reason=reason,
        end_message=message,
    )
    return replace(blank, state=state, reason=reason, message=message)


def stored_course(member: Member) -> Course | None:
    """The ramp as the status holds it."""
    resource = member.resource
    stored = stored_ramp(resource)
    if stored is None or member.ramp is None:
        return None
    status = resource["status"]
    return Course(
        uid=member.uid,
        generation=int(status.get("observedGeneration", member.generation)),
        state=stored.state,
        entered_at=stored.entered_at,
        reason=stored.reason,
        message=stored.message,
        gates=outcomes_of(status["ramp"].get("gates")),
        previous=None if stored.previous_plan is None else dict(stored.previous_plan),
    )
