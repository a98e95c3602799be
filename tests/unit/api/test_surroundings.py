from datetime import UTC, datetime
from typing import Any

import pytest

from placewright.api.hardware import LabelSelector
from placewright.api.policies import effective_gates
from placewright.api.prices import policy_price, same_gpu
from placewright.api.spec import Gates
from placewright.api.surroundings import ceilings, selects
from placewright.core.model import Ceiling, OnUnknown, OnViolation
from tests.support.fleet_resources import policy

LABELS = {"tier": "serving", "zone": "a"}


def selector(**given: Any) -> LabelSelector:
    return LabelSelector.model_validate(given)


def term(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


@pytest.mark.parametrize(
    ("taken", "given"),
    [
        (False, None),
        (True, selector()),
        (True, selector(matchLabels={"tier": "serving"})),
        (False, selector(matchLabels={"tier": "batch"})),
        (False, selector(matchLabels={"tier": "serving", "spot": ""})),
        (True, selector(matchExpressions=[term("tier", "In", "batch", "serving")])),
        (False, selector(matchExpressions=[term("tier", "In", "batch")])),
        (False, selector(matchExpressions=[term("spot", "In", "yes")])),
        (True, selector(matchExpressions=[term("tier", "NotIn", "batch")])),
        (False, selector(matchExpressions=[term("tier", "NotIn", "serving")])),
        (True, selector(matchExpressions=[term("spot", "NotIn", "yes")])),
        (True, selector(matchExpressions=[term("zone", "Exists")])),
        (False, selector(matchExpressions=[term("spot", "Exists")])),
        (True, selector(matchExpressions=[term("spot", "DoesNotExist")])),
        (False, selector(matchExpressions=[term("zone", "DoesNotExist")])),
        (False, selector(matchLabels={"tier": "serving"}, matchExpressions=[term("zone", "In", "b")])),
    ],
)
def test_a_selector_takes_what_kubernetes_would_take(*, taken: bool, given: LabelSelector | None) -> None:
    assert selects(given, LABELS) is taken


def test_ceilings_come_from_all_policies_in_one_order() -> None:
    late = policy("late", maxCostPerHour=500)
    early = policy(
        "early", namespaces=[{"name": "serving", "maxCostPerHour": 120}, {"name": "batch", "maxCostPerHour": 7}]
    )

    assert ceilings((late, early)) == (
        Ceiling(policy="early", namespace="batch", max_cost_per_hour=7),
        Ceiling(policy="early", namespace="serving", max_cost_per_hour=120),
        Ceiling(policy="late", namespace=None, max_cost_per_hour=500),
    )
    assert ceilings((policy("gates-only", gates={"maxCostPerHour": 1}),)) == ()


def gates(**given: Any) -> Gates:
    return Gates.model_validate(given)


def test_a_policy_fills_gates_that_a_request_does_not_set() -> None:
    found = effective_gates(gates(), (policy(gates={"maxCostPerHour": 40, "maxQuantizationDriftPercent": 0.5}),))

    assert (found.max_cost_per_hour, found.max_quantization_drift_percent) == (40, 0.5)
    assert found.max_cost_per_million_tokens is None
    assert found.policies == (("CostPerHour", "default"), ("QuantizationDrift", "default"))


@pytest.mark.parametrize(
    ("own", "limit", "owner"),
    [(30.0, 30.0, ()), (40.0, 40.0, ()), (50.0, 40.0, (("CostPerHour", "strict"),))],
)
def test_the_stricter_limit_counts_and_says_whose_it_is(
    own: float, limit: float, owner: tuple[tuple[str, str], ...]
) -> None:
    strict, loose = policy("strict", gates={"maxCostPerHour": 40}), policy("loose", gates={"maxCostPerHour": 90})

    for order in ((strict, loose), (loose, strict)):
        found = effective_gates(gates(maxCostPerHour=own), order)
        assert (found.max_cost_per_hour, found.policies) == (limit, owner)


def test_blocking_wins_over_warning_whoever_says_it() -> None:
    warn = gates(onViolation="Warn", onUnknown="Pass")

    assert effective_gates(warn, ()).on_violation is OnViolation.WARN
    assert effective_gates(warn, (policy(gates={"maxCostPerHour": 1}),)).on_violation is OnViolation.WARN
    assert effective_gates(warn, (policy(gates={"onViolation": "Block"}),)).on_violation is OnViolation.BLOCK
    assert effective_gates(gates(), (policy(gates={"onViolation": "Warn"}),)).on_violation is OnViolation.BLOCK
    stricter = effective_gates(warn, (policy(gates={"onUnknown": "Warn"}),))
    assert (stricter.on_unknown, stricter.policies) == (OnUnknown.WARN, (("OnUnknown", "default"),))
    assert effective_gates(gates(), (policy(gates={"onUnknown": "Pass"}),)).on_unknown is OnUnknown.BLOCK


PRICES = [
    {"gpu": "NVIDIA-L40S", "pricePerGPUHour": 1.2},
    {"gpu": "L40S", "capacityType": "Spot", "pricePerGPUHour": 0.5, "asOf": "2026-11-01T00:00:00Z"},
    {"gpu": "L40S", "capacityType": "Spot", "zone": "a", "pricePerGPUHour": 0.6},
    {"gpu": "L40S", "zone": "a", "instanceType": "g6e.12xlarge", "pricePerGPUHour": 0.7},
    {"gpu": "L40S", "pricePerGPUHour": 9.0},
    {"gpu": "Own-1", "pricePerGPUHour": 3.0},
]


@pytest.mark.parametrize(
    ("gpu", "known", "price"),
    [
        ("L40S", {}, 1.2),
        ("L40S", {"capacity_type": "Spot"}, 0.5),
        ("L40S", {"capacity_type": "Spot", "zone": "a"}, 0.6),
        ("L40S", {"capacity_type": "OnDemand", "zone": "a"}, 1.2),
        ("L40S", {"capacity_type": "Spot", "zone": "a", "instance_type": "g6e.12xlarge"}, 0.6),
        ("L40S", {"zone": "a", "instance_type": "g6e.12xlarge"}, 0.7),
        ("Own-1", {"zone": "b"}, 3.0),
        ("A100-80GB", {}, None),
    ],
)
def test_the_most_exact_price_counts_and_of_equals_the_first(
    gpu: str, known: dict[str, str], price: float | None
) -> None:
    found = policy_price((policy("table", prices=PRICES),), gpu, **known).price

    assert (found.per_gpu_hour if found is not None else None) == price


def test_policies_price_in_the_order_of_their_names_and_tell_the_date() -> None:
    first = policy("a", prices=[{"gpu": "L40S", "pricePerGPUHour": 2.0, "asOf": "2026-11-01T00:00:00Z"}])
    second = policy("b", prices=[{"gpu": "L40S", "pricePerGPUHour": 1.0}])
    found = policy_price((second, first), "L40S").price

    assert found is not None
    assert (found.per_gpu_hour, found.policy, found.as_of) == (2.0, "a", datetime(2026, 11, 1, tzinfo=UTC))


def test_gpus_are_the_same_by_any_name_of_the_catalog() -> None:
    assert same_gpu("NVIDIA-L40S", "L40S")
    assert same_gpu("Own-1", "Own-1")
    assert not same_gpu("Own-1", "L40S")
