"""What is observed of a model that serves, and how a new plan takes its traffic: live figures, demand and ramps.

Times are seconds of one clock (Unix time in the operator) and only compared with each other.
"""

from dataclasses import dataclass
from enum import StrEnum

from placewright.core.model.decided import GateOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One live figure. `value` None: nobody answered, or the answer had no figure; it may also be NaN or absurd."""

    value: float | None
    age_seconds: float | None  # None: nobody knows how old it is
    source: str  # what it is, in a few words: "revenue per hour by Prometheus"
    fault: str = ""  # why there is no value: "timeout", "no series", "HTTP 503"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Live figures of one request; None: the request asks for no such figure.

    Attributes:
        revenue_per_hour: USD that the model earns per hour.
        tokens_per_second: what it really serves, in the request's token basis.
        max_age_seconds: older readings are stale.
    """

    revenue_per_hour: Reading | None = None
    tokens_per_second: Reading | None = None
    max_age_seconds: float = 300.0


NO_OBSERVATION = Observation()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """How a new plan takes its share of the traffic.

    Attributes:
        steps_percent: shares in percent, ascending, the last is 100.
        max_cost_to_revenue_ratio: by step; None: no limit of the step's own.
        max_cost_per_million_tokens: by step, in USD; None: no limit of the step's own.
        hold_seconds: how long the gates of a step must pass before it is entered.
        auto_promote: whether a step is entered without anybody's word.
        rollback_after_seconds: how long the gates of the present step may fail; None: it never goes back by itself.
    """

    steps_percent: tuple[float, ...]
    max_cost_to_revenue_ratio: tuple[float | None, ...]
    max_cost_per_million_tokens: tuple[float | None, ...]
    hold_seconds: float
    auto_promote: bool = True
    rollback_after_seconds: float | None = None


class RampPhase(StrEnum):
    """Where a ramp stands."""

    PROGRESSING = "Progressing"  # the gates of the next step pass; their time runs
    HOLDING = "Holding"  # a gate fails or is unknown, or somebody's word is awaited
    PAUSED = "Paused"
    COMPLETED = "Completed"  # all traffic is on the plan
    ROLLED_BACK = "RolledBack"  # the plan before serves again


class RampCommand(StrEnum):
    """What somebody asks of a ramp."""

    NONE = ""
    PROMOTE = "Promote"  # enter the next step without waiting out its time; a failing or unknown gate still holds
    PAUSE = "Pause"
    ROLLBACK = "Rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class RampState:
    """Memory of one ramp. `step` is an index into steps_percent, -1: no traffic yet, or none any more.

    `seen_at` is when the gates were looked at last; it is not stored, so that after a restart, a gap or a jump of the
    clock the times begin anew. Nor is `resumable`: after a restart nobody knows whether a promotion is a new word.
    Everything else is stored.
    """

    plan_id: str
    step: int = -1
    phase: RampPhase = RampPhase.HOLDING
    passing_since: float | None = None  # since when the gates of the next step (on the last: its own) pass, no gap
    failing_since: float | None = None  # since when a gate of the present step fails without a gap
    seen_at: float | None = None
    resumable: bool = False  # rolled back, and at a look since then nobody promoted: the next promotion is a new word
    end_reason: str = ""  # why it was completed or rolled back, as the verdict said it; later looks repeat it
    end_message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RampObservation:
    """What one look at a ramp sees.

    Attributes:
        present_gates: of the step that it stands on; empty at step -1.
        next_gates: of the step to be entered; empty on the last step.
        command: what somebody asks.
        serving: whether the plan's replicas serve the share that they are to have, as far as it is for us to make them;
            figures of a plan that does not serve yet say nothing of it.
    """

    present_gates: tuple[GateOutcome, ...]
    next_gates: tuple[GateOutcome, ...]
    command: RampCommand = RampCommand.NONE
    serving: bool = True


class RampAction(StrEnum):
    """What a look at a ramp does."""

    ADVANCE = "Advance"
    HOLD = "Hold"
    ROLLBACK = "Rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class RampVerdict:
    """The outcome of one look: what is done, the new memory, and why, in one CamelCase word and one line."""

    action: RampAction
    state: RampState
    reason: str
    message: str
