"""The checker on measured configurations: a layout is right when one row says exactly what it says."""

from dataclasses import replace

import pytest

from placewright.core.model import (
    Layout,
    Measured,
    Measurement,
    Plan,
    PlanState,
    Precision,
    Replicas,
    Request,
    Slo,
    Stage,
    TokenBasis,
    Workload,
)
from placewright.core.verify import verify
from tests.support.builders import EIGHT_BILLION, a_pool

ROW = Measurement(
    gpu="A100",
    tensor_parallel=4,
    pipeline_parallel=2,
    precision="bf16",
    input_tokens=1000,
    output_tokens=200,
    requests_per_second=3.0,
    concurrency=64,
    ttft_seconds=0.4,
    tpot_seconds=0.02,
)
REQUEST = Request(
    name="measured",
    model_name="a-model",
    architecture=EIGHT_BILLION,
    precisions=(Precision(name="bf16"), Precision(name="fp8")),
    workload=Workload(input_tokens=1000, output_tokens=200),
    pools=(a_pool("a", nodes=1), a_pool("b", nodes=2)),
    performance=Measured(rows=(ROW, replace(ROW, concurrency=8, requests_per_second=1.0))),
)


def halves(middle: int = 16, pools: str = "aa") -> tuple[Stage, ...]:
    bounds = ((0, middle - 1), (middle, 31))
    return tuple(
        Stage(pool=pool, gpu="A100", tensor_parallel=4, first_layer=low, last_layer=high)
        for pool, (low, high) in zip(pools, bounds, strict=True)
    )


GOOD = Layout(
    stages=halves(),
    precision="bf16",
    max_concurrency=64,
    cost_per_hour=16.0,
    tokens_per_second=3600.0,
    requests_per_second=3.0,
    ttft_seconds=0.4,
    tpot_seconds=0.02,
)


def check(layout: Layout, request: Request = REQUEST) -> tuple[str, ...]:
    return verify(request, Plan(id="p-0a1b2c", state=PlanState.APPROVED, replicas=(Replicas(layout=layout),)))


def test_a_layout_of_a_row_is_right() -> None:
    assert check(GOOD) == ()
    output_only = replace(REQUEST, workload=replace(REQUEST.workload, token_basis=TokenBasis.OUTPUT))
    assert check(replace(GOOD, tokens_per_second=600.0), output_only) == ()
    assert check(replace(GOOD, stages=halves(pools="bb"))) == ()
    assert check(replace(GOOD, max_concurrency=8, tokens_per_second=1200.0, requests_per_second=1.0)) == ()


def test_without_an_architecture_the_number_of_layers_is_not_known() -> None:
    unknown = replace(REQUEST, architecture=None, parallelism=replace(REQUEST.parallelism, min_layers_per_stage=9))
    stages = tuple(
        Stage(pool="a", gpu="A100", tensor_parallel=4, first_layer=place, last_layer=place) for place in range(2)
    )
    assert check(replace(GOOD, stages=stages), unknown) == ()


@pytest.mark.parametrize(
    ("line", "layout"),
    [
        ("no row was measured on A100 TP 4 x PP 2 in fp8 with 64 sequences", replace(GOOD, precision="fp8")),
        ("no row was measured on A100 TP 4 x PP 2 in bf16 with 65 sequences", replace(GOOD, max_concurrency=65)),
        ("no row was measured on A100 TP 4 x PP 1", replace(GOOD, stages=(replace(halves()[0], last_layer=31),))),
        ("a measured configuration splits the layers evenly, this has", replace(GOOD, stages=halves(20))),
        ("a measured configuration has one pool and one TP", replace(GOOD, stages=halves(pools="ab"))),
        ("tokens/s is 3700, recomputed 3600", replace(GOOD, tokens_per_second=3700.0)),
        ("TTFT in seconds is 0.3, recomputed 0.4", replace(GOOD, ttft_seconds=0.3)),
        ("TPOT in seconds is none, recomputed 0.02", replace(GOOD, tpot_seconds=None)),
    ],
)
def test_a_layout_that_no_row_says_is_told(line: str, layout: Layout) -> None:
    found = check(layout)
    assert any(each.startswith(line) for each in found), found


def test_nothing_is_extrapolated_to_another_class_or_target() -> None:
    other = replace(REQUEST, workload=Workload(input_tokens=1001, output_tokens=200))
    assert "with 64 sequences of 1001 + 200 tokens" in check(GOOD, other)[0]
    fast = replace(REQUEST, slo=Slo(ttft_seconds=0.3, tpot_seconds=0.02))
    assert check(GOOD, fast) == ("TTFT in seconds is 0.4, the target is 0.3",)


def test_among_several_rows_one_must_tell_the_rate() -> None:
    twice = replace(REQUEST, performance=Measured(rows=(ROW, replace(ROW, requests_per_second=2.0))))
    assert check(replace(GOOD, tokens_per_second=2400.0, requests_per_second=2.0), twice) == ()
    assert check(replace(GOOD, tokens_per_second=3000.0, requests_per_second=2.5), twice)[0] == (
        "the layout serves 2.5 requests/s, its rows have 3, 2"
    )
