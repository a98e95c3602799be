"""Comparisons: what happens to a request, totals, what a status says, and Markdown that no name breaks."""

from typing import Any

import pytest

from placewright.cli import text
from placewright.cli.comparison import Change, Comparison, Kind, PoolChange, Side, Standing, State, compare, standing_in
from placewright.cli.comparison_view import code, data, escaped, is_news, markdown, table, total, word
from placewright.cli.thresholds import exit_code, verdicts


def _standing(cost: float | None = 1.0, *, state: State = State.APPROVED, plan: str = "p-1", **more: Any) -> Standing:
    fields: dict[str, Any] = {"layout": "1 x bf16 l40s TP1", "gpus_by_pool": {"l40s": 1}, **more}
    price = None if cost is None else cost / 10
    return Standing(state=state, plan_id=plan, cost_per_hour=cost, cost_per_million_tokens=price, **fields)


def _change(old: Standing | None, new: Standing | None, name: str = "chat") -> Change:
    return Change(namespace="serving", name=name, old=old, new=new)


_BLOCKED = _standing(5.0, state=State.BLOCKED)
_REFUSED = Standing(state=State.REFUSED, gpus_by_pool={}, reason="with 1 more l40s node: feasible at $2.40/h")


@pytest.mark.parametrize(
    ("old", "new", "kind", "told"),
    [
        (None, _standing(), Kind.ADDED, "added"),
        (None, _BLOCKED, Kind.ADDED, "added, Blocked"),
        (_standing(), None, Kind.REMOVED, "removed"),
        (_standing(), _standing(), Kind.SAME, "same"),
        (_standing(), _standing(2.0, plan="p-2"), Kind.CHANGED, "changes"),
        (_standing(), _standing(2.0, plan="p-2", layout="2 x bf16 l40s TP1"), Kind.MOVED, "moves"),
        (_standing(), _REFUSED, Kind.LOST, "LOST, Refused"),
        (_REFUSED, _standing(), Kind.PLACED, "placed"),
        (_REFUSED, _BLOCKED, Kind.STILL, "no plan, Blocked"),
    ],
)
def test_what_happens_to_a_request(old: Standing | None, new: Standing | None, kind: Kind, told: str) -> None:
    change = _change(old, new)
    assert (change.kind, word(change)) == (kind, told)
    assert is_news(change) is (kind is not Kind.SAME)


def test_only_approved_plans_are_paid_for() -> None:
    assert _change(_standing(2.0), _BLOCKED).cost_change_per_hour == -2.0
    assert _change(_BLOCKED, _standing(2.0)).cost_change_per_hour == 2.0
    assert _change(_REFUSED, None).cost_change_per_hour == 0.0


def _compared(*changes: Change, pools: tuple[PoolChange, ...] = ()) -> Comparison:
    return Comparison(changes=changes, pools=pools)


def test_a_suspended_or_unplanned_request_is_no_reason_to_fail() -> None:
    for state in (State.SUSPENDED, State.UNPLANNED):
        change = _change(_standing(), Standing(state=state, gpus_by_pool={}))
        assert exit_code(_compared(change), []) == 0


def test_a_percentage_of_nothing_is_not_told() -> None:
    nothing = _compared(_change(None, _standing(2.0)))
    assert total(nothing) == "$0.00 -> $2.00 (+$2.00) per hour in all"
    assert "costChangePercent" not in data(nothing)["fleet"]
    (verdict,) = verdicts(_compared(), percent=0.0, per_hour=None)
    assert not verdict.exceeded


def test_both_sides_are_joined_by_name_and_pools_by_theirs() -> None:
    old = Side(standings={("b", "x"): _standing(), ("a", "y"): _BLOCKED}, pools={"l40s": 4, "gone": 8})
    new = Side(standings={("b", "x"): _standing(gpus_by_pool={"l40s": 3})}, pools={"l40s": 8})
    compared = compare(old, new)
    assert [change.title for change in compared.changes] == ["a/y", "b/x"]
    assert compared.pools == (
        PoolChange(name="gone", old_capacity=8, new_capacity=None, old_used=0, new_used=0),
        PoolChange(name="l40s", old_capacity=4, new_capacity=8, old_used=1, new_used=3),
    )


def test_pools_that_differ_are_shown_below(drawn: Any) -> None:
    pools = (
        PoolChange(name="l40s", old_capacity=4, new_capacity=8, old_used=1, new_used=3),
        PoolChange(name="same", old_capacity=4, new_capacity=4, old_used=1, new_used=1),
    )
    shown = drawn(lambda screen: table(screen, _compared(_change(_standing(), _standing()), pools=pools)))
    assert shown.splitlines()[-2:] == ["  POOL  GPUS USED      OF", "  l40s     1 -> 3  4 -> 8"]


def test_a_status_is_read_as_a_standing_and_nonsense_as_none() -> None:
    stage = {"pool": "l40s", "tensorParallel": 4}
    layout = {"replicas": 2, "precision": "fp8", "stages": [stage, stage]}
    plan = {"id": "p-9", "state": "Approved", "costPerHour": 9.6, "gpusByPool": {"l40s": 16}, "layouts": [layout]}
    found = standing_in({"plan": plan})
    assert found.layout == "2 x fp8 l40s TP4 PP2"
    assert (found.state, found.plan_id, found.cost_per_hour) == (State.APPROVED, "p-9", 9.6)
    assert standing_in({"plan": {**plan, "state": "Blocked"}}).state is State.BLOCKED
    for status in (None, {}, {"plan": None}, {"plan": {}}):
        assert standing_in(status).state is State.UNPLANNED


# ------------------------------------------------------------------------------------------------------- Markdown


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("a|b", r"a\|b"),
        ("*x* `y` [z](u) <b> #1 ~s~ $m$ & \\", r"\*x\* \`y\` \[z\]\(u\) \<b\> \#1 \~s\~ \$m\$ &amp; \\"),
        ("one\n| two", r"one \| two"),
    ],
)
def test_text_means_nothing_to_markdown(given: str, wanted: str) -> None:
    assert escaped(given) == wanted


def test_a_name_that_would_end_its_code_is_escaped() -> None:
    assert code("serving/chat") == "`serving/chat`"
    assert code("a`|b") == r"a\`\|b"


def test_no_name_breaks_the_table_of_a_comment() -> None:
    change = _change(None, Standing(state=State.INFEASIBLE, gpus_by_pool={}, reason="a | b\n`c`"), name="x|y`")
    (row,) = [line for line in markdown(_compared(change)).splitlines() if "serving" in line]
    assert row == r"| serving/x\|y\` | added, Infeasible | - | - | - | a \| b \`c\` |"


def test_a_long_comment_is_cut_with_a_count() -> None:
    changes = [_change(None, _standing(), name=f"r{number:03}") for number in range(205)]
    lines = markdown(_compared(*changes)).splitlines()
    assert sum(line.startswith("| `") for line in lines) == 200
    assert "and 5 more" in lines


# ----------------------------------------------------------------------------------------------------------- text


def test_changes_of_money() -> None:
    assert text.change(2.4, 3.6) == "$2.40 -> $3.60 (+$1.20)"
    assert text.change(2.4, 2.0) == "$2.40 -> $2.00 (-$0.40)"
    assert text.change(2.4, 2.4) == "$2.40"
    assert (text.change(None, 1.0), text.change(1.0, None), text.change(None, None)) == (
        "- -> $1.00",
        "$1.00 -> -",
        "-",
    )


def test_shapes_and_ages() -> None:
    assert text.shape([("a100", 4), ("l40s", 2), ("l40s", 2)]) == "a100 TP4 + l40s TP2 PP2"
    ages = [text.age(seconds) for seconds in (5, 119, 120, 7199, 7200, 172799, 172800)]
    assert ages == ["5 s", "119 s", "2 min", "120 min", "2 h", "48 h", "2 days"]
