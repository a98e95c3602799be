"""What the loop that acts tells the metrics beside the API: moments of now, and whether the fleet's rollouts are held.

Everything here is read on a scrape, from another thread than the operator's: the values are immutable, and a callable
that gives them must not wait.
"""

from dataclasses import dataclass
from enum import StrEnum


class WakeCause(StrEnum):
    """Why a reaped model is wanted again, as the label `by` names it."""

    ANNOTATION = "Annotation"  # placewright.dev/wake, also by the command line
    QUEUE = "Queue"  # requests wait in front of it
    CALENDAR = "Calendar"  # it is to be kept awake: by its calendar, excludeUntil or an annotation
    SCALED = "Scaled"  # somebody scaled its workload, or something else owns its replicas now
    POLICY = "Policy"  # its policy does not reap any more


class ActionKind(StrEnum):
    """What was done to a workload, as the label `action` names it."""

    SCALE = "Scale"
    WEIGH = "Weigh"
    REMOVE = "Remove"


class ActionResult(StrEnum):
    """How an action ended, as the label `result` names it: with the words of `kube.outcomes.ActResult`."""

    DONE = "Done"  # also where it stood so already
    CONFLICT = "Conflict"  # something changed since the decision; the next look decides anew
    FOREIGN_OWNER = "ForeignOwner"  # an object of that name is not ours
    REPLICAS_OWNED = "ReplicasOwned"  # something else sets the replicas
    DENIED = "Denied"  # rights, a quota, a webhook
    NOT_SERVED = "RenderRefused"  # a kind is not installed
    FAILED = "Failed"  # the API server had no word on it, or nobody answered; it is tried again


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingFigures:
    """Exact figures of one request as it was looked at last; its status dates them by its own last change.

    Attributes:
        last_active: Unix time at which it was seen active last; None: the status tells.
        queue_requests: that wait in the queue in front of it, also while it is reaped; None: nobody watches one, or it
            does not tell.
    """

    last_active: float | None = None
    queue_requests: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingState:
    """Whether anything of the fleet is acted at all.

    Attributes:
        brake: too many rollouts failed, so that none begins or goes on.
        paused: a PlacementPolicy is annotated with a pause, so that nothing is acted.
    """

    brake: bool
    paused: bool
