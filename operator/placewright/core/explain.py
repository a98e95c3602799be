"""Why this plan: what was rejected and why, what lost, and the smallest change that would help."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from placewright.core import figures, gates, relax
from placewright.core.alternatives import alternatives
from placewright.core.budgets import target_of
from placewright.core.levers_shape import stock_levers
from placewright.core.methods import solve
from placewright.core.model import (
    Alternative,
    Layout,
    Method,
    ObjectiveType,
    Rejection,
    RejectionCode,
    Relaxation,
    Request,
    Slo,
)
from placewright.core.outcome import Outcome, Watch
from placewright.core.performance.base import PerformanceModel, Setting
from placewright.core.relax import Solver

Figure = Callable[[Layout], float | None]
"""A figure of a layout; None: not known."""

MOST_REJECTIONS = 10
_SHARE_OF_ONE_SOLVE = 0.1  # of the time limit: a changed request that takes longer counts as no help
_WORTH_NAMING = 0.01  # a limit binds when the price without it is lower by this share


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What goes with a plan, or in its place."""

    rejections: tuple[Rejection, ...]
    alternatives: tuple[Alternative, ...]
    relaxation: Relaxation | None


def explain(
    request: Request,
    model: PerformanceModel,
    settings: Sequence[Setting],
    outcome: Outcome,
    *,
    clock: Callable[[], float],
) -> Explanation:
    """Explain an outcome; all of it together takes at most the solver's time limit again.

    Args:
        request: what was asked.
        model: its performance model.
        settings: what the model offered.
        outcome: what `methods.solve` chose.
        clock: monotonic seconds.
    """
    limit = request.solver.time_limit_seconds
    watch = Watch(clock, limit)
    solver = solver_of(model, clock=clock, watch=watch, most_seconds=max(limit * _SHARE_OF_ONE_SOLVE, 1.0))
    change = None
    if outcome.best is None:
        change = relax.relaxation(
            request, layers=model.layers(request), solve=solver, out_of_time=watch.share(0.7).out_of_time
        )
    offered = settings
    if not all(gates.drift_allows(request, precision.name) for precision in request.precisions):
        offered = tuple(model.settings(gates.without_drift_gate(request)))
    return Explanation(
        rejections=rejections(request, model.rejections(request), outcome, solve=solver),
        alternatives=alternatives(request, offered, outcome, out_of_time=watch.out_of_time),
        relaxation=change,
    )


def solver_of(model: PerformanceModel, *, clock: Callable[[], float], watch: Watch, most_seconds: float) -> Solver:
    """A solver of changed requests: the same model, each within a limit and all within one deadline."""

    def run(changed: Request) -> Outcome:
        seconds = min(most_seconds, watch.left())
        limited = replace(changed, solver=replace(changed.solver, time_limit_seconds=seconds))
        return solve(limited, model.settings(changed), clock=clock)

    return run


def rejections(
    request: Request, by_model: Sequence[Rejection], outcome: Outcome, *, solve: Solver
) -> tuple[Rejection, ...]:
    """At most ten classes of candidates that are out, the largest first; what only solving shows is always there.

    Args:
        request: what was asked.
        by_model: what the performance model left out.
        outcome: what was decided.
        solve: solves a changed request.
    """
    told = {entry.code for entry in by_model}
    by_solving = [*_by_gates(request, outcome, solve), *_by_floor(request, outcome)]
    by_solving += [entry for entry in _by_latency(request, outcome, solve) if entry.code not in told]
    if outcome.best is None and outcome.unblocked_best is None:
        by_solving += _by_stock(request, solve)
    room = MOST_REJECTIONS - len(by_solving)
    kept = [*by_solving, *sorted(by_model, key=_by_count)[: max(room, 0)]]
    return tuple(sorted(kept, key=_by_count))[:MOST_REJECTIONS]


def what_binds(request: Request, cost_per_million_tokens: float, solve: Solver) -> str:
    """Say which limit of the request keeps its best price up, found by solving without each."""
    free = _at_best_price(request)
    lifted: list[tuple[str, Request]] = []
    if request.gates.max_cost_per_hour is not None:
        without = replace(free.gates, max_cost_per_hour=None)
        lifted.append(("the limit per hour", replace(free, gates=without)))
    if request.objective.min_tokens_per_second > 0.0:
        without_floor = replace(free.objective, min_tokens_per_second=0.0)
        lifted.append(("the throughput floor", replace(free, objective=without_floor)))
    if request.slo.ttft_seconds is not None:
        lifted.append(("the TTFT target", replace(free, slo=replace(free.slo, ttft_seconds=None))))
    if request.slo.tpot_seconds is not None:
        lifted.append(("the TPOT target", replace(free, slo=replace(free.slo, tpot_seconds=None))))
    lifted.append(("the stock", _with_stock(free)))
    found: list[tuple[float, str]] = []
    for name, changed in lifted:
        layout = solve(changed).best
        if layout is not None and layout.cost_per_million_tokens < cost_per_million_tokens * (1.0 - _WORTH_NAMING):
            price = layout.cost_per_million_tokens
            found.append((price, f"{name} binds: {figures.per_million(price)} without it"))
    if not found:
        return "no limit of the request binds: these GPUs at these prices serve no cheaper"
    return min(found)[1]


def _by_count(entry: Rejection) -> tuple[int, str, str]:
    return -entry.count, entry.code, entry.pool


def _at_best_price(request: Request) -> Request:
    """The request asking for the least price per token, whatever it may cost, exactly."""
    return replace(
        request,
        gates=replace(request.gates, max_cost_per_million_tokens=None),
        objective=replace(request.objective, type=ObjectiveType.COST_PER_TOKEN),
        solver=replace(
            request.solver,
            method=Method.EXACT,
            frontier=False,
            target_cost_per_million_tokens=None,
            budgets_per_hour=(),
        ),
    )


def _exactly(request: Request) -> Request:
    return replace(request, solver=replace(request.solver, method=Method.EXACT, frontier=False))


def _with_frontier(request: Request) -> Request:
    return replace(request, solver=replace(request.solver, method=Method.EXACT, frontier=True))


def _with_stock(request: Request) -> Request:
    """As many GPUs in each pool as one replica could use."""
    for lever in stock_levers(request, request.parallelism.max_pipeline):
        request = lever.lifted(request)
    return request


def _known(outcome: Outcome) -> list[Layout]:
    """All layouts that the outcome tells of."""
    layouts = [point.layout for point in outcome.frontier]
    answer = outcome.best or outcome.unblocked_best
    return layouts or ([] if answer is None else [answer])


def _by_gates(request: Request, outcome: Outcome, solve: Solver) -> list[Rejection]:
    """Layouts of the frontier that a limit on money keeps out."""
    layouts = _known(outcome)
    found: list[Rejection] = []
    target = target_of(request)
    if target is not None:
        prices = [layout.cost_per_million_tokens for layout in layouts]
        over = sum(1 for price in prices if price > target)
        if over:
            if over == len(prices):
                message = _unreachable(request, target, solve)
            else:
                message = _over(prices, over, figures.per_million(target), figures.per_million)
            found.append(_rejection(RejectionCode.COST_PER_TOKEN_GATE, over, message))
    budget = request.gates.max_cost_per_hour
    if budget is not None:
        costs = [layout.cost_per_hour for layout in layouts]
        over = sum(1 for cost in costs if cost > budget)
        if over:
            message = _over(costs, over, figures.per_hour(budget), figures.per_hour)
            found.append(_rejection(RejectionCode.HOURLY_BUDGET_GATE, over, message))
    return found


def _over(values: Sequence[float], over: int, limit: str, show: Callable[[float], str]) -> str:
    """How many are over the limit, and the nearest of them."""
    nearest = show(sorted(values)[len(values) - over])
    return f"{over} of {len(values)} layouts found cost more than {limit}; the nearest costs {nearest}"


def _unreachable(request: Request, target: float, solve: Solver) -> str:
    """The best possible price when none reaches the target, and what binds."""
    best = solve(_at_best_price(request)).best
    if best is None:
        return f"no layout that passes the other gates costs {figures.per_million(target)} or less"
    least = best.cost_per_million_tokens
    return (
        f"no layout costs {figures.per_million(target)} or less: the best possible price is "
        f"{figures.per_million(least)}; {what_binds(request, least, solve)}"
    )


def _rejection(code: RejectionCode, count: int, message: str, pool: str = "") -> Rejection:
    return Rejection(code=code, count=count, pool=pool, message=message)


def _by_floor(request: Request, outcome: Outcome) -> list[Rejection]:
    """Layouts of the frontier that are slower than wanted."""
    floor = request.objective.min_tokens_per_second
    slow = [point.tokens_per_second for point in outcome.frontier if point.tokens_per_second < floor]
    if not slow:
        return []
    message = (
        f"{len(slow)} of {len(outcome.frontier)} layouts of the frontier are slower than "
        f"{figures.number(floor)} tokens/s; the fastest of them reaches {figures.number(max(slow))}"
    )
    return [_rejection(RejectionCode.THROUGHPUT_SHORT, len(slow), message)]


def _by_latency(request: Request, outcome: Outcome, solve: Solver) -> list[Rejection]:
    """What the latency targets keep out: the layout otherwise chosen, or the whole frontier where there is no plan."""
    slo = request.slo
    found: list[Rejection] = []
    answered = (outcome.best or outcome.unblocked_best) is not None
    targets: tuple[tuple[str, RejectionCode, float | None, Figure, Request], ...] = (
        (
            "TTFT",
            RejectionCode.SLO_TTFT,
            slo.ttft_seconds,
            lambda layout: layout.ttft_seconds,
            replace(request, slo=replace(slo, ttft_seconds=None)),
        ),
        (
            "TPOT",
            RejectionCode.SLO_TPOT,
            slo.tpot_seconds,
            lambda layout: layout.tpot_seconds,
            replace(request, slo=replace(slo, tpot_seconds=None)),
        ),
    )
    for name, code, limit, actual, without in targets:
        if limit is None:
            continue
        if answered:
            entry = _kept_out(name, code, limit, actual, solve(_exactly(without)).best)
        else:
            layouts = _known(solve(_with_frontier(without))) or _known(
                solve(_with_frontier(replace(request, slo=Slo())))
            )
            entry = _missed(name, code, limit, actual, layouts)
        if entry is not None:
            found.append(entry)
    return found


def _kept_out(name: str, code: RejectionCode, limit: float, actual: Figure, without: Layout | None) -> Rejection | None:
    """The layout that would be chosen without the target, when it misses it."""
    figure = None if without is None else actual(without)
    if without is None or figure is None or figure <= limit:
        return None
    message = (
        f"without this target the choice would cost {figures.per_million(without.cost_per_million_tokens)}, with a "
        f"{name} of {_duration(figure)}; {figures.duration(limit)} is wanted"
    )
    return _rejection(code, 1, message)


def _missed(
    name: str, code: RejectionCode, limit: float, actual: Figure, layouts: Sequence[Layout]
) -> Rejection | None:
    """How many layouts found without the target miss it, and the nearest."""
    missed = [figure for layout in layouts if (figure := actual(layout)) is not None and figure > limit]
    if not missed:
        return None
    message = (
        f"{len(missed)} of {len(layouts)} layouts of the frontier without latency targets miss a {name} of "
        f"{figures.duration(limit)}; the nearest reaches {_duration(min(missed))}"
    )
    return _rejection(code, len(missed), message)


def _duration(seconds: float) -> str:
    return figures.duration(float(figures.number(seconds)))


def _by_stock(request: Request, solve: Solver) -> list[Rejection]:
    """Pools of which the cheapest layouts would need more GPUs than there are, if stock were no limit."""
    without_money = replace(request.gates, max_cost_per_hour=None, max_cost_per_million_tokens=None)
    wanted = _with_frontier(replace(request, gates=without_money))
    layouts = _known(solve(_with_stock(wanted)))
    found: list[Rejection] = []
    for pool in request.pools:
        needs = [layout.gpus_by_pool.get(pool.name, 0) for layout in layouts]
        over = [count for count in needs if count > pool.gpus]
        if over:
            message = f"{len(over)} of {len(layouts)} layouts need more {pool.gpu.name} than the {pool.gpus} of pool "
            message += f"{pool.name}; the smallest needs {min(over)}"
            found.append(_rejection(RejectionCode.INSUFFICIENT_STOCK, len(over), message, pool.name))
    return found
