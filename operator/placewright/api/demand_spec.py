"""Where the live demand of a model and what it serves are read: presets for known servers, or a query."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import Duration, Inert, Promql, rule, rules, within

PRESETS: Final = ("vllm", "sglang", "tgi", "gateway")

Preset = Literal["vllm", "sglang", "tgi", "gateway"]
"""Whose metrics are read: those of an inference server, or of an inference gateway."""

ModelName = Annotated[str, Field(min_length=1, max_length=253)]
"""The name under which a server reports its model."""

_LEAST_WINDOW: Final = "10s"
_MOST_WINDOW: Final = "720h"


class DemandFrom(Inert):
    """Where the demand is read, and what of it counts.

    The Prometheus server is set on the operator or in a PlacementPolicy.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.preset) != has(self.prometheusQuery)",
                "wants exactly one of preset (metrics of a known server) and prometheusQuery",
                field_path=".preset",
            ),
            rule(
                "!has(self.modelName) || has(self.preset)",
                "wants preset beside it; a query names what it asks for itself",
                field_path=".modelName",
            ),
            rule(
                "!has(self.quantile) || !has(self.statistic) || self.statistic == 'Quantile'",
                "wants statistic Quantile; leave it out for other statistics",
                field_path=".quantile",
            ),
            rule(
                "!has(self.horizon) || (has(self.statistic) && self.statistic == 'Forecast')",
                "wants statistic Forecast; leave it out for other statistics",
                field_path=".horizon",
            ),
            rule(
                "!has(self.statistic) || self.statistic != 'Forecast'"
                " || (has(self.window) && duration(self.window) >= duration('48h'))",
                "wants at least 48h with statistic Forecast, which learns from past days",
                field_path=".window",
            ),
            within("window", _LEAST_WINDOW, _MOST_WINDOW),
            within("horizon", "1m", "168h"),
            within("maxAge", "1s", "24h"),
        )
    )

    preset: Preset | None = None
    """Server whose metrics give requests per second and the sizes of requests; or give prometheusQuery."""
    prometheus_query: Promql | None = None
    """Query in PromQL for the requests per second, as one number; all are of inputTokens and outputTokens. Asked only
    where a PlacementPolicy allows queries of requests (inputs.requestQueries)."""
    model_name: ModelName | None = None
    """Name under which the server reports the model; model.name when left out."""
    window: Duration = "1h"
    """How far back the demand is looked at; 48h at least for a forecast, 336h for one that knows the days of the
    week."""
    statistic: Literal["Quantile", "Peak", "Smoothed", "Forecast"] = "Quantile"
    """What counts of the window: a quantile of the requests per second, their peak, their mean in which a point that is
    5m older counts half, or the peak that is forecast within horizon."""
    quantile: float | None = Field(default=None, gt=0, le=1)
    """Quantile of the requests per second, with statistic Quantile; 0.95 when left out."""
    horizon: Duration | None = None
    """How far ahead statistic Forecast looks; 1h when left out."""
    headroom_percent: float = Field(default=10, ge=0, le=1000)
    """What is added to the figure, in percent, so that the demand fits until the plan follows it."""
    hysteresis_percent: float = Field(default=10, ge=0, le=100)
    """How far the figure must move from the demand that is in force, in percent, before that follows."""
    max_age: Duration | None = None
    """Oldest figure that counts; inputs.maxAge of the PlacementPolicies when left out, and 5m without one."""


class ObserveFrom(Inert):
    """Where the tokens that the model really serves are counted; those of workload.demandFrom.preset otherwise."""

    preset: Preset
    """Server whose metrics count the tokens."""
    model_name: ModelName | None = None
    """Name under which the server reports the model; model.name when left out."""
