"""How a plan is turned into running workloads: what a request says of it, and what a PlacementPolicy says of all."""

from typing import Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import Duration, Inert, Subdomain, rules, within

StrategyName = Literal["Surge", "Recreate", "Hold"]
"""What gives way where the stock does not allow old and new replicas at once."""

MAX_DEADLINE: Final = "48h"


class WorkloadReference(Inert):
    """A workload of the request's namespace that somebody else made; only its replicas are changed."""

    kind: Literal["Deployment", "StatefulSet", "LeaderWorkerSet"]
    """Its kind."""
    name: Subdomain
    """Its name."""


class Rollout(Inert):
    """How a new plan takes the place of the one that runs, in mode Apply."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            within("progressDeadline", "10s", MAX_DEADLINE),
            within("retryAfter", "10s", MAX_DEADLINE),
        )
    )

    strategy: StrategyName | None = None
    """What gives way where the stock does not allow old and new replicas at once; where it does, new ones are Ready
    before old ones go. Surge: old replicas give way one by one, as long as one of the request keeps serving. Recreate:
    also the last one, so that nothing serves for a while. Hold: nothing; the rollout waits for stock. The first
    PlacementPolicy by name that says it counts when left out, and Surge without one."""
    progress_deadline: Duration | None = None
    """How long a new replica may take to get Ready before the rollout failed, and its new replicas go again;
    render.startWithin and 10m when left out, 70m without it."""
    retry_after: Duration | None = None
    """How long after a failed rollout the same plan is tried again; it doubles with each failure. 10m when left out."""


class Brake(Inert):
    """Stops all rollouts once too many requests could not be rolled out."""

    model_config = ConfigDict(json_schema_extra=rules(within("within", "1m", "24h")))

    failed_rollouts: int | None = Field(default=None, ge=1, le=1000)
    """So many different requests whose rollout failed engage the brake; 3 when left out. The least of all policies
    counts."""
    within: Duration | None = None
    """Within this time; 30m when left out. The longest of all policies counts."""


class PolicyRollout(Inert):
    """How rollouts go, and how much of the fleet may move at once. Of limits the strictest of all policies counts."""

    model_config = ConfigDict(json_schema_extra=rules(within("cycle", "10s", "24h")))

    strategy: StrategyName | None = None
    """What gives way where the stock does not allow old and new replicas at once, for requests that do not say it. The
    first policy by name that says it counts; Surge without one."""
    max_gpus_per_cycle: int | None = Field(default=None, ge=1, le=1_000_000)
    """Most GPUs of the fleet that begin or end to be asked for within a cycle; no limit when left out. One action that
    takes more is done alone. The least of all policies counts."""
    cycle: Duration | None = None
    """The time that maxGPUsPerCycle and maxReapsPerCycle speak of; 1m when left out. The longest of all policies
    counts."""
    max_reaps_per_cycle: int | None = Field(default=None, ge=1, le=100_000)
    """Most requests that are reaped within a cycle; 5 when left out. The least of all policies counts."""
    brake: Brake | None = None
    """Stops all rollouts after failed ones; its defaults hold when left out."""
