"""Annotations by which people steer a request, and which GitOps keeps in a file: ramps and rollbacks.

Each names what it is about (a plan, a step of it), so that one that stays does nothing twice.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

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

COMMANDS: Final = (RAMP, RAMP_PROMOTE, RAMP_ROLLBACK, ROLLBACK_TO)
"""Annotations that a decision depends on."""

PAUSE: Final = "pause"
MAX_ACTOR: Final = 128

_PLAN_ID: Final = re.compile(r"p-[0-9a-f]{1,62}")
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
    """Return what of the annotations a decision depends on, for comparing; the actor is none of it."""
    given = _annotations(resource)
    asked = tuple(given.get(name, "") for name in COMMANDS)
    return asked if any(asked) else _NOTHING


def faults_of(resource: Json) -> tuple[str, ...]:
    """Say in one line each which of these annotations mean nothing as they stand, and are passed over."""
    given = _annotations(resource)
    wants = (
        (RAMP, given.get(RAMP) == PAUSE, f"wants {PAUSE!r}, or no such annotation"),
        (RAMP_PROMOTE, _matches(_STEP, given, RAMP_PROMOTE), "wants '<plan id>/<step>' such as 'p-3f9c2a/1'"),
        (RAMP_ROLLBACK, _matches(_PLAN_ID, given, RAMP_ROLLBACK), "wants the id of a plan such as 'p-3f9c2a'"),
        (ROLLBACK_TO, _matches(_PLAN_ID, given, ROLLBACK_TO), "wants the id of a plan such as 'p-3f9c2a'"),
    )
    return tuple(
        f"metadata.annotations[{name}]: got {given[name][:60]!r}, {wanted}; it is passed over"
        for name, good, wanted in wants
        if name in given and not good
    )


def _matches(pattern: re.Pattern[str], given: Mapping[str, str], name: str) -> bool:
    return pattern.fullmatch(given.get(name, "")) is not None


def _annotations(resource: Json) -> Mapping[str, str]:
    return (resource.get("metadata") or {}).get("annotations") or {}
