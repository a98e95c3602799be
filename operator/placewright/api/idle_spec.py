"""When a model idles and what then: what a request says of it, and what a PlacementPolicy says of all."""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import CRON_PATTERN, ZONE_PATTERN, Duration, Inert, Promql, Span, Time, rule, rules, within
from placewright.api.demand_spec import ModelName

MAX_WINDOWS: Final = 16

IdlePolicyName = Literal["Off", "Report", "ScaleToZero", "ScaleToFloor"]
"""What happens to a model that idles."""

Percent = Annotated[float, Field(gt=0, le=100)]
"""A share in percent."""

Floor = Annotated[int, Field(ge=1, le=100_000)]
"""Replicas that stay."""

# What stands in a request's idle and in a policy's.
_SPANS: Final[tuple[dict[str, Any], ...]] = (
    within("after", "10s", "168h"),
    within("announceFor", "0s", "168h"),
    within("warmupGrace", "0s", "168h"),
    rule(
        "!has(self.floor) || !has(self.policy) || self.policy == 'ScaleToFloor'",
        "wants policy ScaleToFloor; leave it out for other policies",
        field_path=".floor",
    ),
)


class AwakeWindow(Inert):
    """A time of the calendar in which the model is kept awake, and woken at its begin."""

    model_config = ConfigDict(json_schema_extra=rules(within("duration", "1m", "168h")))

    cron: Annotated[str, Field(max_length=100, pattern=CRON_PATTERN)]
    """When it begins, as five fields of cron: minute, hour, day of the month, month, day of the week. `0 8 * * MON-FRI`
    is eight o'clock on every working day. A time that a change of clocks leaves out begins right after it, and one
    that comes twice begins the first time."""
    duration: Duration
    """How long it lasts, from 1m to 168h; windows that overlap are one."""
    time_zone: Annotated[str, Field(max_length=64, pattern=ZONE_PATTERN)] | None = None
    """Time zone of cron, such as Europe/Berlin; UTC when left out."""


class QueueFrom(Inert):
    """Where requests wait in front of the model, also while it has no replica: what wakes it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.preset) != has(self.prometheusQuery)",
                "wants exactly one of preset (metrics of a gateway) and prometheusQuery",
                field_path=".preset",
            )
        )
    )

    preset: Literal["gateway"] | None = None
    """Gateway whose metrics tell the queue; or give prometheusQuery."""
    prometheus_query: Promql | None = None
    """Query in PromQL for the requests that wait, as one number. Asked only where a PlacementPolicy allows queries of
    requests (inputs.requestQueries)."""


class Idle(Inert):
    """When the model idles, and what then. Missing, stale or partial figures are never idle."""

    model_config = ConfigDict(json_schema_extra=rules(*_SPANS))

    policy: IdlePolicyName | None = None
    """What happens to a model that idles. Off: nobody looks. Report: it is told, with what it burns. ScaleToZero and
    ScaleToFloor: it is announced, and after announceFor its replicas go down, where the operator may change workloads
    and mode is Apply; they work as Report otherwise. The first PlacementPolicy by name that says it counts when left
    out, and Report without one."""
    after: Duration | None = None
    """The window: the model idles when nothing was active for the whole of it. From 10s to 168h; 30m when left out."""
    announce_for: Span | None = None
    """Between the announcement of a reap and the reap, which is called off when anything is active; 5m when left
    out."""
    warmup_grace: Span | None = None
    """A model with a replica that is younger never idles; 15m when left out."""
    floor: Floor | None = None
    """Replicas that stay with ScaleToFloor; 1 when left out."""
    gpu_utilization_below_percent: Percent | None = None
    """A second opinion: the model idles only while its GPUs are used less than this, by DCGM. Not asked when left
    out."""
    exclude_until: Time | None = None
    """Until then the model is not reaped, such as 2026-12-24T00:00:00Z."""
    keep_awake: Annotated[
        list[AwakeWindow] | None, Field(max_length=MAX_WINDOWS, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = None
    """Times of the calendar in which the model is not reaped; a reaped one is woken when such a time begins."""
    preset: Literal["vllm", "sglang", "tgi"] | None = None
    """Server whose metrics tell the activity; that of workload.demandFrom or observeFrom when left out, then that of
    render.runtime, then vllm."""
    model_name: ModelName | None = None
    """Name under which the server reports the model. When left out, that of workload.demandFrom or observeFrom, where
    its preset is the one asked here, then model.name."""
    queue: QueueFrom | None = None
    """Where requests wait in front of the model. It must be known and empty for a reap, and wakes a reaped model.
    Without it only people and keepAwake wake it."""


class PolicyIdle(Inert):
    """What counts for requests whose idle leaves it out. Of each field the first policy by name that says it counts."""

    model_config = ConfigDict(json_schema_extra=rules(*_SPANS))

    policy: IdlePolicyName | None = None
    """What happens to a model that idles, also of requests without idle; Off for these when no policy says it."""
    after: Duration | None = None
    """The window in which nothing may be active."""
    announce_for: Span | None = None
    """Between the announcement of a reap and the reap."""
    warmup_grace: Span | None = None
    """A model with a replica that is younger never idles."""
    gpu_utilization_below_percent: Percent | None = None
    """The model idles only while its GPUs are used less than this."""
    floor: Floor | None = None
    """Replicas that stay with ScaleToFloor."""
