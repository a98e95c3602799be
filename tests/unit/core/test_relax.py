from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from placewright.configdir.reader import read_config_dir
from placewright.core import figures, methods, relax
from placewright.core.model import (
    Gates,
    Method,
    Objective,
    ObjectiveType,
    OnUnknown,
    Parallelism,
    Precision,
    Relaxation,
    Request,
    Runtime,
    Slo,
    SolverOptions,
)
from placewright.core.outcome import Outcome
from placewright.core.performance.choose import model_for
from tests.support import toys

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"
FP8 = Precision(name="fp8", drift_percent=0.6)


def still() -> float:
    return 0.0


def solve_toy(asked: Request) -> Outcome:
    return methods.solve(asked, toys.ToyModel().settings(asked), clock=still)


def solve_real(asked: Request) -> Outcome:
    return methods.solve(asked, model_for(asked).settings(asked), clock=still)


def relaxed(asked: Request, solve: Callable[[Request], Outcome] = solve_toy) -> Relaxation:
    """The relaxation, which must start from nothing approved and end with an approved plan."""
    assert solve(asked).best is None
    layers = toys.LAYERS if solve is solve_toy else model_for(asked).layers(asked)
    found = relax.relaxation(asked, layers=layers, solve=solve, out_of_time=lambda: False)
    assert found is not None
    assert solve(found.request).best is not None
    return found


def medium(**changes: object) -> Request:
    limits = {"A100": 8, "L20": 4, "A10": 4, "V100": 4, "T4": 4}
    asked = read_config_dir(EXAMPLES / "medium", max_tensor_parallel=limits).request
    return replace(asked, **changes)  # type: ignore[arg-type]


def test_the_price_gate_is_raised_to_the_best_possible_price_rounded_up() -> None:
    found = relaxed(toys.request(gates=Gates(max_cost_per_million_tokens=0.3)))
    assert (found.field, found.current, found.needed) == ("spec.gates.maxCostPerMillionTokens", "0.3", "0.417")
    assert found.message.startswith("feasible at $0.4167/M: raise spec.gates.maxCostPerMillionTokens from 0.3 to 0.417")
    assert found.size == pytest.approx(0.417 / 0.3 - 1.0)
    tighter = replace(found.request, gates=Gates(max_cost_per_million_tokens=0.416))
    assert solve_toy(tighter).best is None


def test_the_hourly_gate_is_raised_to_the_cheapest_layout_not_to_the_best_one() -> None:
    found = relaxed(toys.request(gates=Gates(max_cost_per_hour=1.0)))
    assert (found.field, found.needed) == ("spec.gates.maxCostPerHour", "2")


def test_a_throughput_floor_is_lowered_to_what_can_be_reached() -> None:
    asked = toys.request(objective=Objective(type=ObjectiveType.COST, min_tokens_per_second=30000.0))
    found = relaxed(asked)
    assert (found.field, found.needed) == ("spec.objective.minTokensPerSecond", "22200")
    fastest = solve_toy(toys.request(objective=Objective(type=ObjectiveType.THROUGHPUT))).best
    assert fastest is not None
    assert 22200 <= fastest.tokens_per_second < 22300


def test_a_latency_target_is_loosened_to_the_least_that_can_be_reached() -> None:
    asked = toys.request(slo=Slo(ttft_seconds=0.05))
    found = relaxed(asked)
    assert found.field == "spec.slo.ttft"
    needed = found.request.slo.ttft_seconds
    assert needed is not None
    assert found.needed == figures.duration(needed)
    assert solve_toy(replace(asked, slo=Slo(ttft_seconds=needed * 0.99))).best is None


def test_a_looser_target_can_save_a_price_gate() -> None:
    asked = toys.request(slo=Slo(ttft_seconds=2.3), gates=Gates(max_cost_per_million_tokens=0.4166667))
    found = relaxed(asked)
    assert found.field in {"spec.slo.ttft", "spec.gates.maxCostPerMillionTokens"}
    assert found.size < 0.1


def test_missing_gpus_are_counted_in_nodes() -> None:
    found = relaxed(toys.request(toys.pool("tiny", gpus=2)))
    assert (found.field, found.current, found.needed) == ("spec.pools[tiny].nodes", "1", "3")
    assert "with 2 more tiny nodes in pool tiny" in found.message
    one_less = replace(found.request, pools=(replace(found.request.pools[0], nodes=2),))
    assert solve_toy(one_less).best is None


def test_too_few_stages_are_raised() -> None:
    asked = toys.request(
        toys.pool("slow", gpus=8), parallelism=Parallelism(tensor=(1,), max_pipeline=1, runtime=Runtime.ANY)
    )
    found = relaxed(asked)
    # Tensor parallelism of 2 holds 16 layers: as large a change as two stages, and later in the order.
    assert (found.field, found.current, found.needed) == ("spec.parallelism.maxPipeline", "1", "2")


def test_a_smallest_stage_that_nothing_holds_is_lowered_no_further_than_needed() -> None:
    asked = toys.request(
        toys.pool("slow", gpus=8),
        parallelism=Parallelism(tensor=(1,), max_pipeline=6, min_layers_per_stage=7, runtime=Runtime.ANY),
    )
    found = relaxed(asked)
    assert (found.field, found.current, found.needed) == ("spec.parallelism.minLayersPerStage", "7", "6")


def test_pools_that_only_hold_the_model_together_are_mixed() -> None:
    asked = toys.request(
        toys.pool("slow", gpus=1),
        toys.pool("fast", gpus=1),
        parallelism=Parallelism(allow_mixed_pools=False, max_pipeline=2, runtime=Runtime.ANY),
    )
    found = relaxed(asked)
    assert found.size == 1.0
    assert found.field in {"spec.parallelism.allowMixedPools", "spec.pools[slow].nodes"}


def test_drift_is_raised_to_the_least_lossy_precision_that_helps() -> None:
    lossy = Precision(name="fp8", drift_percent=0.9)
    asked = toys.request(precisions=(lossy,), gates=Gates(max_quantization_drift_percent=0.5))
    found = relaxed(asked)
    assert (found.field, found.needed) == ("spec.gates.maxQuantizationDriftPercent", "0.9")


def test_unmeasured_drift_asks_for_a_figure_or_a_warning() -> None:
    asked = toys.request(precisions=(Precision(name="fp8"),), gates=Gates(max_quantization_drift_percent=0.5))
    found = relaxed(asked)
    assert found.field == "spec.gates.onUnknown"
    assert found.request.gates.on_unknown is OnUnknown.WARN
    assert "measure it" in found.message


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (
            Gates(max_cost_per_million_tokens=0.3, policies=(("CostPerMillionTokens", "default"),)),
            "gates.maxCostPerMillionTokens of PlacementPolicy default",
        ),
        (
            Gates(max_quantization_drift_percent=0.5, policies=(("QuantizationDrift", "strict"),)),
            "gates.maxQuantizationDriftPercent of PlacementPolicy strict",
        ),
        (
            Gates(max_cost_per_million_tokens=0.3, policies=(("CostPerHour", "default"),)),
            "spec.gates.maxCostPerMillionTokens",
        ),
    ],
)
def test_a_limit_that_is_a_policys_is_to_be_changed_there(limits: Gates, field: str) -> None:
    drifting = (Precision(name="fp8", drift_percent=0.9),) if limits.max_quantization_drift_percent else None
    asked = toys.request(gates=limits) if drifting is None else toys.request(gates=limits, precisions=drifting)
    found = relaxed(asked)

    assert found.field == field
    assert f"raise {field} from" in found.message


def test_unmeasured_drift_that_a_policy_blocks_is_to_be_allowed_there() -> None:
    limits = Gates(max_quantization_drift_percent=0.5, policies=(("OnUnknown", "strict"),))
    found = relaxed(toys.request(precisions=(Precision(name="fp8"),), gates=limits))

    assert found.field == "gates.onUnknown of PlacementPolicy strict"
    assert "set gates.onUnknown of PlacementPolicy strict to Warn, or measure it" in found.message


def test_a_quantized_precision_that_was_not_given_is_not_offered() -> None:
    found = relaxed(toys.request(toys.pool("tiny", gpus=2)))
    assert found.request.precisions == toys.request().precisions


def test_when_no_single_change_suffices_several_do_and_none_is_idle() -> None:
    asked = toys.request(toys.pool("tiny", gpus=2), gates=Gates(max_cost_per_hour=1.0))
    found = relaxed(asked)
    assert found.field == "spec.gates.maxCostPerHour and spec.pools[tiny].nodes"
    changed = found.request
    assert solve_toy(replace(changed, gates=asked.gates)).best is None
    assert solve_toy(replace(changed, pools=asked.pools)).best is None


def test_nothing_helps_when_the_pool_has_no_price() -> None:
    unpriced = replace(toys.pool("slow"), price_per_gpu_hour=None)
    asked = toys.request(unpriced)
    assert relax.relaxation(asked, layers=12, solve=solve_toy, out_of_time=lambda: False) is None


def test_without_time_there_is_no_relaxation() -> None:
    asked = toys.request(gates=Gates(max_cost_per_hour=1.0))
    assert relax.relaxation(asked, layers=12, solve=solve_toy, out_of_time=lambda: True) is None


@pytest.mark.parametrize("method", list(Method))
def test_the_relaxed_request_is_approved_by_the_method_it_names(method: Method) -> None:
    asked = toys.request(
        gates=Gates(max_cost_per_million_tokens=0.3, max_cost_per_hour=7.0), solver=SolverOptions(method=method)
    )
    assert relaxed(asked).request.solver.method is method


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (Gates(max_cost_per_million_tokens=0.1), "config.csv: max_cost_per_million_token"),
        (Gates(max_cost_per_hour=1.0), "config.csv: max_hourly_cost"),
    ],
)
def test_config_dir_gates_are_named_as_in_the_file(limits: Gates, field: str) -> None:
    assert relaxed(medium(gates=limits), solve_real).field == field


def test_config_dir_stock_is_a_count_of_gpus() -> None:
    asked = medium()
    few = tuple(replace(pool, gpus_per_node=2) for pool in asked.pools if pool.name in {"V100", "T4"})
    found = relaxed(replace(asked, pools=few), solve_real)
    assert (found.field, found.current, found.needed) == ("gpu_pool.csv: count of V100", "2", "8")


def test_config_dir_pipeline_and_utilization_are_named_as_in_the_file() -> None:
    asked = medium()
    v100 = tuple(pool for pool in asked.pools if pool.name == "V100")
    shallow = replace(asked, pools=v100, parallelism=replace(asked.parallelism, max_pipeline=1))
    assert relaxed(shallow, solve_real).field == "config.csv: max_pipeline_stages"


@pytest.mark.parametrize("gpus", [1, 4])
def test_one_small_card_for_a_large_model_wants_more_cards(gpus: int) -> None:
    asked = medium()
    one = tuple(replace(pool, gpus_per_node=gpus) for pool in asked.pools if pool.name == "V100")
    found = relaxed(replace(asked, pools=one), solve_real)
    assert found.field.startswith("gpu_pool.csv: count of V100") or " and " in found.field
