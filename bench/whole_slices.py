"""Heterogeneous serving as Melange packs it, beside the same with traffic split by weights.

Requests come in buckets of input and output sizes; a GPU kind sustains so many requests/s of a bucket. Melange (Griggs
et al., arXiv 2404.14527) cuts each bucket into a number of slices, gives each slice whole to one GPU kind, and buys
enough GPUs of each kind for the load on it. A gateway can split a bucket in any shares, which is what the planner does.
"""

import statistics
import time
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from ortools.linear_solver import pywraplp
from ortools.math_opt.python import mathopt

from placewright.core.fleet.problem import Ask, Offer, Problem, make_problem
from placewright.core.fleet.solve import solve
from placewright.core.performance.base import FloatArray

SEED = 20261121
CASES = 60
SLICES = 4  # of a bucket; what Melange's authors recommend
LIMIT_SECONDS = 10.0
UNLIMITED = 1e6
REFUSAL = 30.0  # times what serving each bucket where it is cheapest costs


@dataclass(frozen=True, kw_only=True, eq=False)
class Serving:
    """GPU kinds (J), buckets (C): USD per hour (J,), requests/s of one GPU (J, C), and the demand (C,)."""

    cost: FloatArray
    rate: FloatArray
    demand: FloatArray

    def loads(self) -> FloatArray:
        """GPUs of each kind that each bucket keeps busy, (J, C); inf where a kind cannot serve it."""
        with np.errstate(divide="ignore"):
            loads: FloatArray = self.demand / self.rate
        return loads


# The example of Melange's repository (github.com/tyler-griggs/melange-release, melange/config/example.json): A10G and
# A100-80GB, 2 x 2 buckets, 30 requests/s, one slice per bucket. Its README gives $6.70: three A10G and one A100.
EXAMPLE = Serving(
    cost=np.array([1.01, 3.67]),
    rate=np.array([[2.0, 1.0, 5.0, 2.0], [20.0, 20.0, 40.0, 20.0]]),
    demand=30.0 * np.array([0.2, 0.1, 0.5, 0.2]),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Seconds, USD per hour and a proved bound on it."""

    seconds: float
    cost_per_hour: float
    bound: float


def split_by_weights(case: Serving) -> Answer:
    """The planner's fleet solver, with all GPUs to be had."""
    problem = as_problem(case)
    started = time.perf_counter()
    solution = solve(problem)
    seconds = time.perf_counter() - started
    check_served(case, solution.taken[0] or ())
    return Answer(seconds=seconds, cost_per_hour=solution.objective, bound=solution.bound)


def as_problem(case: Serving) -> Problem:
    """One ask whose classes are the buckets with traffic and whose offers are single GPUs of each kind."""
    busy = case.demand > 0
    offers = tuple(
        Offer(cost_per_hour=float(cost), rates=tuple(rates[busy].tolist()), uses=((kind, 1.0),))
        for kind, (cost, rates) in enumerate(zip(case.cost, case.rate, strict=True))
    )
    cheapest = float((case.loads() * case.cost[:, None])[:, busy].min(axis=0).sum())
    demands = tuple(case.demand[busy].tolist())
    ask = Ask(key="serving", demands=demands, offers=offers, refusal_value=REFUSAL * cheapest)
    return make_problem((ask,), [UNLIMITED] * len(case.cost))


def check_served(case: Serving, taken: tuple[tuple[int, int], ...]) -> None:
    """Raise when no split of the buckets fits the GPUs that were taken."""
    model = mathopt.Model()
    loads = case.loads()
    counts = dict(taken)
    rows = [model.add_linear_constraint(ub=float(counts.get(kind, 0))) for kind in range(len(case.cost))]
    for bucket in np.flatnonzero(case.demand > 0).tolist():
        whole = model.add_linear_constraint(lb=1.0, ub=1.0)
        for kind in np.flatnonzero(np.isfinite(loads[:, bucket])).tolist():
            share = model.add_variable(lb=0.0, ub=1.0)
            whole.set_coefficient(share, 1.0)
            rows[kind].set_coefficient(share, float(loads[kind, bucket]) * (1 - 1e-7))
    result = mathopt.solve(model, mathopt.SolverType.GLOP)
    if result.termination.reason is not mathopt.TerminationReason.OPTIMAL:
        raise AssertionError(f"the GPUs taken do not serve the demand: {taken}")


def whole_slices_by_scip(case: Serving, slices: int) -> Answer:
    """Melange's program, by SCIP through MathOpt."""
    model = mathopt.Model()
    counts = [model.add_integer_variable(lb=0.0) for _ in case.cost]
    rows = [model.add_linear_constraint(ub=0.0) for _ in case.cost]
    for row, count, cost in zip(rows, counts, case.cost, strict=True):
        row.set_coefficient(count, -1.0)
        model.objective.set_linear_coefficient(count, float(cost))
    loads = case.loads() / slices
    for bucket in np.flatnonzero(case.demand > 0).tolist():
        for _ in range(slices):
            one = model.add_linear_constraint(lb=1.0, ub=1.0)
            for kind in np.flatnonzero(np.isfinite(loads[:, bucket])).tolist():
                pick = model.add_binary_variable()
                one.set_coefficient(pick, 1.0)
                rows[kind].set_coefficient(pick, float(loads[kind, bucket]))
    limits = mathopt.SolveParameters(time_limit=timedelta(seconds=LIMIT_SECONDS), random_seed=1)
    started = time.perf_counter()
    result = mathopt.solve(model, mathopt.SolverType.GSCIP, params=limits)
    return Answer(
        seconds=time.perf_counter() - started,
        cost_per_hour=result.objective_value(),
        bound=result.termination.objective_bounds.dual_bound,
    )


def whole_slices_by_cbc(case: Serving, slices: int) -> Answer:
    """Melange's program, by CBC, which its repository uses."""
    solver = pywraplp.Solver.CreateSolver("CBC")
    counts = [solver.IntVar(0, solver.infinity(), "") for _ in case.cost]
    loads = case.loads() / slices
    used: list[list[tuple[float, pywraplp.Variable]]] = [[] for _ in case.cost]
    for bucket in np.flatnonzero(case.demand > 0).tolist():
        for _ in range(slices):
            picks = []
            for kind in np.flatnonzero(np.isfinite(loads[:, bucket])).tolist():
                picks.append(solver.BoolVar(""))
                used[kind].append((float(loads[kind, bucket]), picks[-1]))
            solver.Add(sum(picks) == 1)
    for count, terms in zip(counts, used, strict=True):
        solver.Add(sum(load * pick for load, pick in terms) <= count)
    solver.Minimize(sum(float(cost) * count for cost, count in zip(case.cost, counts, strict=True)))
    solver.SetTimeLimit(int(LIMIT_SECONDS * 1000))
    started = time.perf_counter()
    solver.Solve()
    seconds = time.perf_counter() - started
    objective = solver.Objective()
    return Answer(seconds=seconds, cost_per_hour=objective.Value(), bound=objective.BestBound())


def random_case(rng: np.random.Generator) -> Serving:
    """Four GPU kinds and up to 10 x 6 buckets; dear GPUs are better at long requests, and none is best at all."""
    inputs, outputs = int(rng.integers(2, 11)), int(rng.integers(2, 7))
    cost = np.array([0.7, 1.01, 3.67, 7.5]) * rng.lognormal(0.0, 0.1, 4)
    strength = np.array([1.0, 1.5, 6.0, 12.0]) * rng.lognormal(0.0, 0.15, 4)
    tokens = np.add.outer(np.geomspace(25, 8000, inputs) * 0.25, np.geomspace(25, 2000, outputs)).ravel()
    reach = np.array([900.0, 1500.0, 6000.0, 12000.0])
    rate = (
        400.0
        * strength[:, None]
        / tokens
        * np.exp(-tokens / reach[:, None])
        * rng.lognormal(0.0, 0.2, (4, tokens.size))
    )
    weights = rng.dirichlet(np.full(tokens.size, 0.7))
    demand = np.where(weights > 1e-4, weights, 0.0) * float(rng.choice([2.0, 8.0, 32.0, 128.0]))
    return Serving(cost=cost, rate=np.where(rate > 1e-3, rate, 0.0), demand=demand)


def run() -> None:
    """Print the example and the random cases."""
    split, whole = split_by_weights(EXAMPLE), whole_slices_by_scip(EXAMPLE, 1)
    print("Melange's example: A10G and A100-80GB, 2 x 2 buckets, 30 requests/s (its repository's config/example.json)")
    print(f"  whole slices (SCIP) ${whole.cost_per_hour:.2f}/h, split by weights ${split.cost_per_hour:.2f}/h", end="")
    print(f" ({(split.cost_per_hour / whole.cost_per_hour - 1) * 100:.0f} %), bound ${split.bound:.2f}/h")
    rng = np.random.default_rng(SEED)
    split_by_weights(random_case(np.random.default_rng(0)))  # loads what is compiled
    rows = []
    for _ in range(CASES):
        case = random_case(rng)
        rows.append((split_by_weights(case), whole_slices_by_scip(case, SLICES), whole_slices_by_cbc(case, SLICES)))
    _print_cases(rows)


def _print_cases(rows: list[tuple[Answer, Answer, Answer]]) -> None:
    print(f"{CASES} random cases: 4 GPU kinds, up to 10 x 6 buckets, {SLICES} slices of a bucket")
    for at, name in ((1, "SCIP"), (2, "CBC")):
        ratios = [row[0].cost_per_hour / row[at].cost_per_hour for row in rows]
        faster = sum(row[0].seconds < row[at].seconds for row in rows)
        cut = sum(row[at].seconds >= LIMIT_SECONDS * 0.99 for row in rows)
        print(
            f"  split over whole slices by {name:<5} cost: worst {max(ratios):.6f}, mean {statistics.mean(ratios):.4f}"
            f", best {min(ratios):.4f}; faster in {faster} of {len(rows)}; {cut} cut at {LIMIT_SECONDS:.0f} s"
        )
    for at, name in ((0, "planner"), (1, "SCIP"), (2, "CBC")):
        times = sorted(row[at].seconds for row in rows)
        print(f"  {name:<8} median {times[len(times) // 2]:8.4f} s, worst {times[-1]:8.4f} s, all {sum(times):8.2f} s")
    gaps = [(row[0].cost_per_hour - row[0].bound) / row[0].cost_per_hour * 100 for row in rows]
    print(f"  planner's proved gap: worst {max(gaps):.4f} %")


if __name__ == "__main__":
    run()
