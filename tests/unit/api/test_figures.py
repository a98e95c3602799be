import pytest

from placewright.api.figures import cut, figure, optional_figure, plan_text, thinned
from placewright.core.model import Layout, Plan, PlanState, Replicas


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


@pytest.mark.parametrize(
    ("layouts", "text"),
    [
        (1, "2 x bf16 TP4 PP2 on l40s, 16 GPUs, $19.2/h, $2.309/M tokens, 2310 tokens/s"),
        (
            3,
            (
                "6 x bf16 TP4 PP2 on l40s + 4 x bf16 TP4 PP2 on l40s + 2 x bf16 TP4 PP2 on l40s, 96 GPUs, $115.2/h,"
                " $2.309/M tokens, 13861 tokens/s"
            ),
        ),
        (
            5,
            (
                "10 x bf16 TP4 PP2 on l40s + 8 x bf16 TP4 PP2 on l40s + 6 x bf16 TP4 PP2 on l40s and 2 more layouts,"
                " 240 GPUs, $288/h, $2.309/M tokens, 34654 tokens/s"
            ),
        ),
    ],
)
def test_a_plan_is_told_in_one_line_with_its_largest_layouts_first(layouts: int, text: str, layout: Layout) -> None:
    replicas = tuple(Replicas(layout=layout, count=2 * step, weight=step / 100) for step in range(1, layouts + 1))

    assert plan_text(Plan(id="p-1", state=PlanState.APPROVED, replicas=replicas)) == text


def test_a_plan_with_a_demand_tells_what_of_its_capacity_is_served(layout: Layout) -> None:
    plan = Plan(id="p-1", state=PlanState.APPROVED, replicas=(Replicas(layout=layout),), demand_tokens_per_second=577.5)

    assert plan_text(plan).endswith("$9.6/h, $4.618/M tokens, 578 of 1155 tokens/s")
