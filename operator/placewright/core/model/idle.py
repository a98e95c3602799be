"""What is known of a model's activity, and what follows for its replicas.

Times are Unix seconds, of the metrics server's clock where they come from it.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil


class IdlePolicy(StrEnum):
    """What happens to a model that idles."""

    OFF = "Off"
    REPORT = "Report"
    SCALE_TO_ZERO = "ScaleToZero"
    SCALE_TO_FLOOR = "ScaleToFloor"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleRules:
    """When a model idles, and what then.

    Attributes:
        policy: what then.
        after_seconds: the window: all signals must be idle for the whole of it.
        announce_seconds: between the announcement of a reap and the reap.
        warmup_seconds: a younger replica is never idle.
        floor: replicas that stay with ScaleToFloor.
        gpu_utilization_below_percent: a second opinion; None: GPUs are not asked.
        watches_queue: whether a queue in front of the model must be known and empty.
    """

    policy: IdlePolicy
    after_seconds: float = 1800.0
    announce_seconds: float = 300.0
    warmup_seconds: float = 900.0
    floor: int = 1
    gpu_utilization_below_percent: float | None = None
    watches_queue: bool = False

    @property
    def window_seconds(self) -> float:
        """How far back a history is wanted: the window, and at the time of a reap back to its announcement."""
        return max(self.after_seconds, 2.0 * self.announce_seconds) if self.reaps else self.after_seconds

    @property
    def step_seconds(self) -> float:
        """Whole seconds; every step of the window needs samples of every server.

        A fifteenth of the window, at most five minutes, and a minute at least as long as five such steps fit in it, so
        that scrapes of up to a minute apart do. Days are cut into 720 steps.
        """
        least = max(1.0, min(60.0, self.after_seconds / 5.0))
        step = min(max(self.after_seconds / 15.0, least), 300.0)
        return float(ceil(max(step, self.window_seconds / 720.0)))

    @property
    def reaps(self) -> bool:
        """Whether replicas go down when the model idles."""
        return self.policy in (IdlePolicy.SCALE_TO_ZERO, IdlePolicy.SCALE_TO_FLOOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One step of a server's history; None: no sample told.

    Attributes:
        at: end of the step; the newest step ends with the answer.
        finished: whether a counter of finished requests changed in it or in the one before, a reset included.
        running: most requests in work.
        waiting: most requests that waited.
        up: whether every scrape of it succeeded.
        gpu_utilization_percent: most of it; None also where nobody asks.
    """

    at: float
    finished: bool | None = None
    running: float | None = None
    waiting: float | None = None
    up: bool | None = None
    gpu_utilization_percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerHistory:
    """The slots of one server (a Pod that answers requests), in any order."""

    server: str
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerUse:
    """What the GPUs of a model drew above a limit that they could be given.

    Attributes:
        gpus: of its Pods, as far as somebody measures them.
        limit_watts: the limit for each; the lowest, where they differ.
        watts_above: mean over the window of what all of them together drew above their limits.
    """

    gpus: int
    limit_watts: float
    watts_above: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """All that is known of what a model does.

    Attributes:
        as_of: the metrics server's own time of the answer; None: it did not answer.
        servers: histories over the window.
        queue: (time, requests) of the queue in front; None: nobody watches one, or it does not tell.
        traffic_percent: share of traffic that a route sends to it rather than to somebody else; None: not known, as
            where all backends of the route are the request's own.
        replicas: that the workload asks for; None: no workload is known.
        plan_replicas: replicas that its plan wants; None: not known.
        serving: replicas that are Ready; None: not known.
        pods: names of the Pods that answer requests, one of each replica; None: not known.
        youngest_at: when the youngest replica started; None: not known.
        replicas_owner: what else scales the workload ("HorizontalPodAutoscaler chat"); empty: nothing.
        fault: why there is no whole answer, in one line; empty: there is.
        power: for a suggestion alone; None: nobody asks, or nobody measures it.
    """

    as_of: float | None
    servers: tuple[ServerHistory, ...] = ()
    queue: tuple[tuple[float, float], ...] | None = None
    traffic_percent: float | None = None
    replicas: int | None = None
    plan_replicas: int | None = None
    serving: int | None = None
    pods: tuple[str, ...] | None = None
    youngest_at: float | None = None
    replicas_owner: str = ""
    fault: str = ""
    power: PowerUse | None = None


NO_ACTIVITY = Activity(as_of=None, fault="nobody has asked yet")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleWishes:
    """What people and calendars want.

    Attributes:
        wake: the value of the annotation that wakes; a value is a word only once. Empty: none.
        do_not_reap: an annotation forbids it.
        exclude_until: until then it is not reaped; None: no such time.
        awake_until: a time of the calendar in which the model is kept awake lasts until then; None: none does now.
    """

    wake: str = ""
    do_not_reap: bool = False
    exclude_until: float | None = None
    awake_until: float | None = None


class IdleState(StrEnum):
    """Where a model stands."""

    ACTIVE = "Active"
    UNKNOWN = "Unknown"  # a signal is missing, stale or partial
    WARMING = "Warming"  # a replica is younger than its grace
    IDLE = "Idle"  # announced, where it is to be reaped
    REAPED = "Reaped"
    WAKING = "Waking"  # woken, and not all replicas are Ready yet


class IdleAction(StrEnum):
    """What follows."""

    KEEP = "Keep"
    REAP = "Reap"  # scale to the target now; holds only for this look
    WAKE = "Wake"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleMemory:
    """What is remembered between two looks, in the status.

    Attributes:
        state: after the look before.
        since: when that state began; None: never looked.
        last_active: when it was seen active last; None: never.
        reap_at: when an announced reap is due; None: none is announced.
        replicas_before: of all its workloads when its reap fell due, until it is awake again; None: it is not reaped.
        woken_by: value of the annotation that was obeyed last.
        wake_began: when the last wake began; None: never.
        time_to_ready_seconds: how long that took until all replicas were Ready; None: not yet, or the clock jumped.
        saves_per_hour: USD per hour that the present reap saves; 0: it is not reaped.
        saved_usd: USD that all reaps together saved until saved_at.
        saved_at: see there; None: never reaped.
    """

    state: IdleState = IdleState.UNKNOWN
    since: float | None = None
    last_active: float | None = None
    reap_at: float | None = None
    replicas_before: int | None = None
    woken_by: str = ""
    wake_began: float | None = None
    time_to_ready_seconds: float | None = None
    saves_per_hour: float = 0.0
    saved_usd: float = 0.0
    saved_at: float | None = None


class IdleSignal(StrEnum):
    """What speaks for and against."""

    FINISHED = "FinishedRequests"
    RUNNING = "RunningRequests"
    WAITING = "WaitingRequests"
    QUEUE = "Queue"
    TRAFFIC = "TrafficShare"
    GPU = "GpuUtilization"
    SCRAPES = "Scrapes"
    AGE = "ReplicaAge"
    REPLICAS = "ReplicasOwner"
    WISHES = "Wishes"


class SignalResult(StrEnum):
    """What one signal says."""

    IDLE = "Idle"
    ACTIVE = "Active"
    MISSING = "Missing"  # missing, stale or partial: never idle
    HOLDS = "Holds"  # nothing is active, and it must not be reaped all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalOutcome:
    """One signal with its reason in one line."""

    signal: IdleSignal
    result: SignalResult
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleVerdict:
    """The outcome of one look.

    Attributes:
        action: what follows now.
        target: replicas that the request is to have while it is reaped, or is being reaped in this look; None: those of
            its plan.
        memory: to be remembered.
        reason: the reason of the condition Idle: NoTraffic, TrafficSeen, SignalMissing, Warming, Reaped, Excluded.
        message: one line.
        signals: every signal that was asked.
    """

    action: IdleAction
    target: int | None
    memory: IdleMemory
    reason: str
    message: str
    signals: tuple[SignalOutcome, ...] = ()
