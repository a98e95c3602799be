"""The traffic of a PlacementRequest: one size or several, with a demand that is given or read live."""

from typing import Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import Amount, Duration, Inert, Label, list_map, rule, rules
from placewright.api.demand_spec import DemandFrom

_CLASSES: Final = "(has(self.classes) && self.classes.size() > 0)"
_SIZES_ELSEWHERE: Final = f"({_CLASSES} || (has(self.demandFrom) && has(self.demandFrom.preset)))"

NO_SIZE: Final = "a value, or classes or demandFrom.preset in its place"


class Slo(Inert):
    """Latency targets; every plan meets them."""

    ttft: Duration | None = None
    """Longest time to the first token, such as 2s; no target when left out."""
    tpot: Duration | None = None
    """Longest time per output token after the first, such as 50ms; no target when left out."""


class TrafficClass(Inert):
    """Requests of one size, and how many of them come."""

    name: Label
    """Name of the class, as the plan calls it."""
    input_tokens: int = Field(ge=1, le=8_388_608)
    """Tokens of a request's prompt."""
    output_tokens: int = Field(ge=1, le=8_388_608)
    """Tokens that a request generates."""
    requests_per_second: Amount
    """Requests of the class that come per second."""
    slo: Slo | None = None
    """Latency targets of the class; those of the whole request when left out."""


class Workload(Inert):
    """The traffic: the requests that one replica is sized for, or with a demand the requests that the plan serves."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(
                rule(f"{_SIZES_ELSEWHERE} || has(self.{field})", f"wants {NO_SIZE}", field_path=f".{field}")
                for field in ("inputTokens", "outputTokens")
            ),
            *(
                rule(f"!{_CLASSES} || !has(self.{field})", "wants nothing beside classes", field_path=f".{field}")
                for field in ("inputTokens", "outputTokens", "requestsPerSecond")
            ),
            rule(
                f"!has(self.demandFrom) || (!{_CLASSES} && !has(self.requestsPerSecond))",
                "wants neither requestsPerSecond nor classes beside it: one demand counts",
                field_path=".demandFrom",
            ),
        )
    )

    input_tokens: int | None = Field(default=None, ge=1, le=8_388_608)
    """Tokens of a request's prompt; needed when there are no classes. Beside demandFrom.preset it counts while the
    server reports no sizes."""
    output_tokens: int | None = Field(default=None, ge=1, le=8_388_608)
    """Tokens that a request generates; needed when there are no classes. Beside demandFrom.preset it counts while the
    server reports no sizes."""
    requests_per_second: Amount | None = None
    """Requests that come per second: the demand, which the plan's replicas cover. When left out, and without classes
    and demandFrom, there is no demand: the plan has one replica, or replicas.min, of the best cost per token."""
    classes: list[TrafficClass] = Field(default=[], max_length=256, json_schema_extra=list_map("name"))
    """Requests of several sizes with their demand; in place of inputTokens, outputTokens and requestsPerSecond."""
    demand_from: DemandFrom | None = None
    """Where the live demand is read; in place of requestsPerSecond and classes."""
    token_basis: Literal["Total", "Output"] = "Total"  # noqa: S105 - counts tokens, no secret
    """Which tokens count in cost per token: Total is input + output, Output is the generated ones alone."""
    concurrency: int | None = Field(default=None, ge=1, le=65536)
    """Sequences in flight in one replica; the planner chooses when left out."""
