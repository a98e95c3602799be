"""What is wanted of a request beside what runs of it, for one look at its rollout."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from placewright.core.model import Goal, Running, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The goal beside what runs."""

    goal: Goal
    running: Mapping[str, Running]
    now: float
    owner: Hashable

    def key(self, name: str) -> Hashable:
        """The unit among those of all requests."""
        return (self.owner, name)

    @property
    def wanted(self) -> dict[str, int]:
        """Replicas by unit: of the plan, and of the one before while both serve."""
        found: dict[str, int] = {}
        for unit in (*self.goal.units, *self.goal.before):
            found[unit.name] = max(found.get(unit.name, 0), unit.replicas)
        return found

    @property
    def extra(self) -> list[Running]:
        """What runs and is not wanted at all."""
        wanted = self.wanted
        return sorted((each for each in self.running.values() if each.name not in wanted), key=lambda each: each.name)

    def replicas(self, name: str) -> int:
        """Replicas that a unit asks for; 0 where it does not run."""
        found = self.running.get(name)
        return 0 if found is None else found.replicas

    def ready(self, name: str) -> int:
        """Those of them that are Ready."""
        found = self.running.get(name)
        return 0 if found is None else min(found.ready, found.replicas)

    def capacity(self, units: Iterable[Unit]) -> float:
        """What share of the capacity of these units is Ready, 0..1; 1 where none is wanted."""
        asked = [unit for unit in units if unit.replicas > 0]
        total = sum(unit.weight for unit in asked)
        if not asked:
            return 1.0
        if total <= 0.0:
            return min(min(1.0, self.ready(unit.name) / unit.replicas) for unit in asked)
        return sum(unit.weight * min(1.0, self.ready(unit.name) / unit.replicas) for unit in asked) / total

    @property
    def complete(self) -> bool:
        """Whether all that is wanted is Ready, of the template that is wanted."""
        wanted = self.wanted
        return all(self.ready(name) >= replicas for name, replicas in wanted.items()) and not any(
            self.running[name].stale for name in wanted if name in self.running
        )
