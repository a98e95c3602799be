"""A toy cluster for rollouts: replicas that get Ready when a script says so, a route, and nodes with GPUs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from placewright.core import rollout
from placewright.core.model import (
    Goal,
    Groups,
    Pool,
    Remove,
    RolloutMemory,
    RolloutPhase,
    RolloutRules,
    RolloutStep,
    Running,
    Scale,
    Unit,
    Weigh,
)
from placewright.core.stock import Budget, Stock


@dataclass
class Workload:
    """One unit as the cluster has it."""

    pools: Mapping[str, Groups]
    replicas: int = 0
    ready: int = 0
    up_since: float | None = None
    before: int | None = None
    trouble: str = ""


@dataclass
class World:
    """One request on its pools.

    Attributes:
        pools: with their GPUs.
        broken: units whose replicas never get Ready.
    """

    pools: tuple[Pool, ...]
    broken: set[str] = field(default_factory=set)
    now: float = 0.0
    units: dict[str, Workload] = field(default_factory=dict)
    route: dict[str, float] = field(default_factory=dict)
    memory: RolloutMemory = field(default_factory=RolloutMemory)
    writes: int = 0

    def running(self, *, routed: bool) -> list[Running]:
        return [
            Running(
                name=name,
                replicas=each.replicas,
                ready=each.ready,
                up_since=each.up_since,
                weight=self.route.get(name, 0.0) if routed else None,
                pools=each.pools,
                trouble=each.trouble,
                replicas_before=each.before,
            )
            for name, each in self.units.items()
        ]

    def look(self, goal: Goal, rules: RolloutRules, *, per_cycle: int | None = None) -> RolloutStep:
        """One look, and its actions done."""
        stock = Stock(self.pools)
        for name, each in self.units.items():
            stock.hold((None, name), each.pools, each.replicas)
        step = rollout.decide(
            goal,
            self.running(routed=goal.routed),
            stock,
            rules,
            self.memory,
            self.now,
            budget=Budget(per_cycle),
        )
        self.memory = step.memory
        wanted = {unit.name: unit for unit in (*goal.units, *goal.before)}
        for action in step.actions:
            self.writes += 1
            match action:
                case Scale(name=name, replicas=replicas):
                    self._scale(name, replicas, wanted)
                case Weigh(shares=shares):
                    self.route = dict(shares)
                case Remove(name=name):
                    del self.units[name]
                    self.route.pop(name, None)
        return step

    def _scale(self, name: str, replicas: int, wanted: Mapping[str, Unit]) -> None:
        if name not in self.units:
            self.units[name] = Workload(pools=wanted[name].pools)
        unit = self.units[name]
        if replicas > unit.replicas:
            unit.up_since = self.now
        elif name not in wanted:
            unit.before = max(unit.before or 0, unit.replicas)
        unit.replicas = replicas
        unit.ready = min(unit.ready, replicas)

    def pass_time(self, seconds: float, ready: Iterable[str] | None = None) -> None:
        """Time passes; one more replica of each of these units gets Ready (None: of all), if it ever does."""
        self.now += seconds
        for name in list(self.units) if ready is None else ready:
            unit = self.units.get(name)
            if unit is not None and name not in self.broken:
                unit.ready = min(unit.replicas, unit.ready + 1)

    def settle(self, goal: Goal, rules: RolloutRules, *, looks: int = 300, per_cycle: int | None = None) -> RolloutStep:
        """Looks until nothing is done any more and all that can be Ready is."""
        quiet = 0
        for _ in range(looks):
            step = self.look(goal, rules, per_cycle=per_cycle)
            self.pass_time(1.0)
            quiet = 0 if step.actions else quiet + 1
            if quiet > 1 + max((each.replicas for each in self.units.values()), default=0):
                return step
        raise AssertionError(f"never settled: {step}")

    @property
    def ready(self) -> int:
        return sum(each.ready for each in self.units.values())

    def asked(self) -> dict[str, int]:
        """GPUs that are asked for, by pool."""
        found: dict[str, int] = {}
        for each in self.units.values():
            for pool, groups in each.pools.items():
                found[pool] = found.get(pool, 0) + each.replicas * sum(gpus * pods for gpus, pods in groups)
        return found


def done(step: RolloutStep) -> bool:
    return step.phase is RolloutPhase.ROLLED_OUT
