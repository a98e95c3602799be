"""Why this plan: what was rejected and why, what lost, and the smallest change that would help."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from placewright.core import gates, relax
from placewright.core.alternatives import alternatives
from placewright.core.methods import solve
from placewright.core.model import (
    Alternative,
    Rejection,
    Relaxation,
    Request,
)
from placewright.core.outcome import Outcome, Watch
from placewright.core.performance.base import PerformanceModel, Setting
from placewright.core.rejections import rejections
from placewright.core.relax import Solver

_SHARE_OF_ONE_SOLVE = 0.1  # of the time limit: a changed request that takes longer counts as no help


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
