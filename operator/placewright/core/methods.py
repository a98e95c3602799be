"""How a layout is chosen: the exact method, and the three kept for comparison (planning.md section 3).

`solve` is the only entry. Every method hands back the same Outcome and says in one line what it proves; methods other
than exact also tell their distance to it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from placewright.core import budgets, figures, gates
from placewright.core.model import GateResult, Layout, Method, OnUnknown, Progress, Request, SolveReport
from placewright.core.outcome import (
    OnProgress,
    Outcome,
    Watch,
    price_suffices,
    search_exactly,
    status_of,
    with_proof,
)
from placewright.core.performance.base import Setting

__all__ = ["Outcome", "solve"]


def solve(
    request: Request,
    settings: Iterable[Setting],
    *,
    clock: Callable[[], float],
    on_progress: OnProgress | None = None,
) -> Outcome:
    """Choose the best layout of a request by the method it asks for.

    Gates are constraints first. When no layout passes them, `best` is None and `unblocked_best` is the best without
    the gates on money; a precision that the drift gate only warns of comes last of all.

    Args:
        request: what is asked; `solver` names the method and its limits.
        settings: candidates from the performance model.
        clock: monotonic seconds.
        on_progress: told how far the search is.
    """
    candidates = tuple(settings)
    watch = Watch(clock, request.solver.time_limit_seconds)
    admitted = [setting for setting in candidates if gates.drift_passes(request, setting.precision)]
    outcome = _solve_by_method(request, admitted, watch, on_progress)
    if outcome.unblocked_best is None and len(admitted) < len(candidates):
        outcome = _solve_by_method(request, candidates, watch, on_progress)
    if outcome.best is None:
        return outcome
    return replace(outcome, warnings=(*outcome.warnings, *_tolerated(request, outcome.best)))


def _tolerated(request: Request, layout: Layout) -> Iterator[str]:
    """One line for every gate that does not pass and does not block."""
    for held in gates.evaluate(request, layout):
        if held.result is GateResult.FAIL and held.actual is not None:
            actual, limit = figures.number(held.actual, 6), figures.number(held.limit, 6)
            yield f"gate {held.name} is exceeded: {actual} > {limit} (onViolation is {request.gates.on_violation})"
        elif held.result is GateResult.UNKNOWN and request.gates.on_unknown is OnUnknown.WARN:
            yield f"gate {held.name} has no figure to judge (onUnknown is {request.gates.on_unknown})"


def _solve_by_method(
    request: Request, settings: Sequence[Setting], watch: Watch, on_progress: OnProgress | None
) -> Outcome:
    match request.solver.method:
        case Method.EXACT:
            return _exact(request, settings, watch, on_progress)
        case Method.ENUMERATION:
            return budgets.enumeration(request, settings, watch, on_progress)
        case Method.ITERATIVE:
            return budgets.iterative(request, settings, watch, on_progress)
        case Method.WEIGHTED:
            return budgets.weighted(request, settings, watch, on_progress)


def _exact(request: Request, settings: Sequence[Setting], watch: Watch, on_progress: OnProgress | None) -> Outcome:
    """Search every layout; stop early when the proved gap is as small as the request asks."""
    stop = _StopAtGap(request=request, watch=watch, on_progress=on_progress)
    exact = search_exactly(
        request,
        settings,
        out_of_time=stop.out_of_time,
        on_progress=stop.told,
        frontier=request.solver.frontier,
    )
    answer = exact.answer
    report = SolveReport(method=Method.EXACT, status=status_of(exact, None), gap_percent=None)
    report = with_proof(report, exact, answer)
    status = status_of(exact, report.gap_percent)
    if exact.found.complete and answer is None:
        proves = "no layout of this request keeps within its limits"
    elif exact.found.complete:
        proves = "no layout of this request does better on its objective within its limits"
    elif answer is None:
        proves = "nothing: the search was cut before it found a layout"
    elif report.gap_percent is None:
        proves = "a valid layout; the search was cut before it proved how good it is"
    else:
        why = "stopped at the gap asked for" if stop.reached else "cut by the time limit"
        proves = f"no layout does better by more than {report.gap_percent:.3g} %: {why}"
    return Outcome(
        best=exact.choice.usable,
        unblocked_best=exact.choice.best,
        frontier=exact.frontier if request.solver.frontier else (),
        report=replace(report, status=status, proves=proves),
    )


@dataclass(slots=True, kw_only=True)
class _StopAtGap:
    """Ends a search when its proved gap is small enough, which only the price per token alone can tell."""

    request: Request
    watch: Watch
    on_progress: OnProgress | None
    reached: bool = False

    def told(self, progress: Progress) -> None:
        """Look at the gap, then pass the progress on."""
        wanted = self.request.solver.gap_percent
        limit = gates.cost_per_million_tokens_cap(self.request.gates)
        if (
            wanted > 0.0
            and price_suffices(self.request)
            and progress.gap_percent is not None
            and progress.gap_percent <= wanted
            and progress.incumbent is not None
            and (limit is None or progress.incumbent <= limit)
        ):
            self.reached = True
        if self.on_progress is not None:
            self.on_progress(progress)

    def out_of_time(self) -> bool:
        """Whether the search should end with what it has."""
        return self.reached or self.watch.out_of_time()
