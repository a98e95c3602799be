"""What the audit trail is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class EntryKind(StrEnum):
    """What happened; also the label `kind` of the metric of records."""

    DECISION = "Decision"  # a status with a plan, or with the reason why there is none, was written
    GATE_RESULT = "GateResult"  # a gate changed its result
    RAMP_STEP = "RampStep"  # a ramp entered a step, held, paused or ended
    MOVE = "Move"  # a plan was replaced by another
    ROLLBACK = "Rollback"  # an earlier plan was restored, by a ramp or by a person
    OVERRIDE = "Override"  # a person said otherwise: promote, pause, rollback
    REAP = "Reap"  # an idle request was scaled down, or woken
    PRICE = "Price"  # a price was taken, held back or confirmed
    FOUND = "Found"  # stood in the cluster at the start and was not in the journal


class ChainKind(StrEnum):
    """Records that the journal writes about itself."""

    GENESIS = "Genesis"  # the first of a chain
    SEGMENT = "Segment"  # the first of each further file
    CHECKPOINT = "Checkpoint"  # the last before a file or the operator ends: how many there are
    GAP = "Gap"  # the queue was full: how many entries were never written


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened to a request.

    Attributes:
        kind: what.
        namespace: of the request; empty for what is about no request.
        name: of the request, or of what it is about (a price's GPU, a pool).
        uid: of the request's object.
        plan_id: the plan in force after it.
        inputs_hash: as in status.inputs.hash.
        actor: who asked for it; empty: the operator decided by itself.
        old_cost_per_hour: USD before; None: nothing before.
        new_cost_per_hour: USD after; None: nothing after.
        reason: the CamelCase reason of condition, event and metric.
        message: for people, one line.
        details: JSON beside that. A Decision has the whole plan as in status.plan under `plan`, from which a rollback
            restores it.
    """

    kind: EntryKind
    namespace: str = ""
    name: str = ""
    uid: str = ""
    plan_id: str = ""
    inputs_hash: str = ""
    actor: str = ""
    old_cost_per_hour: float | None = None
    new_cost_per_hour: float | None = None
    reason: str = ""
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
