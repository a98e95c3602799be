"""What is done to turn a plan into running workloads: what is wanted, what runs, and one step from this to that.

A *unit* is the workload of one layout: a Deployment, a LeaderWorkerSet, or an existing target that is only scaled.
Times are seconds of one clock (Unix time in the operator) and only compared with each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Groups = tuple[tuple[int, int], ...]
"""Pods of one replica on one pool: (GPUs of a Pod, how many such Pods), ascending."""


class Strategy(StrEnum):
    """What gives way where the stock does not allow old and new replicas at once; where it does, all surge alike."""

    SURGE = "Surge"  # old replicas give way one by one, as long as one of the request keeps serving
    RECREATE = "Recreate"  # old replicas give way first, also the last one
    HOLD = "Hold"  # nothing gives way: the move waits for stock


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is to run of one layout.

    Attributes:
        name: of the workload.
        replicas: how many.
        weight: its share of the traffic of all units of its plan, 0..1.
        pools: Pods of one replica by pool.
    """

    name: str
    replicas: int
    weight: float
    pools: Mapping[str, Groups] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs of one unit, wanted any more or not.

    Attributes:
        name: of the workload.
        replicas: that its spec asks for.
        ready: that are Ready, of this template.
        up_since: when its replicas were raised last or its template changed; None: nobody knows.
        weight: its share of the request's traffic by the route as it stands, 0..1; None: no route shares the traffic.
        pools: Pods of one replica by pool.
        trouble: why a replica does not get Ready, as far as anybody says; empty: nothing is known.
        stale: whether its template is not the one that is wanted.
        replicas_before: before it began to give way, as long as it exists; None: it did not.
    """

    name: str
    replicas: int
    ready: int
    up_since: float | None
    weight: float | None
    pools: Mapping[str, Groups] = field(hash=False)
    trouble: str = ""
    stale: bool = False
    replicas_before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is to run of a request.

    Attributes:
        plan_id: of the plan that is wanted.
        units: of that plan; their replicas are lowered where the request idles.
        before: of the plan before, which shares the traffic while a ramp runs; empty otherwise.
        percent: of the traffic that the plan may have: by its ramp, 100 without one.
        routed: whether a route shares the traffic by weight; otherwise every Ready replica gets its part.
    """

    plan_id: str
    units: tuple[Unit, ...]
    before: tuple[Unit, ...] = ()
    percent: float = 100.0
    routed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRules:
    """How a move goes.

    Attributes:
        strategy: what gives way.
        deadline_seconds: how long a new replica may take to get Ready.
        retry_seconds: how long after a failed rollout the plan is tried again; it doubles with each failure.
    """

    strategy: Strategy = Strategy.SURGE
    deadline_seconds: float = 4200.0
    retry_seconds: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutMemory:
    """What is remembered of a rollout, in the status; nothing of it is needed to know what runs.

    Attributes:
        plan_id: the plan that is rolled out; empty: none was yet.
        since: when that began.
        failures: rollouts of this plan that failed in turn.
        failed_at: when the last of them failed; None: none did.
        trouble: why, in one line.
        done_at: when all of it was Ready first; None: not yet. A replica that breaks later is no failed rollout.
    """

    plan_id: str = ""
    since: float | None = None
    failures: int = 0
    failed_at: float | None = None
    trouble: str = ""
    done_at: float | None = None


class RolloutPhase(StrEnum):
    """Where a rollout stands."""

    ROLLED_OUT = "RolledOut"  # all that is wanted is Ready, and nothing else runs
    PROGRESSING = "Progressing"  # something is on its way
    WAITING = "Waiting"  # for stock, or for its turn within the limits of the fleet
    FAILED = "Failed"  # replicas did not get Ready in time; what ran before runs still


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A unit gets so many replicas: it is created, or its number is changed."""

    name: str
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weigh:
    """The route gives the units these shares of the traffic, 0..1, by name."""

    shares: Mapping[str, float] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """A unit is not wanted any more, has no replicas and no traffic: its workload goes."""

    name: str


RolloutAction = Scale | Weigh | Remove


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStep:
    """What one look at a rollout does.

    Attributes:
        phase: where it stands.
        reason: why, in one CamelCase word.
        message: the same in one line.
        actions: to be done in this order; a later look goes on when they show.
        memory: to be remembered.
        gpus: that begin or end to be asked for by these actions.
    """

    phase: RolloutPhase
    reason: str
    message: str
    actions: tuple[RolloutAction, ...]
    memory: RolloutMemory
    gpus: int = 0
