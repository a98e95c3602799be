"""Whole answers: a small integer program over columns, and the whole problem as one program where it is small."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from ortools.math_opt.python import mathopt

from placewright.core.fleet.level import Items, Level, demand_of, rates_of
from placewright.core.fleet.problem import NO_LIMIT
from placewright.core.performance.base import FloatArray

_GAP = 1e-9
_CHOICE_NODES = 100
_DIRECT_NODES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """An answer of an integer program: column or items by ask, and a proved bound on the objective."""

    chosen: Mapping[int, Items]
    bound: float


def parameters(seconds: float, *, loss: float = 0.0, nodes: int) -> mathopt.SolveParameters:
    """One thread, a fixed seed and a limit of nodes, so that equal programs give equal answers on any machine.

    The limit in seconds is for the program that is stuck before its first node ends.
    """
    return mathopt.SolveParameters(
        node_limit=nodes,
        threads=1,
        random_seed=0,
        relative_gap_tolerance=_GAP,
        absolute_gap_tolerance=loss,
        time_limit=timedelta(seconds=max(seconds, 0.05)),
    )


def choose_columns(
    level: Level, asks: Sequence[int], capacity: FloatArray, *, loss: float, seconds: float
) -> dict[int, int] | None:
    """One known column for each ask within the capacity, at an objective within `loss` of the least.

    None: nothing found in time.
    """
    model = mathopt.Model()
    rows = [model.add_linear_constraint(ub=float(most)) for most in capacity]
    variables: dict[int, mathopt.Variable] = {}
    for ask in asks:
        one = model.add_linear_constraint(lb=1.0, ub=1.0)
        for index in level.by_ask[ask]:
            column = level.columns[index]
            pick = variables[index] = model.add_binary_variable()
            one.set_coefficient(pick, 1.0)
            for row, amount in column.uses:
                rows[row].set_coefficient(pick, amount)
            model.objective.set_linear_coefficient(pick, level.objective_of(column))
    result = mathopt.solve(model, mathopt.SolverType.GSCIP, params=parameters(seconds, loss=loss, nodes=_CHOICE_NODES))
    if not result.has_primal_feasible_solution():
        return None
    values = result.variable_values()
    return {level.columns[index].ask: index for index, pick in variables.items() if values[pick] > 0.5}


def solve_directly(level: Level, *, hint: Mapping[int, Items], seconds: float) -> Whole | None:
    """The level as one integer program: counts of offers, shares of classes, refusals; None: nothing found in time."""
    return _Direct(level).solve(hint, seconds)


class _Direct:
    """Data, variables, constraints and objective of the whole level.

    HiGHS takes a quarter of SCIP's time where classes are split (bench/whole_slices.py), SCIP a part of HiGHS' where
    all is whole. HiGHS works on one thread by itself and takes no limit on them.
    """

    def __init__(self, level: Level) -> None:
        self.level = level
        self.model = mathopt.Model()
        self.rows = [self.model.add_linear_constraint(ub=float(most)) for most in level.capacity]
        self.counts: dict[int, mathopt.Variable] = {}
        self.picks: dict[int, mathopt.Variable] = {}  # fixed columns: the refusal and the present plan
        for ask in level.asks.tolist():
            self._ask(ask)

    def _ask(self, ask: int) -> None:
        level, model = self.level, self.model
        problem = level.problem
        served = {}
        for index in level.base[ask]:
            column = level.columns[index]
            pick = self.picks[index] = model.add_binary_variable()
            for row, amount in column.uses:
                self.rows[row].set_coefficient(pick, amount)
            model.objective.set_linear_coefficient(pick, level.objective_of(column))
            served[index] = pick
        fixed = mathopt.LinearSum(served.values())
        if not level.free[ask]:
            model.add_linear_constraint(fixed == 1.0)
            return
        low, high = int(problem.ask_start[ask]), int(problem.ask_start[ask + 1])
        self._limits(ask, low, high, fixed)
        rates, demand = rates_of(problem, ask), demand_of(problem, ask)
        if len(demand) == 1:
            capacity = mathopt.LinearSum(  # in units of the demand, since tolerances are absolute
                float(rates[k - low, 0] / demand[0]) * self.counts[k] for k in range(low, high) if k in self.counts
            )
            model.add_linear_constraint(capacity + fixed >= 1.0)
            return
        self._shares(low, high, rates, demand, fixed)

    def _limits(self, ask: int, low: int, high: int, fixed: mathopt.LinearSum) -> None:
        """Counts of the ask's offers with all that holds for them whatever the traffic."""
        level, model, problem = self.level, self.model, self.level.problem
        weight = float(level.counted[ask])
        keeper = int(level.keeper[ask])
        for k in range(low, high):
            most = min(int(level.limit[k]), 1_000_000)
            if most <= 0:
                continue
            count = self.counts[k] = model.add_integer_variable(lb=0.0, ub=float(most))
            for u in range(problem.use_start[k], problem.use_start[k + 1]):
                row = self.rows[int(problem.use_row[u])]
                row.set_coefficient(count, row.get_coefficient(count) + float(problem.use_amount[u]))
            if keeper >= 0:
                self.rows[keeper].set_coefficient(count, float(problem.value[k]))
            model.objective.set_linear_coefficient(count, weight * float(problem.value[k]))
        own = [k for k in range(low, high) if k in self.counts]
        copies = mathopt.LinearSum(float(problem.copies[k]) * self.counts[k] for k in own)
        least, most_copies = float(problem.min_copies[ask]), int(problem.max_copies[ask])
        if least > 0:
            model.add_linear_constraint(copies + least * fixed >= least)
        if most_copies < NO_LIMIT:
            model.add_linear_constraint(copies <= float(most_copies))
        if np.isfinite(problem.max_cost[ask]):
            cost = mathopt.LinearSum(float(problem.cost[k]) * self.counts[k] for k in own)
            model.add_linear_constraint(cost <= float(problem.max_cost[ask]) * (1 + 1e-9))

    def _shares(self, low: int, high: int, rates: FloatArray, demand: FloatArray, fixed: mathopt.LinearSum) -> None:
        model = self.model
        shares = {
            (k, c): model.add_variable(lb=0.0, ub=1.0)
            for k in range(low, high)
            if k in self.counts
            for c in range(len(demand))
            if rates[k - low, c] > 0
        }
        for c in range(len(demand)):
            whole = mathopt.LinearSum(share for (_, own), share in shares.items() if own == c)
            model.add_linear_constraint(whole + fixed >= 1.0)
        for k in range(low, high):
            if k in self.counts:
                load = mathopt.LinearSum(
                    float(demand[c] / rates[k - low, c]) * share for (own, c), share in shares.items() if own == k
                )
                model.add_linear_constraint(load <= self.counts[k])

    def solve(self, hint: Mapping[int, Items], seconds: float) -> Whole | None:
        taken = {offer: count for items in hint.values() for offer, count in items}
        start = mathopt.SolutionHint(
            variable_values={count: float(taken.get(k, 0)) for k, count in self.counts.items()}
        )
        limits = parameters(seconds, nodes=_DIRECT_NODES)
        split = bool(self.level.several)
        result = mathopt.solve(
            self.model,
            mathopt.SolverType.HIGHS if split else mathopt.SolverType.GSCIP,
            params=replace(limits, threads=None) if split else limits,
            model_params=mathopt.ModelSolveParameters(solution_hints=[start] if hint else []),
        )
        if not result.has_primal_feasible_solution():
            return None
        values = result.variable_values()
        chosen: dict[int, Items] = {}
        for ask in self.level.asks.tolist():
            fixed = [i for i in self.level.base[ask] if values[self.picks[i]] > 0.5]
            low, high = int(self.level.problem.ask_start[ask]), int(self.level.problem.ask_start[ask + 1])
            if fixed:
                chosen[ask] = self.level.columns[fixed[0]].items
            else:
                whole = ((k, round(values[self.counts[k]])) for k in range(low, high) if k in self.counts)
                chosen[ask] = tuple((k, count) for k, count in whole if count)
        return Whole(chosen=chosen, bound=float(result.dual_bound()))
