import pytest

from placewright.api.base import camel, duration_seconds, rule
from placewright.core.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("price_per_gpu_hour", "pricePerGPUHour"),
        ("gpus_per_node", "gpusPerNode"),
        ("total_gpus", "totalGPUs"),
        ("gpus_by_pool", "gpusByPool"),
        ("intra_node_gbps", "intraNodeGBps"),
        ("memory_gib", "memoryGiB"),
        ("tflops_16bit", "tflops16Bit"),
        ("tops_int8", "topsINT8"),
        ("max_cost_per_million_tokens", "maxCostPerMillionTokens"),
        ("slo", "slo"),
    ],
)
def test_names_have_the_capitals_of_the_contract(name: str, expected: str) -> None:
    assert camel(name) == expected


@pytest.mark.parametrize(
    ("text", "seconds"), [("50ms", 0.05), ("1.2s", 1.2), ("30m", 1800), ("1h30m", 5400), ("1m30.5s", 90.5), ("0s", 0)]
)
def test_durations_are_read_as_go_reads_them(text: str, seconds: float) -> None:
    assert duration_seconds(text, field="spec.slo.ttft") == pytest.approx(seconds, rel=1e-15)


@pytest.mark.parametrize("text", ["", "5", "5 s", "s", "-1s", "1d", "1,5s", ".5s", "1s\n", "50us"])
def test_what_is_no_duration_is_told_with_its_field(text: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^spec\.slo\.ttft: got .* wants a duration such as 50ms"):
        duration_seconds(text, field="spec.slo.ttft")


def test_a_rule_must_say_what_it_wants() -> None:
    with pytest.raises(AssertionError, match="is bad"):
        rule("true", "is bad")
