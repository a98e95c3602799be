"""Candidates of a fleet, case by case."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placewright.core.errors import InternalError, InvalidRequestError
from placewright.core.fleet.candidate_base import groups_of, stages_of
from placewright.core.fleet.candidate_dominance import needed, times_inside
from placewright.core.fleet.candidates import Candidate, candidate_of, candidates
from placewright.core.identity import canonical
from placewright.core.lattice import nodes_needed
from placewright.core.model import (
    Billing,
    Gates,
    Measured,
    Measurement,
    Objective,
    OnViolation,
    Parallelism,
    Precision,
    ReplicaBounds,
    Request,
    Slo,
    Stage,
)
from tests.support.builders import EIGHT_BILLION, L40S, a_config_dir, a_pool
from tests.support.fleet_requests import a_class, a_fleet_request

SHORT, LONG = a_class("short", 100, 100), a_class("very-long", 4000, 500)
ROW = Measurement(
    gpu="L40S",
    tensor_parallel=2,
    pipeline_parallel=1,
    precision="bf16",
    input_tokens=100,
    output_tokens=100,
    requests_per_second=5.0,
    concurrency=32,
    ttft_seconds=0.2,
    tpot_seconds=0.02,
)
LONG_ROW = replace(ROW, input_tokens=4000, output_tokens=500, requests_per_second=0.5, concurrency=8)


def measured(*rows: Measurement, classes: tuple = (SHORT, LONG), **changes: object) -> Request:  # type: ignore[type-arg]
    return a_fleet_request(*classes, performance=Measured(rows=rows), **changes)


class TestWhatTheyDependOn:
    def test_stock_prices_and_demand_do_not_matter(self) -> None:
        request = a_fleet_request(SHORT, LONG)
        other = replace(
            request,
            name="other",
            priority=7,
            workload=replace(
                request.workload, classes=tuple(replace(e, requests_per_second=9.0) for e in request.workload.classes)
            ),
            pools=tuple(
                replace(pool, nodes=0, rooms=(), price_per_gpu_hour=9.0, billing=Billing.PER_NODE)
                for pool in request.pools
            ),
        )
        assert candidates(request).entries
        assert candidates(other) == candidates(request)

    def test_stages_in_a_shared_pool_may_always_lie_on_different_nodes(self) -> None:
        request = a_fleet_request(SHORT)
        shared = replace(request, pools=tuple(replace(pool, shared=True) for pool in request.pools))
        name, gpu = request.pools[0].name, request.pools[0].gpu.name
        one, two = (stages_of(name, gpu, 1, sizes) for sizes in ((32,), (16, 16)))

        def rate(of: Request, stages: tuple[Stage, ...]) -> float:
            found = candidate_of(of, stages, "bf16", 64)
            assert found is not None
            return found.rates[0]

        assert rate(shared, one) == rate(request, one)
        assert rate(shared, two) < rate(request, two)

    def test_the_order_of_pools_precisions_and_rows_does_not_matter(self) -> None:
        request = a_fleet_request(SHORT, precisions=(Precision(name="bf16"), Precision(name="fp8", drift_percent=0.5)))
        other_way = replace(request, pools=request.pools[::-1], precisions=request.precisions[::-1])
        assert candidates(other_way) == candidates(request)
        rows = tuple(replace(ROW, tensor_parallel=degree, concurrency=c) for degree in (1, 2, 4) for c in (8, 32))
        turned = candidates(canonical(measured(*rows[::-1])))
        assert turned.entries
        assert turned == candidates(canonical(measured(*rows)))

    def test_a_pool_without_a_price_has_none(self) -> None:
        request = a_fleet_request(SHORT)
        free = replace(request, pools=(replace(request.pools[0], price_per_gpu_hour=None), request.pools[1]))
        found = candidates(free).entries
        assert found
        assert {stage.pool for each in found for stage in each.stages} == {request.pools[1].name}
        nothing = candidates(replace(request, pools=(replace(request.pools[0], price_per_gpu_hour=None),)))
        assert nothing.entries == ()
        assert nothing.complete

    def test_the_entries_stand_in_one_order(self) -> None:
        found = candidates(a_fleet_request(SHORT, LONG, SHORT)).entries
        keys = [(each.groups, tuple(-rate for rate in each.rates)) for each in found]
        assert keys == sorted(keys)
        assert len(set(keys)) == len(keys)

    def test_a_config_dir_request_is_no_part_of_a_fleet(self) -> None:
        pool = a_pool("a")
        request = replace(a_fleet_request(), pools=(pool,), performance=a_config_dir((pool,)))
        with pytest.raises(InternalError, match="config-dir"):
            candidates(request)


class TestClasses:
    def test_without_classes_the_workload_is_the_only_one(self) -> None:
        request = a_fleet_request()
        load = request.workload
        one = replace(request, replicas=ReplicaBounds(max=9))
        written_out = replace(
            one, workload=replace(load, classes=(a_class("x", load.input_tokens, load.output_tokens),))
        )
        assert candidates(one) == candidates(written_out)

    def test_a_class_that_misses_its_target_is_not_served(self) -> None:
        strict = replace(SHORT, slo=Slo(tpot_seconds=1e-6))
        found = candidates(a_fleet_request(strict, LONG)).entries
        assert found
        assert all(each.rates[0] == 0 and each.rates[1] > 0 for each in found)
        assert all(each.ttft_seconds[0] is None and each.tpot_seconds[0] is None for each in found)

    def test_classes_with_unlike_targets_have_candidates_at_several_concurrencies(self) -> None:
        quick = replace(SHORT, slo=Slo(tpot_seconds=0.01))
        found = candidates(a_fleet_request(quick, LONG)).entries
        by_groups: dict[object, list[Candidate]] = {}
        for each in found:
            by_groups.setdefault(each.groups, []).append(each)
        ordered = [sorted(own, key=lambda each: each.max_concurrency) for own in by_groups.values()]
        assert any(  # few in flight for the quick class, many for the other
            own[0].rates[0] > own[-1].rates[0] and own[0].rates[1] < own[-1].rates[1] for own in ordered
        )

    def test_every_class_must_fit_the_longest_sequence(self) -> None:
        assert candidate_of(a_fleet_request(SHORT), *_one_gpu(32), "bf16", 8) is not None
        assert candidate_of(a_fleet_request(SHORT, max_model_len=10_000_000), *_one_gpu(32), "bf16", 8) is None

    def test_a_class_longer_than_max_model_len_is_refused(self) -> None:
        with pytest.raises(InvalidRequestError, match="maxModelLen: got 1000, wants at least 4500"):
            candidates(a_fleet_request(SHORT, LONG, max_model_len=1000))

    def test_the_floor_on_throughput_is_on_one_replica_and_class(self) -> None:
        tokens = (200, 4500)
        free = candidates(a_fleet_request(SHORT, LONG)).entries
        speeds = sorted(each.rates[1] * tokens[1] for each in free)
        floor = (speeds[0] + speeds[-1]) / 2
        held = candidates(a_fleet_request(SHORT, LONG, objective=Objective(min_tokens_per_second=floor))).entries
        assert len(speeds) > 1
        assert held
        for each in held:
            assert all(rate == 0 or rate * of >= floor for rate, of in zip(each.rates, tokens, strict=True))


class TestDrift:
    def test_a_precision_that_fails_and_blocks_has_none(self) -> None:
        both = (Precision(name="bf16"), Precision(name="fp8", drift_percent=3.0))
        gate = Gates(max_quantization_drift_percent=1.0)
        found = candidates(a_fleet_request(SHORT, precisions=both, gates=gate)).entries
        assert {each.precision for each in found} == {"bf16"}

    def test_a_precision_that_only_warns_comes_last(self) -> None:
        both = (Precision(name="bf16"), Precision(name="fp8", drift_percent=3.0))
        gate = Gates(max_quantization_drift_percent=1.0, on_violation=OnViolation.WARN)
        found = candidates(a_fleet_request(SHORT, precisions=both, gates=gate))
        assert {each.precision for each in found.entries} == {"bf16"}
        alone = candidates(a_fleet_request(SHORT, precisions=both[1:], gates=gate)).entries
        assert {each.precision for each in alone} == {"fp8"}
        present = alone[0]
        request = a_fleet_request(SHORT, precisions=both, gates=gate)
        assert candidate_of(request, present.stages, "fp8", present.max_concurrency) == present


class TestMeasured:
    def test_a_class_without_a_row_is_not_served(self) -> None:
        (only,) = candidates(measured(ROW)).entries
        assert only.groups == (("l", 2, 1),)
        assert only.rates == (5.0, 0.0)
        assert only.ttft_seconds == (0.2, None)
        assert only.tpot_seconds == (0.02, None)
        assert only.max_concurrency == 32
        assert [stage.layers for stage in only.stages] == [EIGHT_BILLION.layers]

    def test_each_class_has_its_best_row_within_its_targets(self) -> None:
        faster = replace(ROW, requests_per_second=9.0, concurrency=64, tpot_seconds=0.06)
        fastest = replace(ROW, requests_per_second=12.0, concurrency=128, tpot_seconds=0.2)
        quick = replace(SHORT, slo=Slo(tpot_seconds=0.1))
        (only,) = candidates(measured(ROW, fastest, faster, LONG_ROW, classes=(quick, LONG))).entries
        assert only.rates == (9.0, 0.5)
        assert only.max_concurrency == 64
        assert candidates(measured(ROW, faster, LONG_ROW)).complete

    def test_classes_of_one_size_may_take_different_rows(self) -> None:
        faster = replace(ROW, requests_per_second=9.0, concurrency=64, tpot_seconds=0.06)
        quick = replace(SHORT, name="quick", slo=Slo(tpot_seconds=0.03))
        (only,) = candidates(measured(ROW, faster, classes=(SHORT, quick))).entries
        assert only.rates == (9.0, 5.0)

    def test_a_target_on_what_was_not_measured_is_not_met(self) -> None:
        blind = replace(ROW, ttft_seconds=None)
        assert candidates(measured(blind, slo=Slo(ttft_seconds=5.0))).entries == ()
        assert candidates(measured(blind)).entries != ()

    def test_rows_serve_every_pool_of_their_gpu(self) -> None:
        pools = (a_pool("x", L40S), a_pool("y", L40S), a_pool("z", L40S, gpus_per_node=1))
        found = candidates(measured(ROW, pools=pools)).entries
        assert [each.groups for each in found] == [(("x", 2, 1),), (("y", 2, 1),)]

    def test_mixed_pools_make_no_difference(self) -> None:
        request = measured(ROW, LONG_ROW, parallelism=Parallelism(allow_mixed_pools=True))
        assert candidates(request).complete

    def test_the_present_plan_is_held_against_the_rows_it_can_reach(self) -> None:
        faster = replace(ROW, requests_per_second=9.0, concurrency=64)
        request = measured(ROW, faster, LONG_ROW)
        stages = stages_of("l", "L40S", 2, (EIGHT_BILLION.layers,))
        found = candidate_of(request, stages, "bf16", 40)
        assert found is not None
        assert found.rates == (5.0, 0.5)
        assert found.max_concurrency == 40
        alone = measured(ROW, faster, classes=(SHORT,))
        assert candidate_of(alone, stages, "bf16", 40) is None  # no row was measured with 40 in flight
        assert candidate_of(alone, stages, "bf16", 32) is not None


def _one_gpu(layers: int) -> tuple[tuple[Stage, ...]]:
    return (stages_of("l", "L40S", 1, (layers,)),)


class TestGivenLayouts:
    def test_uneven_layers_and_other_concurrencies_are_candidates(self) -> None:
        stages = stages_of("l", "L40S", 2, (10, 22))
        found = candidate_of(a_fleet_request(SHORT), stages, "bf16", 40)
        assert found is not None
        even = candidate_of(a_fleet_request(SHORT), stages_of("l", "L40S", 2, (16, 16)), "bf16", 40)
        assert even is not None
        assert 0 < found.rates[0] < even.rates[0]
        assert found.groups == (("l", 2, 2),)

    @pytest.mark.parametrize(
        ("stages", "precision", "concurrency"),
        [
            (stages_of("gone", "L40S", 1, (32,)), "bf16", 8),
            (stages_of("l", "A100", 1, (32,)), "bf16", 8),
            (stages_of("l", "L40S", 1, (31,)), "bf16", 8),
            (stages_of("l", "L40S", 1, (32,)), "fp8", 8),
            (stages_of("l", "L40S", 1, (32,)), "bf16", 0),
            (stages_of("l", "L40S", 3, (32,)), "bf16", 8),
            (stages_of("l", "L40S", 1, (4,) * 8), "bf16", 8),
            (stages_of("l", "L40S", 1, (30, 2)), "bf16", 8),
            (stages_of("l", "L40S", 1, (32,)), "bf16", 100_000),
            ((), "bf16", 8),
            (stages_of("l", "L40S", 1, (16,)) * 2, "bf16", 8),
            ((stages_of("l", "L40S", 1, (16,))[0], stages_of("h", "H100", 1, (16, 16))[1]), "bf16", 8),
            ((stages_of("l", "L40S", 1, (16,))[0], stages_of("l", "L40S", 2, (16, 16))[1]), "bf16", 8),
        ],
    )  # fmt: skip
    def test_what_is_no_layout_of_the_request_is_no_candidate(
        self, stages: tuple[Stage, ...], precision: str, concurrency: int
    ) -> None:
        limits = Parallelism(max_pipeline=4, min_layers_per_stage=3)
        rows = (ROW, replace(ROW, tensor_parallel=1), replace(ROW, tensor_parallel=1, pipeline_parallel=2))
        predicted = a_fleet_request(SHORT, parallelism=limits)
        assert candidate_of(predicted, stages_of("l", "L40S", 1, (16, 16)), "bf16", 8) is not None
        assert candidate_of(predicted, stages, precision, concurrency) is None
        looked_up = measured(*rows, classes=(SHORT,), parallelism=limits)
        assert candidate_of(looked_up, stages_of("l", "L40S", 1, (16, 16)), "bf16", 32) is not None
        assert candidate_of(looked_up, stages, precision, concurrency) is None

    def test_a_concurrency_that_the_request_states_is_kept(self) -> None:
        request = a_fleet_request(SHORT)
        stated = replace(request, workload=replace(request.workload, concurrency=12))
        assert {each.max_concurrency for each in candidates(stated).entries} == {12}
        assert candidate_of(stated, *_one_gpu(32), "bf16", 12) is not None
        assert candidate_of(stated, *_one_gpu(32), "bf16", 8) is None


def an_entry(tensor_parallel: int, stages: int, *rates: float, pool: str = "l") -> Candidate:
    layers = stages_of(pool, "L40S", tensor_parallel, (4,) * stages)
    nothing = (None,) * len(rates)
    return Candidate(
        stages=layers,
        precision="bf16",
        max_concurrency=8,
        rates=rates,
        ttft_seconds=nothing,
        tpot_seconds=nothing,
        groups=groups_of(layers),
    )


class TestWhatIsNeedless:
    def test_what_is_as_fast_on_fewer_gpus_makes_needless(self) -> None:
        small, large = an_entry(2, 1, 3.0, 1.0), an_entry(2, 2, 3.0, 0.9)
        assert needed((large, small), copies=False) == (small,)
        assert needed((replace(large, rates=(3.0, 1.1)), small), copies=False) == (
            small,
            replace(large, rates=(3.0, 1.1)),
        )

    def test_smaller_groups_stand_in_for_a_larger_one_but_not_the_other_way(self) -> None:
        two, one = an_entry(1, 2, 3.0), an_entry(2, 1, 3.0)
        assert needed((one, two), copies=False) == (two,)
        assert needed((replace(two, rates=(2.0,)), one), copies=False) == (replace(two, rates=(2.0,)), one)

    def test_copies_stand_in_for_one_where_they_may(self) -> None:
        small, large = an_entry(1, 1, 1.0), an_entry(4, 1, 3.9)
        assert needed((large, small), copies=True) == (small,)
        assert needed((large, small), copies=False) == (small, large)
        assert needed((replace(large, rates=(4.1,)), small), copies=True) == (small, replace(large, rates=(4.1,)))

    def test_other_pools_are_another_matter(self) -> None:
        here, there = an_entry(1, 1, 2.0), an_entry(1, 1, 1.0, pool="m")
        assert needed((here, there), copies=True) == (here, there)

    def test_a_request_with_a_limit_on_replicas_keeps_large_replicas(self) -> None:
        most = candidates(a_fleet_request(SHORT, replicas=ReplicaBounds(max=2))).entries
        free = candidates(a_fleet_request(SHORT)).entries
        assert max(each.gpus for each in most) > max(each.gpus for each in free)
        assert {each.groups for each in free} < {each.groups for each in most}

    @settings(deadline=None, derandomize=True, database=None)
    @given(
        st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from((1, 2, 3, 4, 6, 8))), min_size=1, max_size=5),
        st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from((1, 2, 3, 4, 6, 8))), min_size=1, max_size=3),
        st.integers(8, 12),
    )
    def test_what_fits_inside_never_takes_more_gpus_or_nodes(
        self, outer: list[tuple[str, int]], inner: list[tuple[str, int]], node: int
    ) -> None:
        times = times_inside(_groups(inner), _groups(outer))
        for pool in "ab" if times else "":
            mine = [size for name, size in inner if name == pool] * times
            theirs = [size for name, size in outer if name == pool]
            assert sum(mine) <= sum(theirs)
            assert nodes_needed(tuple((size, 1) for size in mine), node) <= nodes_needed(
                tuple((size, 1) for size in theirs), node
            )


def _groups(sizes: list[tuple[str, int]]) -> tuple[tuple[str, int, int], ...]:
    return tuple(sorted((pool, size, sizes.count((pool, size))) for pool, size in set(sizes)))
