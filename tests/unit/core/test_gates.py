from dataclasses import replace
from math import inf, nan

import pytest

from placewright.core import gates
from placewright.core.model import (
    Architecture,
    GateResult,
    Gates,
    OnUnknown,
    OnViolation,
    Precision,
    Request,
)
from tests.support import toys
from tests.support.layouts import layout

ARCHITECTURE = Architecture(
    layers=12,
    hidden_size=64,
    intermediate_size=128,
    attention_heads=8,
    key_value_heads=8,
    head_dim=8,
    vocab_size=100,
    native_precision="bf16",
)


def request_with(held: Gates, *precisions: Precision, architecture: Architecture | None = ARCHITECTURE) -> Request:
    return replace(toys.request(gates=held), precisions=precisions, architecture=architecture)


def test_only_gates_that_are_set_are_evaluated() -> None:
    assert gates.evaluate(toys.request(), layout()) == ()
    held = gates.evaluate(toys.request(gates=Gates(max_cost_per_hour=5.0)), layout())
    assert [outcome.name for outcome in held] == ["CostPerHour"]


def test_headroom_is_in_percent_of_the_limit() -> None:
    (passed,) = gates.evaluate(toys.request(gates=Gates(max_cost_per_hour=5.0)), layout(4.0))
    assert (passed.limit, passed.actual, passed.result) == (5.0, 4.0, GateResult.PASS)
    assert passed.headroom_percent == pytest.approx(20.0)
    (failed,) = gates.evaluate(toys.request(gates=Gates(max_cost_per_hour=3.2)), layout(4.0))
    assert failed.result is GateResult.FAIL
    assert failed.headroom_percent == pytest.approx(-25.0)


def test_a_limit_that_is_met_exactly_passes() -> None:
    (held,) = gates.evaluate(toys.request(gates=Gates(max_cost_per_hour=4.0)), layout(4.0))
    assert held.result is GateResult.PASS
    assert held.headroom_percent == 0.0


def test_price_per_token_gate_uses_the_layouts_own_price() -> None:
    # $3.6/h at 1000 tokens/s is 3.6e6 tokens an hour: $1 per million.
    (held,) = gates.evaluate(toys.request(gates=Gates(max_cost_per_million_tokens=1.25)), layout(3.6, 1000.0))
    assert held.actual == pytest.approx(1.0)
    assert held.headroom_percent == pytest.approx(20.0)


@pytest.mark.parametrize("cost", [nan, inf])
def test_a_figure_that_is_no_number_is_unknown_never_zero(cost: float) -> None:
    (held,) = gates.evaluate(toys.request(gates=Gates(max_cost_per_hour=5.0)), layout(cost))
    assert (held.result, held.actual, held.headroom_percent) == (GateResult.UNKNOWN, None, None)


def test_a_layout_that_serves_nothing_has_no_price() -> None:
    (held,) = gates.evaluate(toys.request(gates=Gates(max_cost_per_million_tokens=1.0)), layout(4.0, 0.0))
    assert held.result is GateResult.UNKNOWN


def test_native_precision_has_no_drift_and_an_unmeasured_quantized_one_is_unknown() -> None:
    asked = request_with(Gates(max_quantization_drift_percent=0.5), Precision(name="bf16"), Precision(name="fp8"))
    (native,) = gates.evaluate(asked, layout(precision="bf16"))
    (quantized,) = gates.evaluate(asked, layout(precision="fp8"))
    assert (native.actual, native.result) == (0.0, GateResult.PASS)
    assert (quantized.actual, quantized.result) == (None, GateResult.UNKNOWN)


def test_measured_drift_is_held_against_the_gate() -> None:
    asked = request_with(
        Gates(max_quantization_drift_percent=0.5),
        Precision(name="fp8", drift_percent=0.12),
        Precision(name="int4", drift_percent=1.4),
    )
    assert gates.evaluate(asked, layout(precision="fp8"))[0].result is GateResult.PASS
    assert gates.evaluate(asked, layout(precision="int4"))[0].result is GateResult.FAIL


def test_without_an_architecture_no_precision_is_native() -> None:
    asked = request_with(Gates(max_quantization_drift_percent=0.5), Precision(name="bf16"), architecture=None)
    assert gates.drift_percent(asked, "bf16") is None


def test_a_drift_limit_of_zero_admits_the_native_precision_and_has_no_headroom() -> None:
    asked = request_with(Gates(max_quantization_drift_percent=0.0), Precision(name="bf16"))
    (held,) = gates.evaluate(asked, layout(precision="bf16"))
    assert (held.result, held.headroom_percent) == (GateResult.PASS, None)


@pytest.mark.parametrize(("on_violation", "blocked"), [(OnViolation.BLOCK, True), (OnViolation.WARN, False)])
def test_a_failed_gate_blocks_unless_it_only_warns(on_violation: OnViolation, *, blocked: bool) -> None:
    asked = toys.request(gates=Gates(max_cost_per_hour=1.0, on_violation=on_violation))
    held = gates.evaluate(asked, layout(4.0))
    assert gates.blocks(asked, held) is blocked
    assert not gates.satisfied(asked, held)


@pytest.mark.parametrize(
    ("on_unknown", "blocked"), [(OnUnknown.BLOCK, True), (OnUnknown.WARN, False), (OnUnknown.PASS, False)]
)
def test_an_unknown_gate_blocks_by_default(on_unknown: OnUnknown, *, blocked: bool) -> None:
    asked = toys.request(gates=Gates(max_cost_per_hour=1.0, on_unknown=on_unknown))
    held = gates.evaluate(asked, layout(nan))
    assert gates.blocks(asked, held) is blocked
    assert gates.satisfied(asked, held) is not blocked


@pytest.mark.parametrize(
    ("held", "allowed", "passes"),
    [
        (Gates(max_quantization_drift_percent=0.5), {"bf16", "fp8"}, {"bf16", "fp8"}),
        (
            Gates(max_quantization_drift_percent=0.5, on_violation=OnViolation.WARN),
            {"bf16", "fp8", "int8"},
            {"bf16", "fp8"},
        ),
        (
            Gates(max_quantization_drift_percent=0.5, on_unknown=OnUnknown.WARN),
            {"bf16", "fp8", "int4"},
            {"bf16", "fp8", "int4"},
        ),
        (Gates(), {"bf16", "fp8", "int8", "int4"}, {"bf16", "fp8", "int8", "int4"}),
    ],
)
def test_drift_keeps_out_what_blocks_and_prefers_what_passes(held: Gates, allowed: set[str], passes: set[str]) -> None:
    asked = request_with(
        held,
        Precision(name="bf16"),
        Precision(name="fp8", drift_percent=0.2),
        Precision(name="int8", drift_percent=0.9),
        Precision(name="int4"),
    )
    names = [precision.name for precision in asked.precisions]
    assert {name for name in names if gates.drift_allows(asked, name)} == allowed
    assert {name for name in names if gates.drift_passes(asked, name)} == passes


def test_the_drift_gate_alone_can_be_taken_away() -> None:
    asked = request_with(Gates(max_quantization_drift_percent=0.5, max_cost_per_hour=3.0), Precision(name="fp8"))
    assert gates.without_drift_gate(asked).gates == Gates(max_cost_per_hour=3.0)
