import pytest

from placewright.core.model import GateOutcome, GateResult
from placewright.handlers.bands import banded, moved, outcomes_of, plain


def outcome(actual: float | None, *, result: GateResult = GateResult.PASS, **more: object) -> GateOutcome:
    given: dict[str, object] = {"limit": 1.0, "headroom_percent": 50.0, "input": "revenue by Prometheus", **more}
    return GateOutcome(name="CostToRevenueRatio", actual=actual, result=result, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "now", "shown"),
    [(0.5, 0.52, 0.5), (0.5, 0.5251, 0.5251), (0.5, 0.474, 0.474), (0.0, 0.0, 0.0), (0.0, 0.1, 0.1)],
)
def test_a_figure_is_told_anew_when_it_has_moved_by_more_than_its_band(before: float, now: float, shown: float) -> None:
    told = shown != before
    assert moved(before, now) is told
    (found,) = banded([outcome(before)], [outcome(now, age_seconds=3.0)])
    assert found.actual == shown
    assert (plain([found]) != plain([outcome(before)])) is told
    assert found.age_seconds == 3.0


def test_a_result_or_limit_that_changes_is_told_at_once() -> None:
    assert banded([outcome(0.5)], [outcome(0.51, result=GateResult.FAIL)])[0].actual == 0.51
    assert banded([outcome(0.5)], [outcome(0.51, limit=2.0)])[0].actual == 0.51


def test_a_figure_of_the_plan_alone_has_no_band() -> None:
    assert banded([outcome(0.5, input="")], [outcome(0.501, input="")])[0].actual == 0.501


def test_a_fault_keeps_its_words_while_it_is_of_the_same_kind() -> None:
    stale = outcome(None, result=GateResult.UNKNOWN, fault="stale: 301 s old")
    later = outcome(None, result=GateResult.UNKNOWN, fault="stale: 900 s old")
    missing = outcome(None, result=GateResult.UNKNOWN, fault="missing: HTTP 503")
    assert banded([stale], [later])[0].fault == "stale: 301 s old"
    assert banded([stale], [missing])[0].fault == "missing: HTTP 503"


def test_gates_come_back_from_a_status_without_what_somebody_has_spoiled() -> None:
    good: dict[str, object] = {
        "name": "CostPerHour",
        "limit": 4,
        "actual": 2.5,
        "headroomPercent": 37.5,
        "result": "Pass",
    }
    bad: list[dict[str, object]] = [{"name": "CostPerHour"}, {**good, "result": "Maybe"}, {**good, "limit": "much"}]
    assert outcomes_of([*bad, good]) == (
        GateOutcome(name="CostPerHour", limit=4.0, actual=2.5, headroom_percent=37.5, result=GateResult.PASS),
    )
    assert outcomes_of(None) == ()
