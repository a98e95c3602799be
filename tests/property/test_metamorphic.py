"""How a decision may move when the request moves: nothing here needs to know the right answer."""

from dataclasses import replace
from random import Random
from typing import TypeVar

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from placewright.core.decide import decide
from placewright.core.model import Billing, Decision, Gates, Objective, Plan, PlanState, Pool, Request
from tests.property.effort import share
from tests.property.expected import loss, not_below
from tests.property.strategies import requests

T = TypeVar("T")


def decided(request: Request) -> Decision:
    return decide(request, clock=lambda: 0.0)


def open_handed(request: Request) -> Request:
    """The request without gates and with fixed scales, so that two optima can be compared."""
    goal = request.objective
    fixed: Objective = replace(
        goal,
        cost_normalization=goal.cost_normalization or 10.0,
        throughput_normalization=goal.throughput_normalization or 10_000.0,
    )
    return replace(request, gates=Gates(), objective=fixed)


def worth(request: Request, plan: Plan) -> float:
    return loss(request, (plan.cost_per_hour, plan.tokens_per_second), [])


def assert_no_worse(before: Request, after: Request) -> None:
    old, new = decided(before).plan, decided(after).plan
    if old is not None:
        assert new is not None
        assert not_below(worth(before, old), worth(after, new))


def with_pool(request: Request, index: int, pool: Pool) -> Request:
    return replace(request, pools=(*request.pools[:index], pool, *request.pools[index + 1 :]))


picks = st.integers(0, 7)


@share(0.5)
@given(requests(), picks, st.integers(1, 3))
def test_more_nodes_never_make_the_optimum_worse(drawn: Request, pick: int, more: int) -> None:
    request = open_handed(drawn)
    index = pick % len(request.pools)
    pool = request.pools[index]
    assume(pool.nodes > 1)  # the first node more brings links between nodes
    assert_no_worse(request, with_pool(request, index, replace(pool, nodes=pool.nodes + more)))


@share(0.5)
@given(requests(), picks, st.integers(1, 8))
def test_more_gpus_in_a_node_never_make_the_optimum_worse(drawn: Request, pick: int, more: int) -> None:
    request = open_handed(drawn)
    index = pick % len(request.pools)
    pool = request.pools[index]
    assume(pool.billing is Billing.PER_GPU)  # a larger node that is paid for whole costs more
    assert_no_worse(request, with_pool(request, index, replace(pool, gpus_per_node=pool.gpus_per_node + more)))


@share(0.5)
@given(requests(), picks, st.sampled_from((0.5, 0.9, 0.99)))
def test_a_lower_price_never_makes_the_optimum_worse(drawn: Request, pick: int, factor: float) -> None:
    request = open_handed(drawn)
    index = pick % len(request.pools)
    pool = request.pools[index]
    assume(pool.price_per_gpu_hour is not None)
    cheaper = replace(pool, price_per_gpu_hour=(pool.price_per_gpu_hour or 0.0) * factor)
    assert_no_worse(request, with_pool(request, index, cheaper))


def mixed(values: tuple[T, ...], shuffle: Random) -> tuple[T, ...]:
    return tuple(shuffle.sample(values, len(values)))


@share(0.5)
@given(requests(), st.randoms(use_true_random=False))
def test_the_order_of_pools_precisions_and_degrees_does_not_matter(request: Request, shuffle: Random) -> None:
    other = replace(
        request,
        pools=mixed(request.pools, shuffle),
        precisions=mixed(request.precisions, shuffle),
        parallelism=replace(request.parallelism, tensor=mixed(request.parallelism.tensor, shuffle)),
    )
    first, second = decided(request), decided(other)
    assert first.inputs_hash == second.inputs_hash
    assert first.plan == second.plan
    assert first.gates == second.gates
    assert first.frontier == second.frontier


@share(0.5)
@given(requests())
def test_the_same_request_gets_the_same_decision(request: Request) -> None:
    assert decided(request) == decided(request)
    renamed = decided(replace(request, name="another", namespace="elsewhere"))
    assert renamed.plan == decided(request).plan


@share(0.5)
@given(requests())
def test_doubling_all_prices_doubles_the_cost_and_keeps_the_layout(request: Request) -> None:
    dear = double_prices(request)
    first, second = decided(request).plan, decided(dear).plan
    assert (first is None) == (second is None)
    if first is None or second is None:
        return
    assert second.state is first.state
    assert second.main.stages == first.main.stages
    assert second.main.max_concurrency == first.main.max_concurrency
    assert second.main.precision == first.main.precision
    assert second.cost_per_hour == pytest.approx(2 * first.cost_per_hour, rel=1e-12)


def double_prices(request: Request) -> Request:
    def twice(value: float | None) -> float | None:
        return None if value is None else 2 * value

    gates, goal = request.gates, request.objective
    return replace(
        request,
        pools=tuple(replace(pool, price_per_gpu_hour=twice(pool.price_per_gpu_hour)) for pool in request.pools),
        gates=replace(
            gates,
            max_cost_per_million_tokens=twice(gates.max_cost_per_million_tokens),
            max_cost_per_hour=twice(gates.max_cost_per_hour),
        ),
        objective=replace(goal, cost_normalization=twice(goal.cost_normalization)),
    )


@share(0.5)
@given(requests(), st.booleans(), st.sampled_from((0.5, 1.0, 2.0)))
def test_adding_a_gate_never_improves(drawn: Request, hourly: bool, factor: float) -> None:  # noqa: FBT001 - drawn
    request = open_handed(drawn)
    before = decided(request).plan
    if before is None:
        return
    limit = (before.cost_per_hour if hourly else before.cost_per_million_tokens) * factor
    gates = Gates(max_cost_per_hour=limit) if hourly else Gates(max_cost_per_million_tokens=limit)
    after = decided(replace(request, gates=gates)).plan
    assert after is not None
    if factor >= 1:  # what was chosen keeps the limit, also when it is exactly on it
        assert after == replace(before, id=after.id)
    elif after.state is PlanState.APPROVED:
        assert not_below(worth(request, after), worth(request, before))
        assert (after.cost_per_hour if hourly else after.cost_per_million_tokens) <= limit * (1 + 1e-9)
    else:
        assert after.main == before.main
