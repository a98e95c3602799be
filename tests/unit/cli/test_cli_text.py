import pytest

from placewright.cli import text
from placewright.core.model import Stage


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (8.0, "$8.00"),
        (0.1035630617, "$0.103563"),
        (2.31, "$2.31"),
        (5.125, "$5.125"),
        (1234.5, "$1,234.50"),
        (1_234_567.891, "$1,234,567.89"),
        (0.0000001, "$0.0000001"),
        (9.86975e-8, "$0.0000000986975"),
        (0.0, "$0.00"),
        (-4.5, "$-4.50".replace("$-", "-$")),
        (999_999.999, "$1,000,000.00"),
        (float("nan"), "-"),
        (float("inf"), "-"),
    ],
)
def test_money_has_six_digits_at_most_and_no_exponent(value: float, shown: str) -> None:
    assert text.usd(value) == shown


def test_money_never_has_an_exponent() -> None:
    for exponent in range(-12, 12):
        assert "e" not in text.usd(1.23456789 * 10.0**exponent)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.041, "41 ms"), (0.0999, "99.9 ms"), (1.25, "1.25 s"), (30.0, "30 s"), (0.0, "0 ms")]
)
def test_seconds(value: float, shown: str) -> None:
    assert text.seconds(value) == shown


def test_percent_and_rate() -> None:
    assert text.percent(4.923) == "4.92 %"
    assert text.percent(12345.6) == "12,346 %"
    assert text.rate(21457.672) == "21,457.7"


def test_stages_are_counted_in_order() -> None:
    def stage(pool: str, tensor: int, first: int, last: int) -> Stage:
        return Stage(pool=pool, gpu=pool, tensor_parallel=tensor, first_layer=first, last_layer=last)

    given = [stage("A100", 1, 0, 9), stage("A100", 1, 10, 19), stage("V100", 4, 20, 20), stage("A100", 1, 21, 30)]
    assert text.stages(given) == "2 x A100 TP1 (10 layers) + 1 x V100 TP4 (1 layer) + 1 x A100 TP1 (10 layers)"
