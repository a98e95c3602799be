"""The exact search finds the whole frontier, and nothing that is not there, on any tables of step times."""

from hypothesis import given

from placewright.core.layouts import Search, cheapest_at, fastest_within, search
from placewright.core.model import Layout, Request
from placewright.core.performance.base import Setting
from tests.property.strategies import tables
from tests.support import oracle, reference
from tests.support.frontier import TOLERANCE, cheapest_per_token, difference, of_layouts

Tables = tuple[Request, list[Setting]]


def never() -> bool:
    return False


def frontier_of(request: Request, settings: list[Setting]) -> Search:
    return search(request, settings, out_of_time=never)


def close(got: float, want: float) -> bool:
    return abs(got - want) <= TOLERANCE * max(abs(got), abs(want))


def stages_of(request: Request, setting: Setting, layout: Layout) -> oracle.Stages:
    """The layout as (kind, layers) of its Setting."""
    names = [request.pools[index].name for index in setting.kind_pool]
    kinds = {pair: kind for kind, pair in enumerate(zip(names, setting.kind_tensor_parallel.tolist(), strict=True))}
    return tuple((kinds[stage.pool, stage.tensor_parallel], stage.layers) for stage in layout.stages)


@given(tables())
def test_the_frontier_is_that_of_brute_force(instance: Tables) -> None:
    request, settings = instance
    found = frontier_of(request, settings)
    want = oracle.frontier(request, settings)
    assert found.complete
    assert difference(of_layouts(found.frontier), want) == ""
    if not want:
        assert found.bound_cost_per_million_tokens is None
        assert found.bound_tokens_per_second is None
        return
    best = cheapest_per_token(want)
    assert best is not None
    assert found.bound_cost_per_million_tokens is not None
    assert close(found.bound_cost_per_million_tokens, best / 3600 * 1e6)
    assert found.bound_tokens_per_second is not None
    assert close(found.bound_tokens_per_second, want[-1][1])


@given(tables(most_layers=24, most_stages=5, most_kinds=5))
def test_the_frontier_is_that_of_the_reference_at_more_layers(instance: Tables) -> None:
    request, settings = instance
    found = frontier_of(request, settings)
    assert found.complete
    assert difference(of_layouts(found.frontier), reference.frontier(request, settings)) == ""


@given(tables(most_settings=1))
def test_every_layout_of_the_frontier_keeps_the_rules_and_tells_its_figures(instance: Tables) -> None:
    request, (setting,) = instance
    for layout in frontier_of(request, [setting]).frontier:
        stages = stages_of(request, setting, layout)
        assert stages in set(oracle.sequences(setting))
        found = oracle.judge(request, setting, stages)
        assert found is not None
        assert close(layout.cost_per_hour, found.cost_per_hour)
        assert close(layout.tokens_per_second, found.tokens_per_second)
        assert layout.ttft_seconds is not None
        assert close(layout.ttft_seconds, found.ttft_seconds)


@given(tables())
def test_the_best_price_alone_is_found_without_the_frontier(instance: Tables) -> None:
    request, settings = instance
    found = search(request, settings, out_of_time=never, frontier=False)
    best = cheapest_per_token(oracle.frontier(request, settings))
    assert found.complete
    if best is None:
        assert found.frontier == ()
        return
    assert close(min(each.cost_per_hour / each.tokens_per_second for each in found.frontier), best)


@given(tables())
def test_fastest_within_a_budget_and_cheapest_at_a_rate_are_those_of_brute_force(instance: Tables) -> None:
    request, settings = instance
    points = oracle.frontier(request, settings)
    for cost, rate in points:
        fastest = fastest_within(request, settings, budget_per_hour=cost * (1 + TOLERANCE), out_of_time=never)
        assert fastest is not None
        assert close(fastest.tokens_per_second, rate)
        cheapest = cheapest_at(request, settings, min_tokens_per_second=rate * (1 - TOLERANCE), out_of_time=never)
        assert cheapest is not None
        assert close(cheapest.cost_per_hour, cost)
    if points:
        below, above = points[0][0] * 0.999, points[-1][1] * 1.001
        assert fastest_within(request, settings, budget_per_hour=below, out_of_time=never) is None
        assert cheapest_at(request, settings, min_tokens_per_second=above, out_of_time=never) is None
    else:
        assert fastest_within(request, settings, budget_per_hour=1e9, out_of_time=never) is None
