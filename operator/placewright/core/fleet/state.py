"""What is known of a component of a fleet while it is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from placewright.core.fleet.alone import Alone
from placewright.core.fleet.asks import Bundle, Case
from placewright.core.fleet.packing import place
from placewright.core.fleet.plans import Held, held_of
from placewright.core.fleet.problem import Problem, Solution
from placewright.core.fleet.rows import Rows
from placewright.core.fleet.standing import Standing, usage_of
from placewright.core.model import Billing


@dataclass(kw_only=True, eq=False)
class State:
    """What is known of a part while it is decided.

    Attributes:
        cases: by namespace/name.
        rows: what is scarce, without what kept plans take.
        alone: what each takes with all stock to itself; those that nothing serves are absent.
        standing: present plans looked at.
        whole: capacity of each row before kept plans took theirs.
        kept: present plans that stay whatever else is decided.
    """

    cases: dict[str, Case]
    rows: Rows
    alone: dict[str, Alone]
    standing: dict[str, Standing]
    whole: tuple[float, ...]
    kept: dict[str, Held] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Solved:
    """A solve, with what its offers stand for."""

    problem: Problem
    solution: Solution
    bundles: Mapping[str, tuple[Bundle, ...]]

    def held(self) -> dict[str, Held]:
        """What each ask takes; refused ones are absent."""
        return {
            key: held_of([(self.bundles[key][offer], count) for offer, count in taken])
            for key, taken in zip(self.problem.keys, self.solution.taken, strict=True)
            if taken is not None
        }


def left_of(state: State, held: Mapping[str, Held]) -> list[float]:
    """What the rows have left beside what is held."""
    left = list(state.rows.capacity)
    for key, own in held.items():
        for row, amount in usage_of(state.cases[key], own, state.rows).items():
            left[row] -= amount
    return left


def used_of(state: State, held: Mapping[str, Held]) -> list[float]:
    """What is used of each row by what is held and by what is kept, be it more than there is."""
    used = [0.0] * len(state.whole)
    for key, own in (*held.items(), *state.kept.items()):
        for row, amount in usage_of(state.cases[key], own, state.rows).items():
            used[row] += amount
    return used


def unpackable(state: State, held: Mapping[str, Held]) -> list[int]:
    """Rows to tighten: of pools whose nodes do not hold the groups although the rows do."""
    over: list[int] = []
    for key, pool in sorted(state.rows.pools.items()):
        if pool.billing is Billing.PER_NODE:
            continue
        holdings = [
            [(size, count * copies)]
            for ask, own in (*held.items(), *state.kept.items())
            for candidate, copies in own
            for name, size, count in candidate.groups
            if state.cases[ask].keys[name] == key
        ]
        if holdings and place(pool, holdings) is None:
            over.append(state.rows.places[key][0][1])
    return over
