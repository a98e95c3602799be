"""Which figures a request is planned by."""

from typing import Any

import pytest

from placewright.api.convert import to_request
from placewright.api.parse import parse
from placewright.api.surroundings import Surroundings, SurroundingsError
from placewright.core.errors import InvalidRequestError, UnsupportedModelError
from placewright.core.model import Analytic, Measured, Profile, Request
from placewright.core.performance.choose import model_for
from tests.support.fleet_resources import profile, row, shared_pool
from tests.support.resources import small_request

MODEL = "meta-llama/Llama-3.1-8B-Instruct"
TWO = [
    {"name": "long", "inputTokens": 1024, "outputTokens": 256, "requestsPerSecond": 1},
    {"name": "short", "inputTokens": 128, "outputTokens": 64, "requestsPerSecond": 2},
]
SHORT = row(inputTokens=128, outputTokens=64, requestsPerSecond=9.0)


def request_of(*profiles: Any, **spec: Any) -> Request:
    return to_request(parse(small_request(**spec)), Surroundings(profiles=profiles))


def chosen(request: Request) -> str | None:
    """The profile in use; None: the analytic model."""
    if request.performance == Analytic():
        return None
    assert isinstance(request.performance, Measured)
    assert request.performance.profile is not None
    return request.performance.profile.name


def test_a_named_profile_is_used_with_its_source_and_date() -> None:
    given = profile("p", [row(precision="fp8", ttft="1.5s")], asOf="2026-10-02T00:00:00Z")
    request = request_of(given, performance={"profileRef": {"name": "p"}})

    assert isinstance(request.performance, Measured)
    assert request.performance.profile == Profile(name="p", source="vllm bench serve", as_of="2026-10-02T00:00:00Z")
    assert [(each.precision, each.ttft_seconds) for each in request.performance.rows] == [("fp8", 1.5)]
    assert [each.name for each in request.precisions] == ["fp8"]
    assert model_for(request).confidence(request) == "Measured"
    assert request.notes == ()


def test_fitted_rows_are_told_from_measured_ones() -> None:
    request = request_of(profile("p", [row()], method="Fitted"), performance={"profileRef": {"name": "p"}})

    assert model_for(request).confidence(request) == "Fitted"


@pytest.mark.parametrize(
    ("profiles", "said"),
    [
        ((), r"^spec\.performance\.profileRef\.name: got 'p', wants a PerformanceProfile; there is none$"),
        (
            (profile("q", [row()]), profile("r", [row()])),
            r"^spec\.performance\.profileRef\.name: got 'p', wants a PerformanceProfile; there are q, r$",
        ),
        (
            (profile("p", [row(outputTokens=9), row(gpu="A100")]),),
            r"^spec\.performance\.profileRef\.name: got 'p', which has no row of 1024\+256 tokens on L40S, wants",
        ),
    ],
)
def test_a_named_profile_that_does_not_serve_is_one_line(profiles: Any, said: str) -> None:
    with pytest.raises(SurroundingsError, match=said):
        request_of(*profiles, performance={"profileRef": {"name": "p"}})


def test_a_named_profile_must_serve_every_class() -> None:
    spec = {"workload": {"classes": TWO}, "performance": {"profileRef": {"name": "p"}}}

    with pytest.raises(SurroundingsError, match=r"no row of 128\+64 tokens on L40S"):
        request_of(profile("p", [row()]), **spec)
    assert chosen(request_of(profile("p", [row(), SHORT]), **spec)) == "p"


def test_a_named_profile_of_another_model_is_used_and_told() -> None:
    other = profile("p", [row()], model="meta-llama/Llama-3.1-70B-Instruct")
    request = request_of(other, performance={"profileRef": {"name": "p"}})

    assert chosen(request) == "p"
    assert request.notes == ("PerformanceProfile p was named, and is of model meta-llama/Llama-3.1-70B-Instruct",)


def test_a_profile_and_measurements_together_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"^spec\.performance\.profileRef: got a name, wants no measurements"):
        request_of(performance={"profileRef": {"name": "p"}, "measurements": [row()]})


def test_a_profile_that_serves_all_is_chosen_by_model_and_gpu() -> None:
    request = request_of(profile("p", [row(gpu="NVIDIA-L40S"), row(gpu="A100"), row(outputTokens=9)]))

    assert chosen(request) == "p"
    assert isinstance(request.performance, Measured)
    assert [each.gpu for each in request.performance.rows] == ["L40S"]
    assert request.notes == ()
    assert request.architecture is not None


def test_measured_comes_before_fitted_and_newer_before_older() -> None:
    fitted = profile("fitted", [row()], method="Fitted", asOf="2026-11-01T00:00:00Z")
    undated = profile("a-undated", [row()])
    old = profile("old", [row()], asOf="2025-01-01T00:00:00Z")
    new = profile("new", [row()], asOf="2026-10-01T00:00:00+02:00")
    every = [fitted, undated, old, new]

    assert chosen(request_of(*every)) == "new"
    assert chosen(request_of(fitted, undated, old)) == "old"
    assert chosen(request_of(fitted, undated)) == "a-undated"
    assert chosen(request_of(fitted)) == "fitted"
    assert request_of(*every) == request_of(*every[::-1])


@pytest.mark.parametrize(
    ("rows", "spec", "missing"),
    [
        ([row(gpu="A100")], {}, "1024+256"),
        ([row()], {"workload": {"classes": TWO}}, "128+64"),
        ([row(precision="fp8")], {}, "1024+256"),
        ([row()], {"model": {"name": MODEL, "precisions": [{"name": "fp8"}]}}, "1024+256"),
        ([row()], {"slo": {"ttft": "2s"}}, "1024+256"),
        ([row(ttft="1s")], {"slo": {"ttft": "2s", "tpot": "50ms"}}, "1024+256"),
        ([row(tensorParallel=2)], {"parallelism": {"tensor": [1]}}, "1024+256"),
        ([row(pipelineParallel=2)], {"parallelism": {"maxPipeline": 1}}, "1024+256"),
        ([row(concurrency=8)], {"workload": {"inputTokens": 1024, "outputTokens": 256, "concurrency": 9}}, "1024+256"),
    ],
)
def test_a_profile_that_serves_only_a_part_is_not_chosen_and_the_request_says_why(
    rows: list[Any], spec: dict[str, Any], missing: str
) -> None:
    request = request_of(profile("p", rows), **spec)

    assert chosen(request) is None
    assert request.notes == (f"PerformanceProfile p is not used: it has no usable row of {missing} tokens on L40S",)


def test_latencies_that_only_one_class_asks_for_must_be_measured_for_it_alone() -> None:
    classes = [TWO[0], {**TWO[1], "slo": {"tpot": "40ms"}}]
    spec = {"workload": {"classes": classes}}

    assert chosen(request_of(profile("p", [row(), SHORT]), **spec)) is None
    assert chosen(request_of(profile("p", [row(), {**SHORT, "tpot": "30ms"}]), **spec)) == "p"


def test_a_profile_of_another_model_or_a_given_shape_is_not_even_told() -> None:
    other = profile("p", [row()], model="meta-llama/Llama-3.1-70B-Instruct")
    shape = {"name": MODEL, "architecture": {"layers": 32}}

    assert (chosen(request_of(other)), request_of(other).notes) == (None, ())
    assert (chosen(request_of(profile("p", [row()]), model=shape))) is None


def test_own_measurements_come_before_any_profile() -> None:
    request = request_of(profile("p", [row()]), performance={"measurements": [row(requestsPerSecond=7.0)]})

    assert isinstance(request.performance, Measured)
    assert request.performance.profile is None
    assert [each.requests_per_second for each in request.performance.rows] == [7.0]


def test_a_model_that_only_a_profile_knows_is_planned_by_it() -> None:
    given = profile("p", [row(precision="fp8")], model="secret")
    request = request_of(given, model={"name": "secret"})

    assert (chosen(request), request.architecture) == ("p", None)
    with pytest.raises(UnsupportedModelError, match=r"or a PerformanceProfile; PerformanceProfile p is not used: it"):
        request_of(profile("p", [row(outputTokens=1)], model="secret"), model={"name": "secret"})


def test_rows_take_the_name_that_the_pools_have_for_their_gpu() -> None:
    pool = shared_pool("l40s", labels={"tier": "serving"})
    body = parse(small_request(pools=None, poolSelector={"matchLabels": {"tier": "serving"}}))
    request = to_request(body, Surroundings(pools={"l40s": pool}, profiles=(profile("p", [row(gpu="L40S-48GB")]),)))

    assert isinstance(request.performance, Measured)
    assert [each.gpu for each in request.performance.rows] == ["L40S"]


def test_a_large_profile_costs_a_request_only_the_rows_that_it_may_use() -> None:
    rows = [row(inputTokens=tokens, requestsPerSecond=1.0) for tokens in range(1, 10_001)]
    request = request_of(profile("p", rows))

    assert isinstance(request.performance, Measured)
    assert [each.input_tokens for each in request.performance.rows] == [1024]
