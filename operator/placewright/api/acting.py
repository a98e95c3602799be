"""What requests, policies and annotations say of acting and idling, as the core takes it.

A value that a request leaves out comes from the first PlacementPolicy by name that says it, then from the defaults.
Limits of the fleet are the strictest of all policies. Times are Unix seconds.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from placewright.api import annotations, calendar
from placewright.api.base import duration_seconds, unix_seconds
from placewright.api.idle_spec import Idle, PolicyIdle
from placewright.api.parse import plain
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.policies import by_name
from placewright.api.rollout_spec import Brake, PolicyRollout, Rollout
from placewright.api.spec import PlacementRequestSpec
from placewright.core.errors import InvalidRequestError
from placewright.core.model import (
    IdleMemory,
    IdlePolicy,
    IdleRules,
    IdleState,
    IdleWishes,
    RolloutMemory,
    RolloutRules,
    Strategy,
)

Json = Mapping[str, Any]
T = TypeVar("T")

DEFAULT_START_SECONDS: Final = 3600.0
START_MARGIN_SECONDS: Final = 600.0
"""A rollout waits so much longer than a Pod may take to load its model: scheduling and pulling come before it."""

DEFAULT_CYCLE_SECONDS: Final = 60.0
DEFAULT_REAPS_PER_CYCLE: Final = 5
DEFAULT_BRAKE_FAILURES: Final = 3
DEFAULT_BRAKE_SECONDS: Final = 1800.0


# ------------------------------------------------------------------------------------------------------- rollouts


def rollout_rules(spec: PlacementRequestSpec, policies: Sequence[PlacementPolicy]) -> RolloutRules:
    """Return how the moves of a request go.

    Args:
        spec: of the request.
        policies: all of them, in any order.
    """
    own, usual = spec.rollout if spec.rollout is not None else Rollout(), RolloutRules()
    strategy = _first_said((own.strategy, *(each.strategy for each in _rollouts(policies))))
    starting = spec.render.start_within if spec.render is not None else None
    return RolloutRules(
        strategy=usual.strategy if strategy is None else Strategy(strategy),
        deadline_seconds=_seconds(
            own.progress_deadline, _seconds(starting, DEFAULT_START_SECONDS) + START_MARGIN_SECONDS
        ),
        retry_seconds=_seconds(own.retry_after, usual.retry_seconds),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds the work on all workloads back.

    Attributes:
        max_gpus_per_cycle: most GPUs that begin or end to be asked for within a cycle; None: no limit.
        cycle_seconds: length of a cycle.
        max_reaps_per_cycle: most requests that are reaped within a cycle.
        brake_failures: so many different requests whose rollouts failed engage the brake.
        brake_within_seconds: within this time.
        paused: why nothing may be done at all, with the policy that says so; empty: it may be done.
        brake_released_at: failures before this time do not count; None: nobody released the brake.
    """

    max_gpus_per_cycle: int | None = None
    cycle_seconds: float = DEFAULT_CYCLE_SECONDS
    max_reaps_per_cycle: int = DEFAULT_REAPS_PER_CYCLE
    brake_failures: int = DEFAULT_BRAKE_FAILURES
    brake_within_seconds: float = DEFAULT_BRAKE_SECONDS
    paused: str = ""
    brake_released_at: float | None = None


def limits_of(policies: Sequence[PlacementPolicy], *, now: float = math.inf) -> Limits:
    """Return what all policies together allow: the strictest limit of each kind, and any pause.

    Args:
        policies: all of them, in any order.
        now: Unix seconds; a brake that is released later than now is not yet.
    """
    said = _rollouts(policies)
    brakes = [each.brake if each.brake is not None else Brake() for each in said]
    pauses = ((each.metadata.name, annotations.pause_of(_annotated(each))) for each in by_name(policies))
    released = (annotations.brake_released_at(_annotated(each)) for each in policies)
    return Limits(
        max_gpus_per_cycle=min(_present(each.max_gpus_per_cycle for each in said), default=None),
        cycle_seconds=max(_durations(each.cycle for each in said), default=DEFAULT_CYCLE_SECONDS),
        max_reaps_per_cycle=min(_present(each.max_reaps_per_cycle for each in said), default=DEFAULT_REAPS_PER_CYCLE),
        brake_failures=min(_present(each.failed_rollouts for each in brakes), default=DEFAULT_BRAKE_FAILURES),
        brake_within_seconds=max(_durations(each.within for each in brakes), default=DEFAULT_BRAKE_SECONDS),
        paused=next((f"PlacementPolicy {name}: {why}" for name, why in pauses if why), ""),
        brake_released_at=max((moment for moment in _present(released) if moment <= now), default=None),
    )


def policy_notes(policy: PlacementPolicy) -> tuple[str, ...]:
    """Return in one line each what a policy's annotations do to all workloads, and which of them mean nothing."""
    resource = _annotated(policy)
    why = annotations.pause_of(resource)
    paused = (f"all work on workloads is paused: {why}",) if why else ()
    return (*paused, *annotations.policy_faults_of(resource))


def electricity_price(policies: Sequence[PlacementPolicy]) -> float | None:
    """Return the USD per kWh of the first policy by name that says it; None: no policy does."""
    return _first_said(each.spec.electricity_price_per_kwh for each in by_name(policies))


def _annotated(policy: PlacementPolicy) -> Json:
    return {"metadata": {"annotations": policy.metadata.annotations}}


def _rollouts(policies: Sequence[PlacementPolicy]) -> list[PolicyRollout]:
    return _present(each.spec.rollout for each in by_name(policies))


# --------------------------------------------------------------------------------------------------------- idling


def idle_rules(spec: PlacementRequestSpec, policies: Sequence[PlacementPolicy]) -> IdleRules:
    """Return when a request idles, and what then.

    Args:
        spec: of the request.
        policies: all of them, in any order.
    """
    own = spec.idle
    usual = _present(each.spec.idle for each in by_name(policies))
    said: list[Idle | PolicyIdle] = [*_present((own,)), *usual]
    defaults = IdleRules(policy=IdlePolicy.OFF if own is None else IdlePolicy.REPORT)
    policy = _first_said(each.policy for each in said)
    floor = _first_said(each.floor for each in said)
    return IdleRules(
        policy=defaults.policy if policy is None else IdlePolicy(policy),
        after_seconds=_seconds(_first_said(each.after for each in said), defaults.after_seconds),
        announce_seconds=_seconds(_first_said(each.announce_for for each in said), defaults.announce_seconds),
        warmup_seconds=_seconds(_first_said(each.warmup_grace for each in said), defaults.warmup_seconds),
        floor=defaults.floor if floor is None else floor,
        gpu_utilization_below_percent=_first_said(each.gpu_utilization_below_percent for each in said),
        watches_queue=own is not None and own.queue is not None,
    )


def wishes_of(resource: Json, now: float) -> IdleWishes:
    """Return what people and the calendar want of a request's idling.

    What of it cannot be read, such as a time zone that nobody knows, holds every reap back.

    Args:
        resource: the PlacementRequest as stored.
        now: Unix seconds.
    """
    forbidden = annotations.do_not_reap(resource)
    until = annotations.exclude_until(resource)
    awake: float | None = None
    given = (resource.get("spec") or {}).get("idle")
    if given:
        try:
            idle = Idle.model_validate(plain(given))
            awake = calendar.awake_until(idle.keep_awake or (), now)
            until = max(_present((until, _moment(idle.exclude_until))), default=None)
        except (InvalidRequestError, ValidationError):
            forbidden = True
    return IdleWishes(wake=annotations.wake_of(resource), do_not_reap=forbidden, exclude_until=until, awake_until=awake)


# --------------------------------------------------------------------------------------------------------- memory


def rollout_memory_of(status: Json | None) -> RolloutMemory:
    """Return what a stored status remembers of the rollout; what is missing or no time is not remembered."""
    stored = (status or {}).get("rollout") or {}
    return RolloutMemory(
        plan_id=str(stored.get("planId", "")),
        since=_moment(stored.get("since")),
        failures=int(stored.get("failures", 0)),
        failed_at=_moment(stored.get("failedAt")),
        trouble=str(stored.get("trouble", "")),
        done_at=_moment(stored.get("doneAt")),
    )


def idle_memory_of(status: Json | None) -> IdleMemory:
    """Return what a stored status remembers of idling; what is missing or no time is not remembered."""
    stored = (status or {}).get("idle") or {}
    state = stored.get("state")
    before, waking = stored.get("replicasBefore"), stored.get("timeToReadySeconds")
    return IdleMemory(
        state=IdleState(state) if state in set(IdleState) else IdleState.UNKNOWN,
        since=_moment(stored.get("since")),
        last_active=_moment(stored.get("lastActive")),
        reap_at=_moment(stored.get("reapAt")),
        replicas_before=None if before is None else int(before),
        woken_by=str(stored.get("wokenBy", "")),
        wake_began=_moment(stored.get("wakeBegan")),
        time_to_ready_seconds=None if waking is None else float(waking),
        saves_per_hour=float(stored.get("avoidedCostPerHour", 0.0)),
        saved_usd=float(stored.get("avoidedDollars", 0.0)),
        saved_at=_moment(stored.get("avoidedAsOf")),
    )


# -------------------------------------------------------------------------------------------------------- helpers


def _moment(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        return unix_seconds(text)
    except ValueError:
        return None


def _seconds(text: str | None, usual: float) -> float:
    return usual if text is None else duration_seconds(text, field="duration")


def _durations(texts: Iterable[str | None]) -> list[float]:
    return [_seconds(text, 0.0) for text in _present(texts)]


def _present(values: Iterable[T | None]) -> list[T]:
    return [value for value in values if value is not None]


def _first_said(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
