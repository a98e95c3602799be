from dataclasses import replace

import pytest

from placewright.core import gates
from placewright.core.model import (
    GateOutcome,
    GateResult,
    Ramp,
    RampAction,
    RampCommand,
    RampObservation,
    RampPhase,
    RampState,
    RampVerdict,
)
from placewright.core.ramp import due_at, look, next_step, percent_of, start

HOLD = 600.0
GAP = 90.0
RAMP = Ramp(
    steps_percent=(10.0, 50.0, 100.0),
    max_cost_to_revenue_ratio=(0.5, 0.4, 0.3),
    max_cost_per_million_tokens=(None, None, None),
    hold_seconds=HOLD,
    rollback_after_seconds=300.0,
)


def gate(result: GateResult, *, actual: float = 0.35, limit: float = 0.4, fault: str = "") -> GateOutcome:
    known = None if result is GateResult.UNKNOWN else actual
    return GateOutcome(
        name=gates.COST_TO_REVENUE_RATIO, limit=limit, actual=known, headroom_percent=None, result=result, fault=fault
    )


PASS = (gate(GateResult.PASS),)
FAIL = (gate(GateResult.FAIL, actual=0.62),)
UNKNOWN = (gate(GateResult.UNKNOWN, fault="stale: 12 min old"),)


def seen(
    present: tuple[GateOutcome, ...] = PASS,
    following: tuple[GateOutcome, ...] = PASS,
    command: RampCommand = RampCommand.NONE,
) -> RampObservation:
    return RampObservation(present_gates=present, next_gates=following, command=command)


def at(step: int, **more: float | None) -> RampState:
    return replace(start("p-1"), step=step, seen_at=990.0, **more)


def look_at(state: RampState, what: RampObservation, now: float = 1000.0, ramp: Ramp = RAMP) -> RampVerdict:
    return look(ramp, state, what, now, max_gap_seconds=GAP)


def walk(state: RampState, looks: list[tuple[float, RampObservation]], ramp: Ramp = RAMP) -> list[RampVerdict]:
    verdicts = []
    for now, what in looks:
        verdicts.append(look(ramp, state, what, now, max_gap_seconds=GAP))
        state = verdicts[-1].state
    return verdicts


def every_minute(first: float, count: int, what: RampObservation) -> list[tuple[float, RampObservation]]:
    return [(first + 60.0 * k, what) for k in range(count)]


def test_a_new_plan_has_no_traffic_and_its_first_step_is_next() -> None:
    state = start("p-1")
    assert (state.plan_id, state.step, state.phase) == ("p-1", -1, RampPhase.HOLDING)
    assert percent_of(RAMP, state) == 0.0
    assert next_step(RAMP, state) == 0


def test_the_first_step_too_is_entered_only_after_its_gates_have_passed_for_the_whole_time() -> None:
    verdicts = walk(start("p-1"), every_minute(0.0, 11, seen(present=())))
    assert [v.action for v in verdicts] == [RampAction.HOLD] * 10 + [RampAction.ADVANCE]
    assert {v.reason for v in verdicts[:10]} == {"GatesPassing"}
    assert verdicts[0].message == "all gates pass; step 1 of 3 (10 %) is entered when they have for 10m without a gap"
    assert (verdicts[10].reason, verdicts[10].state.step) == ("StepEntered", 0)
    assert verdicts[10].message == "entered step 1 of 3 (10 %): all gates passed for 10m"
    assert percent_of(RAMP, verdicts[10].state) == 10.0


def test_the_time_of_a_step_begins_anew_when_it_is_entered() -> None:
    entered = look_at(at(0, passing_since=400.0), seen()).state
    assert (entered.step, entered.passing_since, entered.failing_since) == (1, None, None)
    following = look_at(entered, seen(), 1060.0)
    assert (following.action, following.state.passing_since) == (RampAction.HOLD, 1060.0)


def test_it_is_completed_after_the_gates_of_the_last_step_have_passed_as_long_as_any_others() -> None:
    verdicts = walk(at(2), every_minute(1000.0, 11, seen(following=())))
    assert [v.state.phase for v in verdicts] == [RampPhase.PROGRESSING] * 10 + [RampPhase.COMPLETED]
    assert verdicts[0].message.startswith("all gates pass; the ramp is completed when")
    assert (verdicts[10].action, verdicts[10].reason) == (RampAction.HOLD, "Completed")
    assert percent_of(RAMP, verdicts[10].state) == 100.0


def test_the_last_step_can_still_go_back() -> None:
    verdicts = walk(at(2), every_minute(1000.0, 6, seen(present=FAIL, following=())))
    assert [v.action for v in verdicts] == [RampAction.HOLD] * 5 + [RampAction.ROLLBACK]


def test_a_completed_ramp_stays_whatever_gates_and_people_say() -> None:
    done = replace(at(2), phase=RampPhase.COMPLETED, end_reason="Completed", end_message="all gates passed for 10m")
    for command in RampCommand:
        verdict = look_at(done, seen(FAIL, (), command), 5000.0)
        assert verdict == RampVerdict(
            action=RampAction.HOLD,
            state=replace(done, seen_at=5000.0),
            reason="Completed",
            message="all gates passed for 10m",
        )


@pytest.mark.parametrize(
    ("present", "following", "reason", "told"),
    [
        (PASS, FAIL, "GateFails", "CostToRevenueRatio is 0.62, limit 0.4"),
        (FAIL, PASS, "GateFails", "CostToRevenueRatio is 0.62, limit 0.4"),
        (PASS, UNKNOWN, "GateUnknown", "CostToRevenueRatio is unknown (stale: 12 min old)"),
        (UNKNOWN, PASS, "GateUnknown", "CostToRevenueRatio is unknown (stale: 12 min old)"),
        (UNKNOWN, FAIL, "GateFails", "CostToRevenueRatio is 0.62, limit 0.4"),
    ],
)
@pytest.mark.parametrize("command", [RampCommand.NONE, RampCommand.PROMOTE])
def test_it_holds_on_a_gate_that_fails_or_is_unknown_also_when_promoted(
    present: tuple[GateOutcome, ...],
    following: tuple[GateOutcome, ...],
    reason: str,
    told: str,
    command: RampCommand,
) -> None:
    verdict = look_at(at(0, passing_since=0.0), seen(present, following, command))
    assert (verdict.action, verdict.reason, verdict.state.phase) == (RampAction.HOLD, reason, RampPhase.HOLDING)
    assert verdict.message.startswith(f"holds at step 1 of 3 (10 %): {told}")
    assert verdict.state.passing_since is None


def test_the_line_counts_the_other_gates_that_are_in_the_way() -> None:
    both = (*FAIL, replace(FAIL[0], name=gates.COST_PER_HOUR))
    assert look_at(at(0), seen(PASS, both)).message.endswith("CostToRevenueRatio is 0.62, limit 0.4 (and 1 more)")


def test_passing_gates_begin_anew_after_one_bad_look() -> None:
    looks = [*every_minute(0.0, 9, seen()), (540.0, seen(PASS, UNKNOWN)), *every_minute(600.0, 10, seen())]
    verdicts = walk(start("p-1"), looks)
    assert {v.action for v in verdicts} == {RampAction.HOLD}
    assert verdicts[-1].state.passing_since == 600.0


def test_a_ramp_without_any_gate_goes_on_by_time_alone() -> None:
    assert look_at(at(0, passing_since=400.0), seen((), ())).action is RampAction.ADVANCE


def test_a_hold_time_of_zero_enters_one_step_in_each_look() -> None:
    ramp = replace(RAMP, hold_seconds=0.0)
    verdicts = walk(start("p-1"), [(0.0, seen(())), (1.0, seen()), (2.0, seen()), (3.0, seen(PASS, ()))], ramp)
    assert [v.state.step for v in verdicts] == [0, 1, 2, 2]
    assert verdicts[-1].state.phase is RampPhase.COMPLETED


@pytest.mark.parametrize(
    ("seen_at", "now", "why"),
    [
        (None, 1000.0, "first look"),
        (900.0, 1000.0, "gap"),
        (1000.5, 1000.0, "clock went back"),
        (1000.0, 9_000_000.0, "clock jumped ahead"),
    ],
)
def test_both_times_begin_anew_when_nobody_knows_what_was(seen_at: float | None, now: float, why: str) -> None:
    before = replace(at(0, passing_since=0.0, failing_since=0.0), seen_at=seen_at)
    passing = look_at(before, seen(), now)
    assert (passing.action, passing.state.passing_since) == (RampAction.HOLD, now), why
    failing = look_at(before, seen(FAIL), now)
    assert (failing.action, failing.state.failing_since) == (RampAction.HOLD, now), why


def test_a_gap_as_long_as_is_allowed_is_none() -> None:
    assert look_at(replace(at(0, passing_since=400.0), seen_at=1000.0 - GAP), seen()).action is RampAction.ADVANCE


def test_times_in_the_future_are_dropped() -> None:
    ahead = at(0, passing_since=5000.0, failing_since=5000.0)
    assert look_at(ahead, seen()).state.passing_since == 1000.0
    assert look_at(ahead, seen(FAIL)).state.failing_since == 1000.0


def test_it_goes_back_when_a_gate_of_its_step_has_failed_for_the_whole_time() -> None:
    verdicts = walk(at(1), every_minute(1000.0, 6, seen(FAIL)))
    assert verdicts[0].message.endswith("; it goes back when a gate of this step fails for 5m")
    assert [v.action for v in verdicts] == [RampAction.HOLD] * 5 + [RampAction.ROLLBACK]
    last = verdicts[-1]
    assert (last.reason, last.state.phase, last.state.step) == ("RolledBackByGate", RampPhase.ROLLED_BACK, -1)
    expected = "rolled back from step 2 of 3 (50 %): CostToRevenueRatio is 0.62, limit 0.4 for 5m"
    assert last.message == f"{expected}; promote it anew to try again"
    assert percent_of(RAMP, last.state) == 0.0


def test_an_unknown_gate_never_goes_back_and_ends_the_time_of_a_failing_one() -> None:
    looks = [*every_minute(0.0, 5, seen(FAIL)), (300.0, seen(UNKNOWN)), *every_minute(360.0, 5, seen(FAIL))]
    assert {v.action for v in walk(at(1), looks)} == {RampAction.HOLD}
    assert {v.action for v in walk(at(1), every_minute(0.0, 60, seen(UNKNOWN)))} == {RampAction.HOLD}


def test_failing_gates_of_the_next_step_alone_never_go_back() -> None:
    verdicts = walk(at(0), every_minute(0.0, 60, seen(PASS, FAIL)))
    assert {(v.action, v.state.failing_since) for v in verdicts} == {(RampAction.HOLD, None)}
    assert "goes back" not in verdicts[-1].message


def test_a_plan_without_traffic_has_nothing_to_go_back_from() -> None:
    verdicts = walk(start("p-1"), every_minute(0.0, 60, seen(FAIL, FAIL)))
    assert {v.action for v in verdicts} == {RampAction.HOLD}


def test_without_rollback_after_it_never_goes_back_by_itself() -> None:
    verdicts = walk(at(1), every_minute(0.0, 60, seen(FAIL)), replace(RAMP, rollback_after_seconds=None))
    assert {v.action for v in verdicts} == {RampAction.HOLD}


def test_without_auto_promote_it_waits_for_a_word_once_the_time_is_over() -> None:
    ramp = replace(RAMP, auto_promote=False)
    verdicts = walk(start("p-1"), every_minute(0.0, 12, seen(())), ramp)
    assert [v.reason for v in verdicts] == ["GatesPassing"] * 10 + ["AwaitingPromotion"] * 2
    assert verdicts[-1].state.phase is RampPhase.HOLDING
    assert verdicts[-1].message == (
        "all gates have passed for 10m; step 1 of 3 (10 %) is entered when somebody promotes it"
    )
    promoted = look_at(verdicts[-1].state, seen((), PASS, RampCommand.PROMOTE), 720.0, ramp)
    assert (promoted.action, promoted.state.step) == (RampAction.ADVANCE, 0)


def test_without_auto_promote_nobody_need_say_that_it_is_completed() -> None:
    last = replace(at(2, passing_since=400.0))
    assert look_at(last, seen(PASS, ()), ramp=replace(RAMP, auto_promote=False)).state.phase is RampPhase.COMPLETED


def test_promoting_skips_the_time_and_one_step_only() -> None:
    verdict = look_at(start("p-1"), seen((), PASS, RampCommand.PROMOTE))
    assert (verdict.action, verdict.state.step) == (RampAction.ADVANCE, 0)
    assert verdict.message == "entered step 1 of 3 (10 %): promoted while all gates pass"


def test_pausing_keeps_the_step_whatever_the_gates_say_and_the_times_go_on() -> None:
    verdicts = walk(at(1), every_minute(1000.0, 20, seen(command=RampCommand.PAUSE)))
    assert {(v.action, v.reason, v.state.step) for v in verdicts} == {(RampAction.HOLD, "Paused", 1)}
    assert verdicts[-1].state.phase is RampPhase.PAUSED
    assert verdicts[-1].message == "paused at step 2 of 3 (50 %)"
    assert look_at(verdicts[-1].state, seen(), 2200.0).action is RampAction.ADVANCE
    failing = walk(at(1), every_minute(1000.0, 20, seen(FAIL, command=RampCommand.PAUSE)))
    assert {v.action for v in failing} == {RampAction.HOLD}


@pytest.mark.parametrize("state", [start("p-1"), at(0), replace(at(1), phase=RampPhase.PAUSED), at(2)])
def test_a_rollback_is_at_once_from_everywhere(state: RampState) -> None:
    verdict = look_at(state, seen(command=RampCommand.ROLLBACK))
    assert (verdict.action, verdict.reason) == (RampAction.ROLLBACK, "RolledBackByCommand")
    assert (verdict.state.phase, verdict.state.step) == (RampPhase.ROLLED_BACK, -1)


def test_what_was_rolled_back_stays_so_and_keeps_telling_why() -> None:
    left = look_at(at(1, failing_since=600.0), seen(FAIL))
    for command in (RampCommand.NONE, RampCommand.PAUSE, RampCommand.ROLLBACK):
        later = look_at(left.state, seen(command=command), 90_000.0)
        assert (later.action, later.reason, later.message) == (RampAction.HOLD, left.reason, left.message)
        assert replace(later.state, resumable=False) == replace(left.state, seen_at=90_000.0)


def test_promoting_what_was_rolled_back_begins_anew_without_traffic() -> None:
    left = look_at(at(1), seen(command=RampCommand.ROLLBACK)).state
    quiet = look_at(left, seen()).state
    again = look_at(quiet, seen(command=RampCommand.PROMOTE))
    assert (again.action, again.reason) == (RampAction.HOLD, "Resumed")
    assert again.state == replace(start("p-1"), seen_at=1000.0)


def test_a_promotion_that_still_stands_is_no_new_word() -> None:
    """Somebody promoted the first step, it failed and went back: the same annotation must not bring it back."""
    left = look_at(at(0, failing_since=600.0), seen(FAIL)).state
    stale = every_minute(1060.0, 30, seen(command=RampCommand.PROMOTE))
    hidden = every_minute(2860.0, 3, seen(command=RampCommand.ROLLBACK))
    bared = every_minute(3040.0, 3, seen(command=RampCommand.PROMOTE))
    verdicts = walk(left, [*stale, *hidden, *bared])
    assert {(v.action, v.state.phase) for v in verdicts} == {(RampAction.HOLD, RampPhase.ROLLED_BACK)}
    removed = look_at(verdicts[-1].state, seen(), 3220.0).state
    assert look_at(removed, seen(command=RampCommand.PROMOTE), 3280.0).reason == "Resumed"


def test_a_ramp_that_has_fewer_steps_now_stands_on_its_last() -> None:
    short = replace(RAMP, steps_percent=(100.0,))
    assert percent_of(short, at(2)) == 100.0
    assert look_at(at(2, passing_since=0.0), seen(PASS, ()), ramp=short).state.step == 0


def test_the_next_look_is_due_when_a_time_runs_out() -> None:
    progressing = look_at(at(0), seen()).state
    assert due_at(RAMP, progressing) == 1000.0 + HOLD
    assert due_at(RAMP, look_at(at(0), seen(FAIL)).state) == 1300.0
    assert due_at(replace(RAMP, rollback_after_seconds=None), look_at(at(0), seen(FAIL)).state) is None
    manual = replace(RAMP, auto_promote=False)
    assert due_at(manual, look_at(at(0, passing_since=300.0), seen(), ramp=manual).state) is None
    assert due_at(RAMP, look_at(at(0), seen(command=RampCommand.PAUSE)).state) is None
    assert due_at(RAMP, look_at(at(0), seen(command=RampCommand.ROLLBACK)).state) is None


@pytest.mark.parametrize("command", [RampCommand.NONE, RampCommand.PROMOTE])
def test_a_plan_that_does_not_serve_its_share_yet_goes_no_further(command: RampCommand) -> None:
    waiting = replace(seen(command=command), serving=False)
    verdict = look_at(at(0, passing_since=100.0), waiting)
    assert (verdict.action, verdict.reason, verdict.state.step) == (RampAction.HOLD, "NotServing", 0)
    assert verdict.state.passing_since is None
    assert "step 1 of 3 (10 %)" in verdict.message
    assert look_at(verdict.state, seen(), now=1010.0).state.passing_since == 1010.0


def test_a_plan_that_does_not_serve_goes_back_all_the_same() -> None:
    failing = replace(seen(FAIL), serving=False)
    assert look_at(at(0, failing_since=100.0), failing).action is RampAction.ROLLBACK
    asked = replace(seen(command=RampCommand.ROLLBACK), serving=False)
    assert look_at(at(0), asked).action is RampAction.ROLLBACK
