"""The exact search on instances whose answer can be worked out by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from placewright.core.layouts import Search, cheapest_at, fastest_within, search
from placewright.core.model import Layout, Progress
from tests.support.builders import a_pool, a_request, a_setting

CHEAP = a_pool("cheap", price_per_gpu_hour=1.0)
FAST = a_pool("fast", price_per_gpu_hour=4.0)


def stages(layout: Layout) -> list[tuple[str, int, int]]:
    return [(stage.pool, stage.tensor_parallel, stage.layers) for stage in layout.stages]


def best(result: Search) -> Layout:
    return min(result.frontier, key=lambda layout: layout.cost_per_million_tokens)


def test_layers_are_covered_once_and_in_order() -> None:
    setting = a_setting([CHEAP], {(0, 1): [1.0, 2.0, 3.0]}, max_stages=4)
    result = search(a_request([CHEAP]), [setting])
    assert [(s.first_layer, s.last_layer) for s in result.frontier[-1].stages] == [(0, 0), (1, 1), (2, 2)]
    assert result.complete


def test_the_frontier_trades_cost_against_rate() -> None:
    setting = a_setting([CHEAP, FAST], {(0, 1): [2.0, 4.0], (1, 1): [1.0, 2.0]}, max_stages=2, tokens_per_step=8.0)
    result = search(a_request([CHEAP, FAST]), [setting])
    assert [(p.cost_per_hour, p.tokens_per_second) for p in result.frontier] == [(1.0, 2.0), (2.0, 4.0), (8.0, 8.0)]
    assert result.bound_cost_per_million_tokens == pytest.approx(1.0 / (2.0 * 3600) * 1e6)
    assert result.bound_tokens_per_second == 8.0


def test_uneven_stages_balance_unlike_gpus() -> None:
    setting = a_setting(
        [CHEAP, FAST],
        {(0, 1): [2.0, 4.0, 6.0, 8.0, 10.0, 12.0], (1, 1): [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]},
        max_stages=2,
    )
    fastest = search(a_request([CHEAP, FAST]), [setting]).frontier
    mixed = [stages(layout) for layout in fastest if len(layout.gpus_by_pool) == 2]
    assert sorted(layers for _, _, layers in mixed[0]) == [2, 4]


def test_a_slow_link_decides_the_order() -> None:
    # a -> b is slow, b -> a is fast: the replica must start on b.
    setting = a_setting(
        [CHEAP, FAST],
        {(0, 1): [1.0, np.inf], (1, 1): [1.0, np.inf]},
        hops=[[9.0, 9.0], [0.1, 9.0]],
        max_stages=2,
    )
    result = search(a_request([CHEAP, FAST]), [setting])
    assert [s[0] for s in stages(best(result))] == ["fast", "cheap"]
    assert best(result).tokens_per_second == 1000.0


def test_a_missing_link_makes_it_infeasible() -> None:
    setting = a_setting([CHEAP], {(0, 1): [1.0, np.inf]}, hops=[[np.inf]], max_stages=2)
    result = search(a_request([CHEAP]), [setting])
    assert result.complete
    assert result.frontier == ()
    assert result.bound_cost_per_million_tokens is None


def test_time_to_first_token_forbids_a_cheaper_layout() -> None:
    setting = a_setting(
        [CHEAP, FAST],
        {(0, 1): [1.0, 2.0], (1, 1): [1.0, 2.0]},
        first_token_seconds=np.array([[0.0, 5.0, 10.0], [0.0, 1.0, 2.0]]),
        max_first_token_seconds=6.5,
        max_stages=2,
    )
    result = search(a_request([CHEAP, FAST]), [setting])
    assert sorted(s[0] for s in stages(result.frontier[-1])) == ["cheap", "fast"]
    assert all(layout.ttft_seconds is not None and layout.ttft_seconds <= 6.5 for layout in result.frontier)


def test_one_tp_degree_for_all_stages() -> None:
    table = {(0, 1): [1.0, 2.0], (0, 2): [0.5, 1.0]}
    setting = a_setting([CHEAP], table, max_stages=2, uniform_tensor_parallel=True)
    for layout in search(a_request([CHEAP]), [setting]).frontier:
        assert len({stage.tensor_parallel for stage in layout.stages}) == 1


def test_the_closed_form_agrees_with_the_general_search() -> None:
    table = {(0, 1): [1.0, 2.0, 3.0, 4.0, 5.0], (0, 2): [0.6, 1.2, 1.8, 2.4, 3.0]}
    hops = [[0.35]]
    request = a_request([CHEAP])
    for count in (1, 2, 3, 4):
        common = {"hops": hops, "stages": count, "hop_in_step": True}
        closed = search(request, [a_setting([CHEAP], table, uniform_kind=True, **common)])
        general = [search(request, [a_setting([CHEAP], {kind: row}, **common)]).frontier for kind, row in table.items()]
        points = {(p.cost_per_hour, p.tokens_per_second) for p in closed.frontier}
        assert points <= {(p.cost_per_hour, p.tokens_per_second) for found in general for p in found}


def test_a_cut_search_tells_a_bound_that_holds() -> None:
    pools = [a_pool(name, price_per_gpu_hour=price) for name, price in (("a", 1.0), ("b", 1.7), ("c", 2.9))]
    rows = {(p, t): [(n + 1) * (3.0 - p * 0.7) / t + 0.2 for n in range(24)] for p in range(3) for t in (1, 2, 4)}
    settings = [a_setting(pools, rows, max_stages=6, tokens_per_step=float(s)) for s in (900, 1000, 1100)]
    whole = search(a_request(pools), settings)
    for allowed in (0, 1, 3, 10):
        cut = search(a_request(pools), settings, out_of_time=countdown(allowed))
        assert not cut.complete
        assert cut.bound_cost_per_million_tokens is not None
        assert whole.bound_cost_per_million_tokens is not None
        assert cut.bound_cost_per_million_tokens <= whole.bound_cost_per_million_tokens * (1 + 1e-12)
        assert (cut.bound_tokens_per_second or 0) >= (whole.bound_tokens_per_second or 0) * (1 - 1e-12)


def countdown(allowed: int) -> Callable[[], bool]:
    left = [allowed]

    def out_of_time() -> bool:
        left[0] -= 1
        return left[0] < 0

    return out_of_time


def test_progress_ends_at_the_optimum() -> None:
    seen: list[Progress] = []
    pools = [CHEAP, FAST]
    settings = [a_setting(pools, {(0, 1): [2.0, 4.0], (1, 1): [1.0, 2.0]}, tokens_per_step=t) for t in (5.0, 8.0)]
    result = search(a_request(pools), settings, on_progress=seen.append)
    assert seen[-1].gap_percent == pytest.approx(0.0, abs=1e-9)
    assert seen[-1].incumbent == pytest.approx(best(result).cost_per_million_tokens)


def test_fastest_within_a_budget_and_cheapest_at_a_rate() -> None:
    setting = a_setting([CHEAP, FAST], {(0, 1): [2.0, 4.0], (1, 1): [1.0, 2.0]}, max_stages=2, tokens_per_step=8.0)
    request = a_request([CHEAP, FAST])
    within = fastest_within(request, [setting], budget_per_hour=7.99)
    assert within is not None
    assert within.tokens_per_second == 4.0
    assert within.cost_per_hour == 2.0
    assert fastest_within(request, [setting], budget_per_hour=0.5) is None
    at_least = cheapest_at(request, [setting], min_tokens_per_second=4.1)
    assert at_least is not None
    assert at_least.cost_per_hour == 8.0
    assert cheapest_at(request, [setting], min_tokens_per_second=8.1) is None


def test_only_the_best_price_agrees_with_the_whole_frontier() -> None:
    pools = [a_pool(name, price_per_gpu_hour=price) for name, price in (("a", 1.0), ("b", 1.3))]
    rows = {(p, t): [(n + 1) * (2.0 - p * 0.6) / t**0.9 + 0.1 for n in range(30)] for p in range(2) for t in (1, 2, 4)}
    request, settings = a_request(pools), [a_setting(pools, rows, max_stages=8)]
    whole = best(search(request, settings))
    alone = best(search(request, settings, frontier=False))
    assert alone.cost_per_million_tokens == pytest.approx(whole.cost_per_million_tokens, rel=1e-12)
