"""How a new plan takes its share of the traffic, step by step."""

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from placewright.api.base import Dollars, Duration, Inert, Span, rule, rules
from placewright.api.gates_spec import Ratio

MAX_STEPS: Final = 10

# One step after the other, as CEL has no positions in all(); double(), as a whole number is no double offline.
_ASCENDING: Final = " && ".join(
    f"(self.stepsPercent.size() > {at} ? double(self.stepsPercent[{at - 1}]) < double(self.stepsPercent[{at}]) : true)"
    for at in range(1, MAX_STEPS)
)


class Ramp(Inert):
    """How a new plan takes its share of the traffic: from 0 %, step by step, each one only while its gates pass."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(_ASCENDING, "wants ascending steps, such as 10, 50, 100", field_path=".stepsPercent"),
            rule(
                "double(self.stepsPercent[self.stepsPercent.size() - 1]) == 100.0",
                "wants 100 as its last step",
                field_path=".stepsPercent",
            ),
            *(
                rule(
                    f"!has(self.{field}) || self.{field}.size() == self.stepsPercent.size()",
                    "wants one entry for each of stepsPercent",
                    field_path=f".{field}",
                )
                for field in ("maxCostToRevenueRatioByStep", "maxCostPerMillionTokensByStep")
            ),
        )
    )

    steps_percent: list[Annotated[float, Field(gt=0, le=100)]] = Field(
        min_length=1, max_length=MAX_STEPS, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """Shares of the traffic in percent, ascending; the last is 100."""
    max_cost_to_revenue_ratio_by_step: list[Ratio] | None = Field(
        default=None, max_length=MAX_STEPS, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """Most cost over revenue at each step, one entry for each; gates.maxCostToRevenueRatio holds too."""
    max_cost_per_million_tokens_by_step: list[Dollars] | None = Field(
        default=None, max_length=MAX_STEPS, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """Most USD per million tokens at each step, one entry for each; gates.maxCostPerMillionTokens holds too."""
    hold_for: Span = "10m"
    """How long the gates of a step must pass on fresh figures, without a gap, before it is entered; 0s: at once."""
    auto_promote: bool = True
    """Whether a step is entered without anybody's word; otherwise it waits for `placewright ramp promote`."""
    rollback_after: Duration | None = None
    """How long a gate of the present step may fail before the plan before serves again; never by itself when left
    out. A gate without a usable figure holds the ramp and never rolls it back."""
