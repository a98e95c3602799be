"""Carries out what was decided for one request: tells it, does it, and tells why where it could not be done."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from placewright.api.acting_status import AppliedReason, not_applied
from placewright.core.model import Remove, RolloutAction, Weigh
from placewright.handlers.acting.checkpoints import Checkpoint, Pass, passed
from placewright.handlers.acting.deciding import Decided
from placewright.handlers.acting.limits import Doing
from placewright.handlers.acting.looks import Hold, Look
from placewright.handlers.acting.reporting import Reporter
from placewright.handlers.acting.telling import Counters
from placewright.kube.act import Actor, Task
from placewright.kube.client import ApiError, UnreachableError
from placewright.kube.outcomes import ActResult, Outcome
from placewright.telemetry.acting_figures import ActionKind, ActionResult
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)

_TEND_SECONDS: Final = 600.0  # between two looks for what hands changed of what stands
_TENDS_PER_CYCLE: Final = 20
_ERRORS_TOLD: Final = 3
_FIRST_PAUSE_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_MOST_CONFLICTS: Final = 8  # in turn, at each of which it is looked at again at once
_MOST_TIMES: Final = 3  # that the same step is done in turn before somebody else must be at work
_AGAIN_SECONDS: Final = 180.0  # a step that is the same after so long is another one
_MARKS: Final = {
    Doing.REAP: (Checkpoint.BEFORE_REAP, Checkpoint.AFTER_REAP),
    Doing.WAKE: (Checkpoint.BEFORE_WAKE, Checkpoint.AFTER_WAKE),
}


@dataclass(slots=True)
class _Course:
    """What is remembered of a request; nothing of it is needed after a restart.

    Attributes:
        about: which spec and which plan of it.
        refused: how its newest step ended; None: well.
        unanswered: steps in turn to which the API server had no word but an error of its own.
        again_at: when a step that was refused is tried again.
        pause: until then, when it is refused again.
        tended_at: when it was looked for what hands changed.
        conflicts: in turn.
        done: what was carried out last.
        done_at: when.
        times: how often in turn.
    """

    about: object = None
    refused: Hold | None = None
    unanswered: int = 0
    again_at: float = float("-inf")
    pause: float = _FIRST_PAUSE_SECONDS
    tended_at: float = float("-inf")
    conflicts: int = 0
    done: tuple[RolloutAction, ...] = ()
    done_at: float = float("-inf")
    times: int = 0

    def undone(self, actions: tuple[RolloutAction, ...], now: float) -> bool:
        """Notes what was done; returns whether somebody undoes it again and again."""
        same = actions == self.done and now - self.done_at <= _AGAIN_SECONDS
        self.times = self.times + 1 if same else 1
        self.done, self.done_at = actions, now
        return self.times >= _MOST_TIMES

    def refuse(self, hold: Hold, now: float) -> None:
        """Tries it again after ever longer."""
        self.refused = hold
        self.again_at = now + self.pause
        self.pause = min(2.0 * self.pause, _LONGEST_PAUSE_SECONDS)


class Carrier:
    """Carries out.

    Args:
        actor: writes workloads and routes.
        reporter: writes statuses.
        counters: of the metrics.
        clock: seconds of a clock that does not go back.
        checkpoint: told of moments.
    """

    def __init__(
        self,
        *,
        actor: Actor,
        reporter: Reporter,
        counters: Counters,
        clock: Callable[[], float],
        checkpoint: Pass = passed,
    ) -> None:
        self._actor = actor
        self._reporter = reporter
        self._counters = counters
        self._clock = clock
        self._checkpoint = checkpoint
        self._courses: dict[Key, _Course] = {}
        self._tends = 0

    def begin(self) -> None:
        """A cycle begins."""
        self._tends = _TENDS_PER_CYCLE

    def forget(self, key: Key) -> None:
        """The request is gone."""
        self._courses.pop(key, None)

    def refused(self, key: Key) -> Hold | None:
        """Why the newest step of a request could not be done; None: it could."""
        course = self._courses.get(key)
        return None if course is None else course.refused

    async def carry(self, decided: Decided) -> bool:
        """Tells and does what was decided; returns whether a look is due at once, as something changed meanwhile.

        Raises:
            ApiError, UnreachableError: the API server does not answer; to be tried again.
        """
        look, step = decided.look, decided.step
        if step is not None and step.actions:
            self._checkpoint(Checkpoint.DECIDED)
        told = await self._reporter.report(look.key, look.subject, decided.parts)
        if not told or step is None:
            return False  # what is not told was changed meanwhile, and the watch tells
        course, now = self._course(look), self._clock()
        if course.refused is not None and now < course.again_at and step.actions:
            return False
        tend = self._tends > 0 and now - course.tended_at >= _TEND_SECONDS
        self._tends -= tend
        before, after = _MARKS.get(decided.doing, (None, None)) if step.actions else (None, None)
        if before is not None:
            self._checkpoint(before)
        outcome = await self._carried(decided, tend=tend)
        if after is not None:
            self._checkpoint(after)
        if tend and outcome.result is ActResult.DONE:
            course.tended_at = now
        return await self._ended(decided, course, outcome, now)

    def _course(self, look: Look) -> _Course:
        about = (look.subject.uid, look.subject.generation, look.rollout.plan_id)
        course = self._courses.setdefault(look.key, _Course())
        if course.about != about:
            course = self._courses[look.key] = _Course(about=about, tended_at=course.tended_at)
        return course

    async def _carried(self, decided: Decided, *, tend: bool) -> Outcome:
        look, step = decided.look, decided.step
        assert step is not None, "only a step is carried out"
        try:
            outcome = await self._actor.carry_out(_task(look), step, tend=tend)
        except (ApiError, UnreachableError) as error:
            for action in step.actions[:1]:
                self._counters.acted(_kind(action), ActionResult.FAILED)
            if isinstance(error, ApiError) and step.actions:
                self._unanswered(self._course(look), error)
            raise
        for action in outcome.done:
            self._counters.acted(_kind(action), ActionResult.DONE)
            log.info("acted", extra={**_names(look.key), "action": _said(action), "doing": str(decided.doing)})
        if outcome.result is not ActResult.DONE:
            for action in step.actions[len(outcome.done) : len(outcome.done) + 1]:
                self._counters.acted(_kind(action), ActionResult(str(outcome.result)))
        return outcome

    @staticmethod
    def _unanswered(course: _Course, error: ApiError) -> None:
        """An error that lasts is told in the condition Applied from the next look on; one alone passes by."""
        course.unanswered += 1
        if course.unanswered >= _ERRORS_TOLD:
            course.refused = Hold(reason=AppliedReason.DENIED, message=str(error))

    async def _ended(self, decided: Decided, course: _Course, outcome: Outcome, now: float) -> bool:
        look = decided.look
        if outcome.result is ActResult.DONE:
            _note_done(decided, course, now)
            return False
        reason = AppliedReason.WAITING
        if outcome.result is ActResult.CONFLICT:
            log.info("something changed since the decision", extra={**_names(look.key), "detail": outcome.message})
            course.conflicts += 1
            if course.conflicts <= _MOST_CONFLICTS:
                return True
        else:
            reason = AppliedReason(str(outcome.result))
        hold = Hold(reason=reason, message=outcome.message)
        course.refuse(hold, now)
        log.warning(
            "acting is refused", extra={**_names(look.key), "reason": str(outcome.result), "detail": outcome.message}
        )
        await self._reporter.report(
            look.key,
            self._reporter.newest(look.key, look.subject),
            replace(decided.parts, applied=not_applied(hold.reason, hold.message)),
        )
        return False


def _note_done(decided: Decided, course: _Course, now: float) -> None:
    """A step was carried out; where somebody undoes the same one again and again, it is done ever more slowly."""
    assert decided.step is not None, "only a step ends"
    actions = decided.step.actions
    course.conflicts = 0
    if actions and course.undone(actions, now):
        told = f"somebody else undoes it again and again: {', '.join(map(_said, actions))}; one of the two has to go"
        course.refuse(Hold(reason=AppliedReason.REPLICAS_OWNED, message=told), now)
        log.warning("acting is undone", extra={**_names(decided.look.key), "detail": told})
    elif actions or course.refused is None:
        course.refused, course.pause = None, _FIRST_PAUSE_SECONDS


def _task(look: Look) -> Task:
    return Task(
        request=look.subject.resource,
        seen={each.name: each for each in look.workloads},
        move=look.move,
        route=look.route,
        target=look.target,
    )


def _kind(action: RolloutAction) -> ActionKind:
    if isinstance(action, Weigh):
        return ActionKind.WEIGH
    return ActionKind.REMOVE if isinstance(action, Remove) else ActionKind.SCALE


def _said(action: RolloutAction) -> str:
    if isinstance(action, Weigh):
        return "weigh " + ", ".join(f"{name} {share:.4g}" for name, share in sorted(action.shares.items()))
    return f"remove {action.name}" if isinstance(action, Remove) else f"scale {action.name} to {action.replicas}"


def _names(key: Key) -> dict[str, str]:
    return {"namespace": key[0], "request": key[1]}
