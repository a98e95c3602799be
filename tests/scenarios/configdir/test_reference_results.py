"""The reference results of the config-dir format: they must come out, with their proof, by every road."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import inf
from pathlib import Path

import numpy as np
import pytest

from placewright.configdir import read_config_dir
from placewright.core.decide import decide
from placewright.core.model import (
    Decision,
    FixedEfficiency,
    Layout,
    Method,
    PlanState,
    RejectionCode,
    Request,
    SolveStatus,
    Stage,
)
from placewright.core.performance.choose import model_for
from placewright.core.performance.fixed import tokens_per_second
from placewright.core.verify import verify

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"
MAX_TP = {"A100": 8, "L20": 4, "A10": 4, "V100": 4, "T4": 4}
NAMES = ("tiny", "small", "medium_small", "medium", "large")


def decided(request: Request) -> Decision:
    return decide(request, clock=time.monotonic)


def medium(method: Method = Method.EXACT) -> Request:
    return read_config_dir(EXAMPLES / "medium", max_tensor_parallel=MAX_TP, method=method).request


def medium_all_sizes(method: Method = Method.EXACT) -> Request:
    overrides = {"enable_segment_quantization": "false"}
    return read_config_dir(EXAMPLES / "medium", overrides=overrides, method=method).request


def layout_of(decision: Decision) -> Layout:
    assert decision.plan is not None
    return decision.plan.main


def fixed(request: Request) -> FixedEfficiency:
    assert isinstance(request.performance, FixedEfficiency)
    return request.performance


def shape(layout: Layout) -> list[tuple[str, int, int]]:
    return sorted((stage.pool, stage.tensor_parallel, stage.layers) for stage in layout.stages)


def six_digits(value: float) -> float:
    return float(f"{value:.6g}")


def bottleneck_seconds(request: Request, stages: list[tuple[str, int, int]]) -> float:
    """Evaluate (pool, TP, layers) stages on the model's own tables, as the solver would; inf: not allowed."""
    (setting,) = model_for(request).settings(request)
    pools = [pool.name for pool in request.pools]
    rows = {
        (pools[pool], int(degree)): row
        for row, (pool, degree) in enumerate(zip(setting.kind_pool, setting.kind_tensor_parallel, strict=True))
    }
    if any((pool, degree) not in rows for pool, degree, _ in stages):
        return inf
    steps = [setting.step_seconds[rows[pool, degree], layers] for pool, degree, layers in stages]
    order = [pools.index(pool) for pool, _, _ in stages]
    hops = [setting.hop_seconds[one, other] for one, other in pairwise(order)]
    return float(np.max([*steps, *hops]))


def test_quantized_sizes_with_limited_tensor_parallelism() -> None:
    decision = decided(medium())
    layout = layout_of(decision)
    assert six_digits(layout.cost_per_million_tokens) == 0.103563
    assert round(layout.tokens_per_second, 2) == 21_457.67
    assert round(layout.cost_per_hour, 2) == 8.00
    assert shape(layout) == [("A100", 1, 5)] * 8
    assert decision.report.status is SolveStatus.OPTIMAL
    assert decision.report.gap_percent == 0


def test_all_sizes_with_any_tensor_parallelism() -> None:
    decision = decided(medium_all_sizes())
    layout = layout_of(decision)
    assert six_digits(layout.cost_per_million_tokens) == 0.0986975
    assert round(layout.tokens_per_second, 2) == 10_131.97
    assert round(layout.cost_per_hour, 2) == 3.60
    assert shape(layout) == [("V100", 2, 7)] * 4 + [("V100", 4, 12)]
    assert decision.report.status is SolveStatus.OPTIMAL


def test_quantized_sizes_cost_about_five_percent() -> None:
    ratio = layout_of(decided(medium())).cost_per_million_tokens
    ratio /= layout_of(decided(medium_all_sizes())).cost_per_million_tokens
    assert round((ratio - 1) * 100, 1) == 4.9


def test_the_famous_layout_does_not_fit_and_says_why() -> None:
    request = medium_all_sizes()
    # What is often quoted follows from the rates alone ...
    rates = fixed(request).gpu_rates["V100"]
    rate = tokens_per_second(fixed(request), rates=rates, batch=32, tensor_parallel=1, layers=40)
    assert round(rate, 2) == 985.05
    assert round(0.3 / (rate * 3600) * 1e8, 1) == 8.5
    # ... but 40 layers need 160 GiB on a card of 24.
    assert bottleneck_seconds(request, [("V100", 1, 40)]) == inf
    reasons = [entry.message for entry in model_for(request).rejections(request) if entry.pool == "V100"]
    assert any("V100 has 24 GiB" in reason and "160.7 GiB at TP1 (not one fits" in reason for reason in reasons)
    assert any(
        entry.code is RejectionCode.INSUFFICIENT_MEMORY and entry.pool == "V100" and "160.7 GiB" in entry.message
        for entry in decided(request).rejections
    )


def test_the_famous_layout_fails_the_independent_check_too() -> None:
    request = medium_all_sizes()
    decision = decided(request)
    assert decision.plan is not None
    (entry,) = decision.plan.replicas
    stage = Stage(pool="V100", gpu="V100", tensor_parallel=1, first_layer=0, last_layer=39)
    famous = replace(
        entry.layout, stages=(stage,), cost_per_hour=0.3, tokens_per_second=985.0527, requests_per_second=0.2405
    )
    plan = replace(decision.plan, replicas=(replace(entry, layout=famous),))
    assert any("160.7 GiB" in violation for violation in verify(request, plan))


def test_a_published_mixed_layout_evaluates_to_its_figures() -> None:
    request = medium_all_sizes()
    stages = [("A100", 1, 5)] * 2 + [("V100", 2, 5)] * 6
    rate = 32 * 4096 / bottleneck_seconds(request, stages)
    cost_per_hour = 2 * 1.0 + 12 * 0.3
    assert round(rate, 2) == 14_184.76
    assert six_digits(cost_per_hour / (rate * 3600)) == 1.09664e-7
    best = layout_of(decided(request))
    assert best.cost_per_million_tokens < cost_per_hour / (rate * 3600) * 1e6


@pytest.mark.parametrize("method", [Method.ENUMERATION, Method.ITERATIVE, Method.WEIGHTED])
@pytest.mark.parametrize("request_of", [medium, medium_all_sizes])
def test_the_other_methods_tell_their_distance_to_exact(
    method: Method, request_of: Callable[[Method], Request]
) -> None:
    exact = layout_of(decided(request_of(Method.EXACT)))
    decision = decided(request_of(method))
    layout = layout_of(decision)
    distance = decision.report.distance_to_exact_percent
    assert decision.report.method is method
    assert decision.report.proves
    assert distance is not None
    assert distance >= 0
    assert layout.cost_per_million_tokens >= exact.cost_per_million_tokens * (1 - 1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", list(Method))
def test_every_example_has_a_proved_plan(name: str, method: Method) -> None:
    request = read_config_dir(EXAMPLES / name, method=method).request
    decision = decided(request)
    assert decision.plan is not None
    assert decision.plan.state is PlanState.APPROVED
    assert verify(request, decision.plan, decision.gates) == ()
    assert sum(stage.layers for stage in decision.plan.main.stages) == model_for(request).layers(request)
    if method is Method.EXACT:
        assert decision.report.status is SolveStatus.OPTIMAL


def test_the_best_batch_size_of_a_range_is_the_best_of_its_members() -> None:
    def best(**overrides: str) -> Layout:
        return layout_of(decided(read_config_dir(EXAMPLES / "medium", overrides=overrides).request))

    each = {int(size): best(batch_size=size) for size in ("4", "8", "16", "32")}
    chosen = best(min_batch_size="4", max_batch_size="32")
    cheapest = min(each.values(), key=lambda layout: layout.cost_per_million_tokens)
    assert chosen.cost_per_million_tokens == cheapest.cost_per_million_tokens
    assert shape(chosen) == shape(each[chosen.max_concurrency])


def test_links_bind_the_rate_of_a_pipeline() -> None:
    request = medium()
    model = fixed(request)
    gbps = 0.3  # 18,311 tokens/s of 16 KiB each, less than the 21,458 of the stages
    links = dict.fromkeys(model.link_gbps, gbps)
    slow = replace(request, performance=replace(model, link_gbps=links, min_link_gbps=0.0))
    rates = [point.tokens_per_second for point in decided(slow).frontier if len(point.layout.stages) > 1]
    assert max(rates) == pytest.approx(gbps * 1e9 / (8192 * 2), rel=1e-9)


def test_what_fits_nowhere_is_infeasible_with_a_relaxation_that_works() -> None:
    request = read_config_dir(EXAMPLES / "medium", overrides={"max_pipeline_stages": "1"}).request
    lonely = replace(request, pools=tuple(pool for pool in request.pools if pool.name == "T4"))
    decision = decided(lonely)
    assert decision.plan is None
    assert decision.report.status is SolveStatus.INFEASIBLE
    assert {entry.code for entry in decision.rejections} >= {RejectionCode.INSUFFICIENT_MEMORY}
    assert decision.relaxation is not None
    assert decided(decision.relaxation.request).plan is not None
