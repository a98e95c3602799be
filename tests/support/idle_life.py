"""A model in a toy cluster: Pods that start and end, requests, scrapes, two clocks that jump, and a status.

It plays what the operator does around a decision, the plainest way, and knows what is true.
"""

from dataclasses import dataclass, field

from placewright.api.acting import idle_memory_of
from placewright.api.acting_status import idle_data
from placewright.core.idle import decide
from placewright.core.model import (
    Activity,
    IdleAction,
    IdleMemory,
    IdlePolicy,
    IdleRules,
    IdleState,
    IdleVerdict,
    IdleWishes,
    ServerHistory,
    Slot,
)

PLAN = 3
SCRAPE_SECONDS = 15.0
STARTS_IN_SECONDS = 40.0
BEGIN = 1_700_000_000.0


@dataclass
class Pod:
    """One replica; times are true ones, but for `created`, which is the cluster's."""

    name: str
    born: float
    created: float
    told: list[tuple[float, bool]] = field(default_factory=list)  # scrapes by Prometheus' clock, and what was new
    pending: bool = False  # it has worked, and no scrape has said so yet


@dataclass
class Life:
    """Everything there is. The operator and the cluster have one clock, Prometheus has one of its own."""

    policy: IdlePolicy = IdlePolicy.SCALE_TO_ZERO
    time: float = BEGIN
    clock_ahead: float = 0.0
    prometheus_ahead: float = 0.0
    data: bool = True
    can_act: bool = True
    owner: str = ""
    cost_per_hour: float = 12.0
    wishes: IdleWishes = field(default_factory=IdleWishes)
    memory: IdleMemory = field(default_factory=IdleMemory)
    replicas: int = PLAN
    pods: list[Pod] = field(default_factory=list)
    gone: list[Pod] = field(default_factory=list)
    served: list[tuple[float, Pod]] = field(default_factory=list)  # requests, by true time
    names: int = 0

    def __post_init__(self) -> None:
        self.follow()

    @property
    def rules(self) -> IdleRules:
        return IdleRules(policy=self.policy, after_seconds=600.0, announce_seconds=120.0, warmup_seconds=60.0)

    @property
    def now(self) -> float:
        return self.time + self.clock_ahead

    @property
    def floor(self) -> int:
        return self.rules.floor if self.policy is IdlePolicy.SCALE_TO_FLOOR else 0

    def advance(self, seconds: float) -> None:
        """Time goes on, and scrapes with it."""
        until = self.time + seconds
        while self.time < until:
            self.time = min(until, self.time + SCRAPE_SECONDS)
            at = self.time + self.prometheus_ahead
            for pod in self.pods if self.data else ():
                in_order = not pod.told or at > pod.told[-1][0]
                if self.ready(pod) and in_order:
                    pod.told.append((at, pod.pending))
                    pod.pending = False

    def ready(self, pod: Pod) -> bool:
        """Whether it answers requests."""
        return self.time - pod.born >= STARTS_IN_SECONDS

    def request(self, which: int) -> None:
        """One request, to one of the Pods that are Ready; else it is lost."""
        able = [pod for pod in self.pods if self.ready(pod)]
        if able:
            pod = able[which % len(able)]
            pod.pending = True
            self.served.append((self.time, pod))

    def scale(self, replicas: int) -> None:
        """Somebody changes the number of replicas."""
        self.replicas = replicas
        self.follow()

    def follow(self) -> None:
        """Pods as many as are wanted."""
        while len(self.pods) > self.replicas:
            self.gone.append(self.pods.pop())
        while len(self.pods) < self.replicas:
            self.names += 1
            self.pods.append(Pod(name=f"chat-{self.names}", born=self.time, created=self.now))

    def activity(self) -> Activity:
        """What is known of it."""
        as_of = self.time + self.prometheus_ahead
        step, reach = self.rules.step_seconds, self.rules.window_seconds + 2.0 * self.rules.step_seconds
        known = [pod for pod in (*self.pods, *self.gone) if any(as_of - reach < at <= as_of for at, _ in pod.told)]
        return Activity(
            as_of=as_of if self.data else None,
            servers=tuple(ServerHistory(server=pod.name, slots=_slots(pod, as_of, step, reach)) for pod in known),
            replicas=self.replicas,
            plan_replicas=PLAN,
            serving=sum(self.ready(pod) for pod in self.pods),
            youngest_at=max((pod.created for pod in self.pods), default=None),
            replicas_owner=self.owner,
            fault="" if self.data else "Unreachable: refused",
        )

    def look(self, *, carried_out: bool = True, stored: bool = True) -> IdleVerdict:
        """One look, and what the operator does of it; it may be killed before it acts or before it writes."""
        verdict = decide(
            self.activity(),
            self.rules,
            self.wishes,
            self.memory,
            self.now,
            cost_per_hour=self.cost_per_hour,
            floor_cost_per_hour=self.cost_per_hour * self.floor / PLAN,
            can_act=self.can_act,
        )
        if carried_out and self.can_act and not self.owner:
            wanted = PLAN if verdict.target is None else verdict.target
            if verdict.action is IdleAction.REAP or wanted > self.replicas:
                self.scale(wanted)
        if stored:
            self.memory = idle_memory_of({"idle": idle_data(verdict)})
        return verdict

    def is_reaped(self) -> bool:
        """Whether the status says so."""
        return self.memory.state is IdleState.REAPED


def _slots(pod: Pod, as_of: float, step: float, reach: float) -> tuple[Slot, ...]:
    first, last = int((as_of - reach) // step) + 1, int(as_of // step)
    found = []
    for index in range(first, last + 1):
        told = [new for at, new in pod.told if index * step < at <= (index + 1) * step and at <= as_of]
        before = [new for at, new in pod.told if (index - 1) * step < at <= index * step]
        if told:
            end = min((index + 1) * step, as_of)
            found.append(Slot(at=end, finished=any((*told, *before)), running=0.0, waiting=0.0, up=True))
        elif index != last:
            found.append(Slot(at=(index + 1) * step))
    return tuple(found)
