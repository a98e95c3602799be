"""Annotations by which people steer a request, and which GitOps keeps in a file: ramps, rollbacks, rollouts, idling.

Those that ask for something to be done once name what it is about (a plan, a step of it, a word of its own), so that
one that stays does nothing twice; those that hold something back hold it while they stand.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from placewright.api.base import PATTERN_WORDS, TIME_PATTERN, unix_seconds
from placewright.core.model import RampCommand

RAMP: Final = "placewright.dev/ramp"
"""`pause`: the ramp stays at its step while this stands."""

RAMP_PROMOTE: Final = "placewright.dev/ramp-promote"
"""`<plan id>/<step>`: enter this step (counted from 0) of this plan once its gates pass, without waiting holdFor."""

RAMP_ROLLBACK: Final = "placewright.dev/ramp-rollback"
"""`<plan id>`: leave this plan; the one before serves again."""

ROLLBACK_TO: Final = "placewright.dev/rollback-to"
"""`<plan id>`: this earlier plan serves, and is held while the annotation stands."""

ACTOR: Final = "placewright.dev/actor"
"""Who wrote the others, for the audit; whoever may write the object may write any name."""

PAUSE_WORK: Final = "placewright.dev/pause"
"""`<why>` on a request: nothing is done to its workloads while this stands; planning goes on. `false` is no pause."""

PAUSE_ALL: Final = PAUSE_WORK
"""The same on any PlacementPolicy: nothing is done to any workload."""

RETRY: Final = "placewright.dev/retry"
"""`<plan id>/<failedAt of status.rollout>`: the rollout that failed then is tried again at once, without waiting
retryAfter. A later failure is another one, so the same word is obeyed once."""

WAKE: Final = "placewright.dev/wake"
"""Any new text: a reaped request gets its replicas back. The same text wakes once only; the command line writes the
time."""

DO_NOT_REAP: Final = "placewright.dev/do-not-reap"
"""Anything but `false`: the request is not reaped while this stands."""

EXCLUDE_UNTIL: Final = "placewright.dev/exclude-until"
"""`<RFC 3339 time>`: the request is not reaped until then."""

BRAKE_RELEASED: Final = "placewright.dev/brake-released-at"
"""`<RFC 3339 time>` on a PlacementPolicy: rollouts that failed before it do not count for the brake."""

COMMANDS: Final = (RAMP, RAMP_PROMOTE, RAMP_ROLLBACK, ROLLBACK_TO)
"""Annotations that a plan depends on: a change of them is decided anew."""

ACTING: Final = (PAUSE_WORK, RETRY, WAKE, DO_NOT_REAP, EXCLUDE_UNTIL)
"""Annotations that only what is done to workloads depends on: a change of them is no reason to plan."""

PAUSE: Final = "pause"
MAX_ACTOR: Final = 128
MAX_WORD: Final = 256
"""Most characters of an annotation's free text that count."""

_NO: Final = "false"

_PLAN_ID: Final = re.compile(r"p-[0-9a-f]{1,62}")
_RETRY: Final = re.compile(r"p-[0-9a-f]{1,62}/[0-9TZ:.+-]{10,64}")
_STEP: Final = re.compile(r"(?P<plan>p-[0-9a-f]{1,62})/(?P<step>0|[1-9][0-9]{0,3})")

Json = Mapping[str, Any]


def ramp_command(resource: Json, plan_id: str, next_step: int) -> RampCommand:
    """Return what the annotations ask of the ramp of a plan. Rollback wins over pause, and pause over promote.

    Args:
        resource: the PlacementRequest as stored.
        plan_id: the plan that ramps, or that was rolled back.
        next_step: index of the step that it would enter next.
    """
    given = _annotations(resource)
    if given.get(RAMP_ROLLBACK) == plan_id:
        return RampCommand.ROLLBACK
    if given.get(RAMP) == PAUSE:
        return RampCommand.PAUSE
    return RampCommand.PROMOTE if given.get(RAMP_PROMOTE) == step_name(plan_id, next_step) else RampCommand.NONE


def step_name(plan_id: str, step: int) -> str:
    """Write a step of a plan as RAMP_PROMOTE names it: `p-3f9c2a/1`."""
    return f"{plan_id}/{step}"


def rollback_to(resource: Json) -> str:
    """Return the id of the earlier plan that is to serve; empty: none, or the annotation holds no plan id."""
    plan_id = _annotations(resource).get(ROLLBACK_TO, "")
    return plan_id if _PLAN_ID.fullmatch(plan_id) else ""


_NOTHING: Final = ("",) * len(COMMANDS)  # one for all: there are thousands of objects without such annotations


def actor_of(resource: Json) -> str:
    """Return who wrote the annotations, as printable text of at most MAX_ACTOR characters; empty: nobody says."""
    text = _annotations(resource).get(ACTOR, "")
    return "".join(letter for letter in text if letter.isprintable()).strip()[:MAX_ACTOR]


def commands_digest(resource: Json) -> tuple[str, ...]:
    """Return what of the annotations a plan and its warnings depend on, for comparing; the actor is none of it.

    Of ACTING only what means nothing is in it: the warnings tell that, with the plan that there is.
    """
    given = _annotations(resource)
    asked = (*(given.get(name, "") for name in COMMANDS), *_acting_faults(given))
    return asked if any(asked) else _NOTHING


# ------------------------------------------------------------------------------------------ what is done to workloads


def acting_digest(resource: Json) -> tuple[str, ...]:
    """Return what of the annotations the work on a request's workloads depends on, for comparing."""
    given = _annotations(resource)
    asked = tuple(given.get(name, "") for name in ACTING)
    return asked if any(asked) else _NOTHING_DONE


_NOTHING_DONE: Final = ("",) * len(ACTING)


def pause_of(resource: Json) -> str:
    """Return why nothing may be done: by a request for itself, by a PlacementPolicy for all. Empty: it may be done."""
    given = _annotations(resource)
    if PAUSE_WORK not in given or given[PAUSE_WORK].strip().lower() == _NO:
        return ""
    return _word(given[PAUSE_WORK]) or "nobody says why"


def retries(resource: Json) -> bool:
    """Say whether somebody wants the failed rollout of the stored status tried again at once."""
    failed = retry_word(resource.get("status") or {})
    return bool(failed) and _annotations(resource).get(RETRY, "").strip() == failed


def retry_word(status: Json) -> str:
    """Return the word by which the failed rollout of a status is tried again; empty: none failed."""
    rollout = status.get("rollout") or {}
    return f"{rollout['planId']}/{rollout['failedAt']}" if rollout.get("planId") and rollout.get("failedAt") else ""


def wake_of(resource: Json) -> str:
    """Return the word that wakes, as printable text of at most MAX_WORD characters; empty: none."""
    return _word(_annotations(resource).get(WAKE, ""))


def do_not_reap(resource: Json) -> bool:
    """Say whether an annotation forbids to reap. An exclude-until that is no time forbids it too: somebody meant to."""
    given = _annotations(resource)
    forbidden = DO_NOT_REAP in given and given[DO_NOT_REAP].strip().lower() != _NO
    return forbidden or (EXCLUDE_UNTIL in given and _moment(given[EXCLUDE_UNTIL]) is None)


def exclude_until(resource: Json) -> float | None:
    """Return the Unix time until which the request is not reaped; None: there is none, or it is no time."""
    return _moment(_annotations(resource).get(EXCLUDE_UNTIL, ""))


def brake_released_at(policy: Json) -> float | None:
    """Return the Unix time before which failed rollouts do not count; None: there is none, or it is no time."""
    return _moment(_annotations(policy).get(BRAKE_RELEASED, ""))


def _moment(text: str) -> float | None:
    return unix_seconds(text) if re.fullmatch(TIME_PATTERN.strip("^$"), text) else None


def _word(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable()).strip()[:MAX_WORD]


def faults_of(resource: Json) -> tuple[str, ...]:
    """Say in one line each which of these annotations mean nothing as they stand, and are passed over."""
    given = _annotations(resource)
    wants = (
        (RAMP, given.get(RAMP) == PAUSE, f"wants {PAUSE!r}, or no such annotation"),
        (RAMP_PROMOTE, _matches(_STEP, given, RAMP_PROMOTE), "wants '<plan id>/<step>' such as 'p-3f9c2a/1'"),
        (RAMP_ROLLBACK, _matches(_PLAN_ID, given, RAMP_ROLLBACK), "wants the id of a plan such as 'p-3f9c2a'"),
        (ROLLBACK_TO, _matches(_PLAN_ID, given, ROLLBACK_TO), "wants the id of a plan such as 'p-3f9c2a'"),
    )
    return _passed_over(given, wants) + _acting_faults(given)


def _acting_faults(given: Mapping[str, str]) -> tuple[str, ...]:
    if not any(name in given for name in (RETRY, WAKE, EXCLUDE_UNTIL)):
        return ()
    wants = (
        (
            RETRY,
            _matches(_RETRY, given, RETRY),
            "wants '<plan id>/<failedAt of status.rollout>' such as 'p-3f9c2a/2026-11-21T10:00:00Z'",
        ),
        (WAKE, bool(_word(given.get(WAKE, ""))), "wants any text that was not there before"),
    )
    times = _time_faults(given, EXCLUDE_UNTIL, "until it is mended, nothing is reaped")
    return _passed_over(given, wants) + times


def _passed_over(given: Mapping[str, str], wants: Iterable[tuple[str, bool, str]]) -> tuple[str, ...]:
    return tuple(
        f"metadata.annotations[{name}]: got {given[name][:60]!r}, {wanted}; it is passed over"
        for name, good, wanted in wants
        if name in given and not good
    )


def policy_faults_of(policy: Json) -> tuple[str, ...]:
    """Say in one line each which annotations of a PlacementPolicy mean nothing as they stand."""
    return _time_faults(_annotations(policy), BRAKE_RELEASED, "it is passed over")


def _time_faults(given: Mapping[str, str], name: str, so: str) -> tuple[str, ...]:
    if name not in given or _moment(given[name]) is not None:
        return ()
    return (f"metadata.annotations[{name}]: got {given[name][:60]!r}, wants {PATTERN_WORDS[TIME_PATTERN]}; {so}",)


def _matches(pattern: re.Pattern[str], given: Mapping[str, str], name: str) -> bool:
    return pattern.fullmatch(given.get(name, "")) is not None


def _annotations(resource: Json) -> Mapping[str, str]:
    return (resource.get("metadata") or {}).get("annotations") or {}
