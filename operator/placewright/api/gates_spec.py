"""The gates of a PlacementRequest: limits in dollars, their ratio to revenue, drift, and what is observed."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import Dollars, Inert, Promql, rule, rules

Ratio = Annotated[float, Field(gt=0, le=1_000_000)]
"""Cost over revenue; 0.3: the model may cost 30 cents of every dollar that it earns."""

DriftPercent = Annotated[float, Field(ge=0, le=1_000_000)]
"""How far an observed figure may be above the predicted one, in percent."""

REVENUE: Final = "(has(self.gates) && (has(self.gates.revenuePerMillionTokens) || has(self.gates.revenuePerHourQuery)))"
"""CEL: whether a spec says what its model earns."""


class Gates(Inert):
    """Limits that a plan must pass before it may be used."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.maxCostToRevenueRatio) || has(self.revenuePerMillionTokens)"
                " || has(self.revenuePerHourQuery)",
                "wants revenuePerMillionTokens or revenuePerHourQuery beside it",
                field_path=".maxCostToRevenueRatio",
            ),
            rule(
                "!has(self.revenuePerHourQuery) || !has(self.revenuePerMillionTokens)",
                "wants no revenuePerMillionTokens beside it",
                field_path=".revenuePerHourQuery",
            ),
        )
    )

    max_cost_per_million_tokens: Dollars | None = None
    """Most USD per million tokens, of the demand when one is given and at full load otherwise: the price to beat."""
    max_cost_per_hour: Dollars | None = None
    """Most USD per hour of the whole plan."""
    max_cost_to_revenue_ratio: Ratio | None = None
    """Most that the plan may cost of what the model earns; 0.3 is 30 cents of every dollar. Wants
    revenuePerMillionTokens or revenuePerHourQuery."""
    revenue_per_million_tokens: Dollars | None = None
    """USD that the model earns per million tokens, in the tokens of workload.tokenBasis."""
    revenue_per_hour_query: Promql | None = None
    """Query in PromQL for the USD that the model earns per hour, as one number; in place of revenuePerMillionTokens.
    Asked only where a PlacementPolicy allows queries of requests (inputs.requestQueries)."""
    max_quantization_drift_percent: float | None = Field(default=None, ge=0, le=100)
    """Most measured loss of quality in percent; precisions above it are no candidates."""
    max_observed_cost_drift_percent: DriftPercent | None = None
    """How far the observed cost per token may be above the predicted one, in percent. Wants tokens that are counted:
    workload.demandFrom.preset or observeFrom."""
    on_violation: Literal["Block", "Warn"] = "Block"
    """What a failed gate does: Block the plan, or Warn and let it pass."""
    on_unknown: Literal["Block", "Warn", "Pass"] = "Block"
    """What a gate without a usable figure does: Block the plan, Warn, or Pass silently. A figure that is missing,
    too old, not a number or negative is not usable, and never counts as 0."""
