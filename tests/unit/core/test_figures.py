import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewright.core import figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.10356306, "0.1036"),
        (2.5, "2.5"),
        (12345.678, "12350"),
        (3.0, "3"),
        (1e-7, "0.0000001"),
        (0.0, "0"),
        (120.0, "120"),
    ],
)
def test_numbers_have_no_exponent_and_no_idle_zeros(value: float, text: str) -> None:
    assert figures.number(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(2.0, "2s"), (2.43, "2.43s"), (0.05, "50ms"), (0.0412, "41.2ms")])
def test_durations_read_as_in_a_resource(seconds: float, text: str) -> None:
    assert figures.duration(seconds) == text


@given(st.floats(1e-6, 1e6), st.floats(1.000001, 100.0))
def test_rounding_up_stays_feasible_and_close(limit: float, factor: float) -> None:
    needed = limit * factor
    rounded = figures.rounded_up(needed, above=limit)
    assert rounded >= needed
    assert rounded <= needed * 1.01


@given(st.floats(1e-6, 1e6), st.floats(1.000001, 100.0))
def test_rounding_down_stays_feasible_and_close(needed: float, factor: float) -> None:
    rounded = figures.rounded_down(needed, below=needed * factor)
    assert rounded <= needed
    assert rounded >= needed * 0.99


def test_rounding_uses_few_digits_when_the_rise_is_large_and_more_when_it_is_small() -> None:
    assert figures.rounded_up(2.9061, above=2.5) == 2.91
    assert figures.rounded_up(0.103563, above=0.1035) == 0.103563
    assert figures.rounded_up(0.103563, above=0.1) == 0.1036
