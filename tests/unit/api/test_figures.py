import pytest

from placewright.api.figures import cut, figure, optional_figure, thinned


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(0.10356312345, 0.103563), (21457.6712, 21457.7), (2.5, 2.5), (0.0, 0.0), (1e-9 / 3, 3.33333e-10)],
)
def test_figures_have_six_significant_digits(value: float, rounded: float) -> None:
    assert figure(value) == rounded


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_no_figure_is_left_out(value: float | None) -> None:
    assert optional_figure(value) is None


def test_long_texts_are_cut_visibly() -> None:
    assert (cut("abcdef", 6), cut("abcdefg", 6)) == ("abcdef", "abcde…")


@pytest.mark.parametrize("length", [0, 1, 5, 50, 51, 52, 99, 1000])
def test_thinning_keeps_the_ends_the_kept_ones_and_the_order(length: int) -> None:
    keep = {length // 3} if length else set()
    chosen = thinned(range(length), 50, keep)

    assert len(chosen) == min(length, 50)
    assert chosen == sorted(set(chosen))
    assert {0, length - 1, *keep} <= set(chosen) or length == 0
