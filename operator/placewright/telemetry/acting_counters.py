"""Counters of what was acted; none carries the name of a request."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from placewright.telemetry.acting_figures import ActionKind, ActionResult, WakeCause

WAKE_BUCKETS_SECONDS = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 2700.0, 3600.0, 7200.0)


class ActingCounters:
    """What the loop that acts counts; each method is to be called once for each event, when it is a fact.

    Args:
        registry: that shows them.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._announced = Counter("placewright_reaps_announced_total", "Reaps that were announced.", registry=registry)
        self._reaps = Counter(
            "placewright_idle_reaps_total", "Idle models that were scaled to nothing or to a floor.", registry=registry
        )
        self._wakes = Counter(
            "placewright_wakes_total", "Reaped models that were woken, by cause.", ["by"], registry=registry
        )
        self._wake_seconds = Histogram(
            "placewright_wake_ready_seconds",
            "Seconds from a wake until all replicas were Ready.",
            buckets=WAKE_BUCKETS_SECONDS,
            registry=registry,
        )
        self._actions = Counter(
            "placewright_rollout_actions_total",
            "Actions on workloads and routes, by how they ended.",
            ["action", "result"],
            registry=registry,
        )
        self._failures = Counter(
            "placewright_rollout_failures_total",
            "Rollouts whose replicas did not get Ready in time.",
            registry=registry,
        )
        for cause in WakeCause:  # a rate needs the zero before the first
            self._wakes.labels(str(cause))
        for action in ActionKind:
            for result in ActionResult:
                self._actions.labels(str(action), str(result))

    def announced(self) -> None:
        """Counts a reap that was announced: the status with its time was written."""
        self._announced.inc()

    def reaped(self) -> None:
        """Counts a reap: the replicas were seen at the target, and the status that says Reaped was written."""
        self._reaps.inc()

    def woken(self, by: WakeCause) -> None:
        """Counts a wake as it begins: the status that says Waking was written."""
        self._wakes.labels(str(by)).inc()

    def wake_ready(self, seconds: float) -> None:
        """Counts the end of a wake.

        Args:
            seconds: from its begin until all replicas were Ready; a clock that went back counts as 0.
        """
        self._wake_seconds.observe(max(0.0, seconds))

    def acted(self, action: ActionKind, result: ActionResult) -> None:
        """Counts one action of a rollout step, however it ended."""
        self._actions.labels(str(action), str(result)).inc()

    def rollout_failed(self) -> None:
        """Counts a rollout that failed: the status that says so was written."""
        self._failures.inc()
