"""Candidates of a fleet: right by the independent checker, none missing that an optimum needs, none too many."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewright.core import gates
from placewright.core.decide import decide
from placewright.core.fleet.candidate_base import stages_of
from placewright.core.fleet.candidate_dominance import times_inside
from placewright.core.fleet.candidates import Candidate, candidate_of, candidates
from placewright.core.lattice import nodes_needed
from placewright.core.model import (
    Billing,
    Gates,
    Layout,
    Objective,
    Parallelism,
    ReplicaBounds,
    Request,
    Runtime,
    Slo,
)
from placewright.core.verification.demand import traffic_of
from placewright.core.verification.layout import structure_violations
from placewright.core.verification.numbers import below, exceeds, same
from tests.property.effort import share
from tests.property.strategies import analytic, measured
from tests.support.fleet_requests import a_class, a_fleet_request


@st.composite
def with_classes(draw: st.DrawFn, requests: st.SearchStrategy[Request]) -> Request:
    """A request of one of the strategies that serves up to three classes, with targets of their own or not."""
    request = draw(requests)
    sizes = draw(st.lists(st.sampled_from(((1, 1), (128, 100), (1000, 200), (500, 200), (2048, 512))), max_size=3))
    slos = st.sampled_from((None, None, Slo(tpot_seconds=0.02), Slo(ttft_seconds=0.3, tpot_seconds=0.05)))
    classes = tuple(a_class(f"c{i}", *size, draw(slos)) for i, size in enumerate(sizes))
    basis = draw(st.sampled_from((0.0, 0.0, 500.0)))
    return replace(
        request,
        workload=replace(request.workload, classes=classes),
        objective=Objective(min_tokens_per_second=basis),
        replicas=draw(st.sampled_from((ReplicaBounds(), ReplicaBounds(max=3)))),
        pools=tuple(replace(pool, nodes=max(pool.nodes, 2)) for pool in request.pools),
    )


def layout_of(candidate: Candidate, at: int, tokens: int) -> Layout:
    """The candidate as it serves one class alone; its cost is of no interest here."""
    return Layout(
        stages=candidate.stages,
        precision=candidate.precision,
        max_concurrency=candidate.max_concurrency,
        cost_per_hour=1.0,
        tokens_per_second=candidate.rates[at] * tokens,
        requests_per_second=candidate.rates[at],
        ttft_seconds=candidate.ttft_seconds[at],
        tpot_seconds=candidate.tpot_seconds[at],
    )


def demanding(request: Request) -> Request:
    """The same with the pseudo class of a request without classes written out."""
    load = request.workload
    if load.classes:
        return request
    return replace(request, workload=replace(load, classes=(a_class("", load.input_tokens, load.output_tokens),)))


def check_right(request: Request, candidate: Candidate) -> None:
    """Hold a candidate against the independent checker."""
    for at, each in enumerate(traffic_of(demanding(request))):
        layout = layout_of(candidate, at, each.tokens)
        assert structure_violations(request, layout) == []
        figures = each.figures(layout)
        tokens = figures.tokens_per_second
        if candidate.rates[at] == 0:
            slow = tokens is None or below(tokens, request.objective.min_tokens_per_second)
            missed = any(
                target is not None and (have is None or exceeds(have, target))
                for have, target in (
                    (figures.ttft_seconds, each.slo.ttft_seconds),
                    (figures.tpot_seconds, each.slo.tpot_seconds),
                )
            )
            assert figures.violations or slow or missed
            continue
        assert figures.violations == []
        assert tokens is not None
        assert same(candidate.rates[at], tokens / each.tokens)
        for have, want, target in (
            (candidate.ttft_seconds[at], figures.ttft_seconds, each.slo.ttft_seconds),
            (candidate.tpot_seconds[at], figures.tpot_seconds, each.slo.tpot_seconds),
        ):
            assert have == want or (have is not None and want is not None and same(have, want))
            assert target is None or (want is not None and not exceeds(want, target))
        assert not below(tokens, request.objective.min_tokens_per_second)


def covered(request: Request, entries: tuple[Candidate, ...], one: Candidate) -> bool:
    """Whether an entry, or copies of it where these are allowed, does all that a layout does in no more space."""
    copies = bool(request.workload.classes) and request.replicas.max is None
    for entry in entries:
        times = times_inside(entry.groups, one.groups)
        times = times if copies else min(times, 1)
        if times and all(times * a >= b * (1 - 1e-9) for a, b in zip(entry.rates, one.rates, strict=True)):
            return True
    return False


def splits(layers: int, stages: int) -> Iterator[tuple[int, ...]]:
    """Every way to give each stage a layer or more."""
    for cuts in combinations(range(1, layers), stages - 1):
        edges = (0, *cuts, layers)
        yield tuple(b - a for a, b in pairwise(edges))


class TestRight:
    @share(0.6)
    @given(with_classes(analytic(most_layers=8)))
    def test_predicted_candidates_are_what_the_checker_finds(self, request_: Request) -> None:
        for candidate in candidates(request_).entries:
            check_right(request_, candidate)

    @given(with_classes(measured()))
    def test_measured_candidates_are_what_the_checker_finds(self, request_: Request) -> None:
        for candidate in candidates(request_).entries:
            check_right(request_, candidate)

    @share(0.6)
    @given(st.one_of(with_classes(measured()), with_classes(analytic(most_layers=6))))
    def test_a_candidate_asked_for_again_has_the_same_figures(self, request_: Request) -> None:
        for candidate in candidates(request_).entries:
            again = candidate_of(request_, candidate.stages, candidate.precision, candidate.max_concurrency)
            assert again == candidate


class TestComplete:
    @share(0.3)
    @given(with_classes(analytic(most_layers=6, runtimes=(Runtime.VLLM,))))
    def test_no_layout_of_one_kind_does_what_no_candidate_does(self, request_: Request) -> None:
        request = replace(request_, parallelism=replace(request_.parallelism, allow_mixed_pools=False))
        found = candidates(request)
        if not found.complete:
            return
        shape = request.architecture
        assert shape is not None
        precisions = [each for each in request.precisions if gates.drift_passes(request, each.name)]
        stated = request.workload.concurrency
        for pool in request.pools:
            for degree in request.parallelism.tensor:
                for stages in range(1, min(request.parallelism.max_pipeline, shape.layers) + 1):
                    for sizes in splits(shape.layers, stages):
                        for precision in precisions:
                            for concurrency in (stated,) if stated else (1, 16, 64, 256):
                                layout = stages_of(pool.name, pool.gpu.name, degree, sizes)
                                one = candidate_of(request, layout, precision.name, concurrency)
                                assert one is None or covered(request, found.entries, one)

    @share(0.5)
    @given(analytic(most_layers=8))
    def test_the_cheapest_layout_of_a_request_is_among_them(self, request_: Request) -> None:
        plain = replace(request_, objective=Objective(), gates=Gates(), replicas=ReplicaBounds())
        request = replace(plain, pools=tuple(replace(pool, billing=Billing.PER_GPU, nodes=3) for pool in plain.pools))
        decision = decide(request, clock=lambda: 0.0)
        found = candidates(request).entries
        if decision.plan is None:
            assert all(not _fits(request, each) for each in found)
            return
        prices = {pool.name: pool.price_per_gpu_hour or 0.0 for pool in request.pools}
        best = min(
            sum(prices[pool] * size * count for pool, size, count in each.groups) / each.rates[0]
            for each in found
            if _fits(request, each)
        )
        layout = decision.plan.main
        assert best == pytest.approx(layout.cost_per_hour / layout.requests_per_second, rel=1e-9)

    def test_layouts_of_mixed_kinds_are_not_said_to_be_all(self) -> None:
        mixed = Parallelism(allow_mixed_pools=True, max_pipeline=3)
        found = candidates(a_fleet_request(parallelism=mixed))
        assert not found.complete
        assert candidates(a_fleet_request(parallelism=replace(mixed, allow_mixed_pools=False))).complete
        one_pool = a_fleet_request(parallelism=mixed)
        assert candidates(replace(one_pool, pools=one_pool.pools[:1])).complete

    def test_a_search_that_is_cut_is_not_kept(self) -> None:
        request = a_fleet_request(parallelism=Parallelism(runtime=Runtime.ANY, allow_mixed_pools=True, max_pipeline=4))
        cut = candidates(request, out_of_time=lambda: True)
        whole = candidates(request)
        assert not cut.complete
        assert cut.entries
        assert not any(is_mixed(each) for each in cut.entries)
        assert any(is_mixed(each) for each in whole.entries)
        assert candidates(request, out_of_time=lambda: True) == whole  # known by now


def is_mixed(each: Candidate) -> bool:
    return len(each.groups) > 1


def _fits(request: Request, each: Candidate) -> bool:
    for pool in request.pools:
        groups = tuple((size, count) for name, size, count in each.groups if name == pool.name)
        if groups and nodes_needed(groups, pool.gpus_per_node) > pool.nodes:
            return False
    return True
