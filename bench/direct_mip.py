"""The fleet as one integer program, given to a MIP solver as it stands: what the planner is measured against."""

import time
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from ortools.math_opt.python import mathopt

from placewright.core.fleet.problem import Problem

SOLVERS = {
    "SCIP": mathopt.SolverType.GSCIP,
    "HiGHS": mathopt.SolverType.HIGHS,
    "CP-SAT": mathopt.SolverType.CP_SAT,
}
THREADS = {"CP-SAT": 2}  # this SCIP is built without its parallel form, and HiGHS takes its number from the machine
PROVED = 1e-4  # relative gap that ends the search: the planner's own target


@dataclass(frozen=True, slots=True, kw_only=True)
class MipResult:
    """Seconds, the best objective and the proved bound in USD per hour; None: nothing found, or nothing proved."""

    seconds: float
    objective: float | None
    bound: float | None

    @property
    def gap_percent(self) -> float | None:
        """Between the two, as a share of the objective."""
        if self.objective is None or self.bound is None:
            return None
        return max(0.0, (self.objective - self.bound) / max(abs(self.objective), 1e-9)) * 100.0


def solve_directly(problem: Problem, solver: str, *, seconds: float) -> MipResult:
    """Whole numbers of every offer of asks with one class, or a refusal, within the rows; cut at so many seconds."""
    model = _model(problem)
    started = time.perf_counter()
    result = mathopt.solve(
        model,
        SOLVERS[solver],
        params=mathopt.SolveParameters(
            time_limit=timedelta(seconds=seconds),
            threads=THREADS.get(solver),
            random_seed=1,
            relative_gap_tolerance=PROVED,
        ),
    )
    spent = time.perf_counter() - started
    bounds = result.termination.objective_bounds
    return MipResult(
        seconds=spent,
        objective=result.objective_value() if result.has_primal_feasible_solution() else None,
        bound=bounds.dual_bound if np.isfinite(bounds.dual_bound) else None,
    )


def _model(problem: Problem) -> mathopt.Model:
    model = mathopt.Model()
    rows = [model.add_linear_constraint(ub=float(most)) for most in problem.capacity]
    for ask in range(problem.asks):
        demand = float(problem.demand[problem.class_start[ask]])
        refused = model.add_binary_variable()
        model.objective.set_linear_coefficient(refused, float(problem.refusal_value[ask]))
        covered = model.add_linear_constraint(lb=1.0)
        covered.set_coefficient(refused, 1.0)
        for offer in range(int(problem.ask_start[ask]), int(problem.ask_start[ask + 1])):
            share = float(problem.rate[problem.rate_start[offer]]) / demand
            count = model.add_integer_variable(lb=0.0, ub=float(np.ceil(1.0 / share)))
            covered.set_coefficient(count, share)
            model.objective.set_linear_coefficient(count, float(problem.value[offer]))
            for use in range(int(problem.use_start[offer]), int(problem.use_start[offer + 1])):
                rows[int(problem.use_row[use])].set_coefficient(count, float(problem.use_amount[use]))
    return model
