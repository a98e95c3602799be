"""Status types of live figures: the demand in force, what is observed, and ramps. They stay inert."""

from typing import Annotated, Literal

from pydantic import Field

from placewright.api.base import StatusPart, list_map
from placewright.api.plan_status import MAX_CLASSES, Gates, Message, Plan, Reason, Time


class DemandClass(StatusPart):
    """Requests of one size, and how many of them come."""

    name: Annotated[str, Field(max_length=253)]
    """Name of the class, as the plan calls it; empty when there is one class alone."""
    input_tokens: Annotated[int, Field(ge=1)]
    """Tokens of a request's prompt."""
    output_tokens: Annotated[int, Field(ge=1)]
    """Tokens that a request generates."""
    requests_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Requests of the class that come per second; 0: none came, and only their size is known."""


class Demand(StatusPart):
    """The demand in force: what the plan serves. It follows the live demand once that moves by hysteresisPercent."""

    as_of: Time
    """Since when it is in force; inputs.demandAsOf says when the source was read last."""
    source: Message
    """Where it comes from, and what of it counts."""
    requests_per_second: float
    """Requests per second of all classes."""
    tokens_per_second: float
    """The same in tokens of the workload's token basis."""
    classes: Annotated[list[DemandClass], Field(max_length=MAX_CLASSES, json_schema_extra=list_map("name"))]
    """The demand by the size of requests."""


class Observed(StatusPart):
    """What the served tokens really cost. Written with other changes; the metrics have it to the second."""

    cost_per_million_tokens: float
    """USD per million tokens: the plan's cost per hour over the tokens that were really served."""
    ratio_to_predicted: float
    """That over the predicted cost per million tokens; above 1 it costs more than was predicted."""
    as_of: Time
    """When the tokens were read."""


class Ramp(StatusPart):
    """How far a plan has taken its share of the traffic."""

    plan_id: Annotated[str, Field(max_length=64)]
    """The plan that ramps."""
    step: Annotated[int, Field(ge=-1, le=100)]
    """Index of the step that it stands on, counted from 0; -1: no traffic yet."""
    steps: Annotated[int, Field(ge=1, le=100)]
    """How many steps there are."""
    percent: float
    """Share of the traffic in percent."""
    phase: Literal["Progressing", "Holding", "Paused", "Completed", "RolledBack"]
    """Progressing: the gates of the next step pass, and their time runs. Holding: a gate fails or is unknown, or
    somebody's word is awaited. RolledBack: the plan before serves again."""
    entered_at: Time | None = None
    """When it entered its step."""
    passing_since: Time | None = None
    """Since when the gates of the next step pass without a gap; absent while one does not."""
    failing_since: Time | None = None
    """Since when a gate of the present step fails without a gap; absent while none does."""
    reason: Reason
    """Why it stands where it stands, in one word."""
    message: Message
    """The same with figures."""
    gates: Gates | None = None
    """Each gate of the next step."""
    previous_plan: Plan | None = None
    """The whole plan before, which serves again after a rollback; absent when there was none."""
