"""Classes of candidates that are out, with counts and figures: what the model left out, and what only solving shows."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from placewright.core import figures, gates
from placewright.core.budgets import target_of
from placewright.core.levers_shape import sane_stages, stock_levers
from placewright.core.model import (
    Layout,
    Method,
    ObjectiveType,
    Pool,
    Rejection,
    RejectionCode,
    Request,
    Slo,
)
from placewright.core.outcome import Outcome
from placewright.core.relax import Solver

Figure = Callable[[Layout], float | None]
"""A figure of a layout; None: not known."""

MOST_REJECTIONS = 10
_WORTH_NAMING = 0.01  # a limit binds when the price without it is lower by this share


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
        if not by_solving and not by_model:
            by_solving = [_no_cover(request)]
    room = MOST_REJECTIONS - len(by_solving)
    kept = [*by_solving, *sorted(by_model, key=_by_count)[: max(room, 0)]]
    return tuple(sorted(kept, key=_by_count))[:MOST_REJECTIONS]


def what_binds(request: Request, cost_per_million_tokens: float, solve: Solver) -> str:
    """Say which limit of the request keeps its best price up, found by solving without each."""
    free = _at_best_price(request)
    lifted: list[tuple[str, Request]] = []
    if gates.cost_per_hour_cap(request.gates) is not None:
        lifted.append(("the limit per hour", replace(free, gates=gates.without_cost_gates(free.gates))))
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
        gates=gates.without_price_gates(request.gates),
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
            found.append(_rejection(_price_code(request, target), over, message))
    budget = gates.cost_per_hour_cap(request.gates)
    if budget is not None:
        costs = [layout.cost_per_hour for layout in layouts]
        over = sum(1 for cost in costs if cost > budget)
        if over:
            message = _over(costs, over, figures.per_hour(budget), figures.per_hour)
            by_ratio = gates.hour_gate(request.gates) == gates.COST_TO_REVENUE_RATIO
            code = RejectionCode.REVENUE_RATIO_GATE if by_ratio else RejectionCode.HOURLY_BUDGET_GATE
            found.append(_rejection(code, over, message))
    return found


def _price_code(request: Request, target: float) -> RejectionCode:
    """Which limit the target is: the price to beat, or the share of the stated revenue."""
    by_ratio = gates.price_gate(request.gates) == gates.COST_TO_REVENUE_RATIO
    if by_ratio and target == gates.cost_per_million_tokens_cap(request.gates):
        return RejectionCode.REVENUE_RATIO_GATE
    return RejectionCode.COST_PER_TOKEN_GATE


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
    """Pools that are too small, each by how many of the layouts that could be had if stock were no limit."""
    free = gates.without_cost_gates(request.gates)
    floorless = replace(request.objective, min_tokens_per_second=0.0)
    wanted = _with_frontier(replace(request, gates=free, objective=floorless))
    layouts = _known(solve(_with_stock(wanted)))
    if not layouts:  # too slow as well, or in need of more stages than are allowed
        deeper = replace(request.parallelism, max_pipeline=sane_stages(request))
        layouts = _known(solve(_with_stock(replace(wanted, slo=Slo(), parallelism=deeper))))
    found: list[Rejection] = []
    for pool in request.pools:
        over = [count for layout in layouts if (count := layout.gpus_by_pool.get(pool.name, 0)) > pool.gpus]
        if over:
            message = (
                f"{len(over)} of {len(layouts)} layouts need more {pool.gpu.name} than the {pool.gpus} of pool "
                f"{pool.name}; the smallest needs {min(over)}"
            )
            found.append(_rejection(RejectionCode.INSUFFICIENT_STOCK, len(over), message, pool.name))
        elif _too_narrow(request, pool):
            degrees = request.parallelism.tensor
            message = (
                f"tensor parallelism of {min(degrees)} and more fits no node of pool {pool.name}: it has "
                f"{pool.gpus_per_node} GPUs, of which at most {pool.max_tensor_parallel} may work together"
            )
            found.append(_rejection(RejectionCode.INSUFFICIENT_STOCK, len(degrees), message, pool.name))
    return found


def _too_narrow(request: Request, pool: Pool) -> bool:
    """Whether no tensor-parallel degree of the request fits into a node of the pool."""
    widest = min(pool.gpus_per_node, pool.max_tensor_parallel)
    return all(degree > widest for degree in request.parallelism.tensor)


def _no_cover(request: Request) -> Rejection:
    """What is left to say when each limit alone would do, but not all together."""
    shape = request.parallelism
    degrees = ", ".join(str(degree) for degree in shape.tensor)
    message = (
        f"no combination of at most {shape.max_pipeline} stages with tensor parallelism {degrees} and at least "
        f"{shape.min_layers_per_stage} layers each covers the model with the GPUs of the pools"
    )
    return _rejection(RejectionCode.INSUFFICIENT_STOCK, len(request.pools), message)
