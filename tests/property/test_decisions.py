"""Every decision is right: checked, optimal, in the right state, and explained when there is no plan."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewright.core.decide import decide
from placewright.core.model import Decision, Method, PlanState, Precision, Request, Runtime, SolveStatus
from placewright.core.verify import verify
from tests.property.effort import share
from tests.property.expected import expected, loss_of, not_below, same_loss
from tests.property.strategies import analytic, config_dirs, measured
from tests.support import oracle, reference
from tests.support.first_principles import (
    admitted,
    analytic_settings,
    fixed_settings,
    measured_points,
    passing,
)
from tests.support.frontier import Point, difference, of_layouts, pareto


def decided(request: Request) -> Decision:
    """A decision without a clock: nothing is ever cut."""
    return decide(request, clock=lambda: 0.0)


Frontier = Callable[[Request], list[Point]]
"""The Pareto set of all feasible layouts of a request."""


def admits(request: Request, precisions: list[Precision]) -> Request:
    return replace(request, precisions=tuple(precisions))


def check(request: Request, frontier_of: Frontier) -> None:
    """Hold a decision of the exact method against all feasible layouts; precisions that only warn come last."""
    frontier = frontier_of(admits(request, passing(request)))
    want = expected(request, frontier)
    if want is None:
        frontier = frontier_of(admits(request, admitted(request)))
        want = expected(request, frontier)
    decision = decided(request)
    if want is None or not want.passes:
        check_relaxation(decision)
    if want is None:
        check_refusal(decision)
        return
    plan = decision.plan
    assert plan is not None
    assert verify(request, plan, decision.gates) == ()
    assert plan.state is want.state
    assert same_loss(loss_of(request, plan, frontier), want.loss)
    assert decision.report.status is SolveStatus.OPTIMAL
    assert decision.report.gap_percent == 0
    found = of_layouts(point.layout for point in decision.frontier)
    assert difference(found, frontier) == ""


def check_refusal(decision: Decision) -> None:
    """Nothing is feasible: proved, and with at least one reason."""
    assert decision.plan is None
    assert decision.report.status is SolveStatus.INFEASIBLE
    assert decision.rejections
    assert all(entry.count > 0 and entry.message for entry in decision.rejections)


def check_relaxation(decision: Decision) -> None:
    """A relaxation, when applied, is feasible."""
    change = decision.relaxation
    if change is None:
        return
    again = decided(change.request)
    assert again.plan is not None, change
    assert again.plan.state is PlanState.APPROVED, change
    assert change.message.startswith("feasible"), change


@given(config_dirs())
def test_small_config_dirs_are_decided_as_brute_force_would(request: Request) -> None:
    check(request, lambda asked: oracle.frontier(asked, fixed_settings(asked)))


@given(config_dirs(most_layers=80, most_stages=4, most_pools=3))
def test_config_dirs_of_real_size_are_decided_as_the_reference_would(request: Request) -> None:
    check(request, lambda asked: reference.frontier(asked, fixed_settings(asked)))


@given(measured())
def test_measured_requests_are_decided_as_the_rows_say(request: Request) -> None:
    check(request, lambda asked: pareto(measured_points(asked)))


@share(0.5)
@given(analytic())
def test_analytic_requests_are_decided_as_the_reference_would(request: Request) -> None:
    check(request, lambda asked: reference.frontier(asked, analytic_settings(asked)))


@share(0.2)
@given(analytic(most_layers=80, most_stages=6, runtimes=(Runtime.VLLM,)))
def test_analytic_requests_of_real_size_are_decided_as_the_reference_would(request: Request) -> None:
    check(request, lambda asked: reference.frontier(asked, analytic_settings(asked)))


@pytest.mark.parametrize("method", [Method.ENUMERATION, Method.ITERATIVE, Method.WEIGHTED])
@share(0.5)
@given(data=st.data())
def test_other_methods_never_claim_more_than_exact(method: Method, data: st.DataObject) -> None:
    base = data.draw(st.one_of(config_dirs(most_layers=20), measured(), analytic()))
    request = replace(base, solver=replace(base.solver, method=method))
    exact, other = decided(base), decided(request)
    if exact.plan is None:
        assert other.plan is None
        return
    if other.plan is None:
        assert other.report.status is not SolveStatus.INFEASIBLE
        return
    assert verify(request, other.plan, other.gates) == ()
    if exact.plan.state is PlanState.BLOCKED:
        assert other.plan.state is PlanState.BLOCKED
    distance = other.report.distance_to_exact_percent
    assert distance is None or distance >= 0
    if exact.plan.state is other.plan.state:
        frontier = of_layouts(point.layout for point in exact.frontier)
        mine, best = loss_of(base, other.plan, frontier), loss_of(base, exact.plan, frontier)
        assert not_below(mine, best)
        assert distance is not None
        if method is not Method.WEIGHTED:  # weighted tells its distance in price, whatever the objective
            assert (distance > 1e-7) == (not same_loss(mine, best))
