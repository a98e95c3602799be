"""The methods kept for comparison: enumeration of budgets, iterative tightening, and a weighted sum.

They do their own work through two questions, the fastest layout within a budget and the cheapest layout at a rate, and
never read the exact frontier. One exact search afterwards tells how far their answer is from the optimum (beforehand
when a target price is given, since an unreachable target is said at once).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from placewright.core import gates, layouts, objective
from placewright.core.model import (
    BudgetTrial,
    Layout,
    Method,
    ObjectiveType,
    Progress,
    Request,
    SolveReport,
    SolveStatus,
)
from placewright.core.objective import Goal
from placewright.core.outcome import (
    Choice,
    Exact,
    OnProgress,
    Outcome,
    Watch,
    choose,
    search_exactly,
    status_of,
    with_proof,
)
from placewright.core.performance.base import Setting

BUDGETS = 12  # log-spaced budgets of enumeration when none are given
_BELOW = 1.0 - 1e-9  # the next smaller budget; prices that differ by less are equal
_OWN_SHARE = 0.6  # of the time limit; the rest is for the exact search that tells the distance


@dataclass(slots=True, kw_only=True)
class _Work:
    """What a method works with, and the trials it made."""

    request: Request
    settings: Sequence[Setting]
    watch: Watch  # the method's own share
    whole: Watch
    goal: Goal
    on_progress: OnProgress | None
    trials: list[BudgetTrial]
    found: list[Layout]

    def fastest_within(self, budget_per_hour: float) -> Layout | None:
        """Try one budget, and remember it."""
        layout = layouts.fastest_within(
            self.request, self.settings, budget_per_hour=budget_per_hour, out_of_time=self.watch.out_of_time
        )
        self.trials.append(
            BudgetTrial(
                budget_per_hour=budget_per_hour,
                cost_per_million_tokens=None if layout is None else layout.cost_per_million_tokens,
                tokens_per_second=None if layout is None else layout.tokens_per_second,
            )
        )
        if layout is not None:
            self.found.append(layout)
        self._tell()
        return layout

    def choice(self) -> Choice:
        """The best of what was found."""
        return choose(self.request, self.goal, self.found)

    def _tell(self) -> None:
        if self.on_progress is None:
            return
        best = self.choice().usable
        value = None if best is None else self.goal.value(best)
        self.on_progress(Progress(unit=self.goal.unit, incumbent=value, bound=None, gap_percent=None))


def target_of(request: Request) -> float | None:
    """The price to beat in USD per million tokens: the solver's target where price is the objective, else the gate."""
    target = request.solver.target_cost_per_million_tokens
    if target is not None and request.objective.type is ObjectiveType.COST_PER_TOKEN:
        return target
    return gates.cost_per_million_tokens_cap(request.gates)


def enumeration(request: Request, settings: Sequence[Setting], watch: Watch, on_progress: OnProgress | None) -> Outcome:
    """Maximise throughput within each of several budgets and keep the best; not optimal in general."""
    exact, outcome = _before(request, settings, watch, Method.ENUMERATION)
    if outcome is not None:
        return outcome
    work, fastest = _start(request, settings, watch, on_progress)
    cheapest = layouts.cheapest_at(
        request,
        settings,
        min_tokens_per_second=max(request.objective.min_tokens_per_second, 1e-9),
        out_of_time=work.watch.out_of_time,
    )
    if fastest is None or cheapest is None:
        return _finish(work, exact, Method.ENUMERATION, proves="nothing: no layout was found", competitive=None)
    grid = request.solver.budgets_per_hour or _log_spaced(cheapest.cost_per_hour, fastest.cost_per_hour)
    target = target_of(request)
    competitive = None
    tried = list(grid)
    if target is not None:
        competitive = (cheapest.cost_per_hour, target * fastest.tokens_per_second * 3600.0 / 1e6)
        tried = [budget for budget in grid if competitive[0] * _BELOW <= budget <= competitive[1]]
        tried = tried or [competitive[1]]
    for budget in tried:
        if work.watch.out_of_time():
            break
        work.fastest_within(budget)
    cut = "" if len(work.trials) == len(tried) else f" (of {len(tried)}, cut by the time limit)"
    proves = (
        f"the best of {len(work.trials)} budgets{cut}, each at its largest throughput; "
        "not optimal in general: a better layout may cost something between two budgets"
    )
    outcome = _finish(work, exact, Method.ENUMERATION, proves=proves, competitive=competitive)
    saved = sum(1 for budget in grid if budget not in tried)
    outcome = replace(outcome, report=replace(outcome.report, budgets_saved=saved))
    if work.found or not work.trials:
        return outcome
    dearest = max(trial.budget_per_hour for trial in work.trials)
    line = f"nothing fits the budgets, the largest is ${dearest:.6g}/h; the cheapest layout costs "
    return replace(outcome, warnings=(*outcome.warnings, f"{line}${cheapest.cost_per_hour:.6g}/h"))


def iterative(request: Request, settings: Sequence[Setting], watch: Watch, on_progress: OnProgress | None) -> Outcome:
    """Tighten the budget from the target until nothing below it can be better.

    The fastest layout within a budget has rate r, so whatever is cheaper is at most that fast, and is better than the
    best price p so far only if it costs less than p*r. Each step therefore lowers the budget to that, and since every
    step meets another point of the Pareto frontier, it ends, with a proof.
    """
    exact, outcome = _before(request, settings, watch, Method.ITERATIVE)
    if outcome is not None:
        return outcome
    work, fastest = _start(request, settings, watch, on_progress)
    start = 0.0 if fastest is None else fastest.cost_per_hour
    target = target_of(request)
    if target is not None and fastest is not None:
        start = min(start, target * fastest.tokens_per_second * 3600.0 / 1e6)
    finished = fastest is not None and _tighten(work, start, within_gates=True)
    if fastest is not None and finished and work.choice().usable is None:
        finished = _tighten(work, fastest.cost_per_hour, within_gates=False)
    if not work.found:
        proves = "nothing: no layout was found"
    elif finished:
        proves = "the optimum: every smaller budget was tried or cannot do better"
    else:
        proves = "the best layout until the time limit; smaller budgets were not tried"
    outcome = _finish(work, exact, Method.ITERATIVE, proves=proves, competitive=None)
    if finished and outcome.report.gap_percent == 0.0:
        outcome = replace(outcome, report=replace(outcome.report, status=SolveStatus.OPTIMAL))
    return outcome


def weighted(request: Request, settings: Sequence[Setting], watch: Watch, on_progress: OnProgress | None) -> Outcome:
    """The one layout that is best for w * cost - (1 - w) * throughput, both normalised; w = 0 is throughput only."""
    sum_wanted = replace(request.objective, type=ObjectiveType.WEIGHTED)
    work, fastest = _start(replace(request, objective=sum_wanted), settings, watch, on_progress)
    finished = fastest is not None and _tighten(work, fastest.cost_per_hour, within_gates=True)
    if fastest is not None and finished and work.choice().usable is None:
        finished = _tighten(work, fastest.cost_per_hour, within_gates=False)
    weight = request.objective.cost_weight
    proves = f"the least {weight:g} x cost - {1.0 - weight:g} x throughput, both normalised"
    if request.objective.type is not ObjectiveType.WEIGHTED:
        proves += "; proves nothing about the price per token"
    if not finished:
        proves = "nothing: the search was cut" if not work.found else f"cut before it proved {proves}"
    outcome = _finish(work, None, Method.WEIGHTED, proves=proves, competitive=None, judged_by=request)
    own_objective = request.objective.type is ObjectiveType.WEIGHTED
    if finished and own_objective and outcome.report.gap_percent == 0.0:
        outcome = replace(outcome, report=replace(outcome.report, status=SolveStatus.OPTIMAL))
    return outcome


def _log_spaced(least: float, largest: float) -> tuple[float, ...]:
    """Budgets from the least cost that can run at all to the largest that is of use, in equal ratios."""
    if largest <= least:
        return (least,)
    ratio = largest / least
    inner = (least * ratio ** (i / (BUDGETS - 1)) for i in range(1, BUDGETS - 1))
    return (least, *inner, largest)


def _start(
    request: Request, settings: Sequence[Setting], watch: Watch, on_progress: OnProgress | None
) -> tuple[_Work, Layout | None]:
    """Ask for the fastest layout at any price: it bounds rates and budgets and gives the normalisation."""
    own = watch.share(_OWN_SHARE)
    fastest = layouts.fastest_within(request, settings, budget_per_hour=inf, out_of_time=own.out_of_time)
    goal = objective.goal_on(request.objective, () if fastest is None else (fastest,))
    work = _Work(
        request=request,
        settings=settings,
        watch=own,
        whole=watch,
        goal=goal,
        on_progress=on_progress,
        trials=[],
        found=[],
    )
    return work, fastest


def _tighten(work: _Work, start: float, *, within_gates: bool) -> bool:
    """Walk down the budgets; True when everything below was tried or is proved to be no better."""
    request, goal = work.request, work.goal
    budget = start
    most = gates.cost_per_hour_cap(request.gates)
    if within_gates and most is not None:
        budget = min(budget, most)
    price = gates.cost_per_million_tokens_cap(request.gates) if within_gates else None
    last_cost = inf
    while budget > 0.0:
        if work.watch.out_of_time():
            return False
        layout = work.fastest_within(budget)
        if layout is None:
            return not work.watch.out_of_time()
        if layout.cost_per_hour >= last_cost or not goal.meets_floor(layout):
            break
        last_cost = layout.cost_per_hour
        budget = last_cost * _BELOW
        choice = work.choice()
        best = choice.usable if within_gates else choice.best
        if best is not None:
            budget = min(budget, goal.budget_to_beat(goal.loss(best), layout.tokens_per_second) * _BELOW)
        if price is not None:
            budget = min(budget, price * layout.tokens_per_second * 3600.0 / 1e6)
    return not work.watch.out_of_time()  # an answer that was cut proves nothing


def _before(
    request: Request, settings: Sequence[Setting], watch: Watch, method: Method
) -> tuple[Exact | None, Outcome | None]:
    """When a target is given, find the best possible price first; an outcome is the end: it cannot be reached."""
    target = target_of(request)
    if target is None:
        return None, None
    exact = search_exactly(request, settings, out_of_time=watch.share(1.0 - _OWN_SHARE).out_of_time)
    without_price = replace(request, gates=gates.without_price_gates(request.gates))
    by_price = replace(exact.goal, type=ObjectiveType.COST_PER_TOKEN)
    offers = choose(without_price, by_price, exact.found.frontier)
    reached = offers.usable or offers.best
    bound = exact.price_bound()
    if exact.found.complete and reached is not None:
        bound = reached.cost_per_million_tokens
    if bound is None or bound <= target:
        return exact, None
    line = f"no plan reaches the target of ${target:.6g}/M tokens: "
    if reached is not None:
        line += f"the best possible price is ${bound:.6g}/M ({objective.summary(reached)})"
    else:
        line += f"no price below ${bound:.6g}/M is possible"
    report = SolveReport(method=method, status=SolveStatus.FEASIBLE, gap_percent=None)
    report = with_proof(report, exact, exact.answer)
    report = replace(
        report,
        status=status_of(exact, report.gap_percent),
        proves=f"{line}; an exact search showed it, no budget was tried",
        distance_to_exact_percent=0.0 if exact.answer is not None and exact.found.complete else None,
        budgets_saved=(len(request.solver.budgets_per_hour) or BUDGETS) if method is Method.ENUMERATION else 0,
    )
    frontier = exact.frontier if request.solver.frontier else ()
    outcome = Outcome(
        best=exact.choice.usable,
        unblocked_best=exact.choice.best,
        frontier=frontier,
        report=report,
        warnings=(line,),
    )
    return exact, outcome


def _finish(
    work: _Work,
    exact: Exact | None,
    method: Method,
    *,
    proves: str,
    competitive: tuple[float, float] | None,
    judged_by: Request | None = None,
) -> Outcome:
    """Choose among what was found, and tell its distance to the exact optimum of the request's own objective."""
    request = judged_by or work.request
    choice = work.choice()
    answer = choice.usable or choice.best
    if exact is None:
        exact = search_exactly(request, work.settings, out_of_time=work.whole.out_of_time)
    status = SolveStatus.FEASIBLE
    if answer is None:
        proved = (exact.found.complete and exact.answer is None) or not work.watch.out_of_time()
        status = SolveStatus.INFEASIBLE if proved else SolveStatus.TIME_LIMIT
    report = SolveReport(
        method=method,
        status=status,
        gap_percent=None,
        proves=proves,
        distance_to_exact_percent=_distance(
            exact, answer, blocked=choice.usable is None, by_price=method is Method.WEIGHTED
        ),
        trials=tuple(work.trials),
        competitive_range_per_hour=competitive,
    )
    warnings: tuple[str, ...] = ()
    if choice.usable is None and exact.choice.usable is not None and choice.best is not None:
        better = exact.choice.usable
        price, per_hour = better.cost_per_million_tokens, better.cost_per_hour
        line = f"{method} found no plan that passes the gates; Exact finds ${price:.6g}/M at ${per_hour:.6g}/h"
        warnings = (line,)
    return Outcome(
        best=choice.usable,
        unblocked_best=choice.best,
        frontier=exact.frontier if request.solver.frontier else (),
        report=with_proof(report, exact, answer),
        warnings=warnings,
    )


def _distance(exact: Exact, answer: Layout | None, *, blocked: bool, by_price: bool) -> float | None:
    """Percent by which the answer is worse than the exact optimum; None when either is missing or not proved."""
    goal, choice = exact.goal, exact.choice
    if by_price:
        goal = replace(goal, type=ObjectiveType.COST_PER_TOKEN)
        choice = choose(exact.request, goal, exact.found.frontier)
    optimum = choice.best if blocked else choice.usable
    if answer is None or optimum is None or not exact.found.complete:
        return None
    return goal.distance_percent(goal.loss(answer), goal.loss(optimum))
