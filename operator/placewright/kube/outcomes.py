"""How acting ended, as values: what a user must know is no exception."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from placewright.core.model import RolloutAction
from placewright.kube.client import ApiError
from placewright.kube.kinds import TO_INSTALL
from placewright.kube.workloads import one_line

_DENIALS: Final = frozenset({400, 403, 405, 413, 422})


class ActResult(StrEnum):
    """How carrying out a step ended. Most are the reason of the condition Applied."""

    DONE = "Done"
    CONFLICT = "Conflict"  # something changed since the decision: look again
    FOREIGN_OWNER = "ForeignOwner"  # an object of our name is not ours
    REPLICAS_OWNED = "ReplicasOwned"  # something else sets the replicas
    DENIED = "Denied"  # the API server refuses: rights, quota, a webhook, a policy
    NOT_SERVED = "RenderRefused"  # a kind is not installed


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a step.

    Attributes:
        result: how it ended. Unless DONE, the action after the last of `done` was not carried out, nor any later one.
        message: why, in one line; empty when DONE.
        done: actions that were carried out, or that stood already.
        writes: on the API server, those that it refused included.
    """

    result: ActResult
    message: str = ""
    done: tuple[RolloutAction, ...] = ()
    writes: int = 0


class StopError(Exception):
    """Ends a step; caught where the step was begun."""

    def __init__(self, result: ActResult, message: str) -> None:
        super().__init__(message)
        self.result = result
        self.message = message


def stopped(error: ApiError, kind: str, title: str) -> StopError | None:
    """What an answer of the API server means for a step; None: it is no word on what we asked (401, 429, 5xx).

    Args:
        error: the answer.
        kind: of the object.
        title: as messages call it.
    """
    told = one_line(f"{title}: {error.message or error.reason or error.status}")
    if error.status == 404 and error.reason != "NotFound":
        change = TO_INSTALL.get(kind, f"install what serves {kind}")
        return StopError(ActResult.NOT_SERVED, f"the API server does not serve {kind}: {change}")
    if error.status in {404, 409}:
        return StopError(ActResult.CONFLICT, told)
    webhook = error.status == 500 and "webhook" in error.message  # one that does not answer refuses all the same
    if error.status in _DENIALS or webhook:
        return StopError(ActResult.DENIED, told)
    return None
