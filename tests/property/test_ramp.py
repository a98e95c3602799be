"""Random histories of a ramp: gates, gaps, restarts, clocks that jump, and people who say things."""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

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
from placewright.core.ramp import due_at, look, percent_of, start

GAP = 100.0


@dataclass(frozen=True)
class Look:
    """One look: how the clock has moved, whether the operator began anew before it, and what there was to see."""

    moved: float
    restarted: bool
    seen: RampObservation


@dataclass(frozen=True)
class Step:
    """One look with what was before and what came of it."""

    before: RampState
    now: float
    look: Look
    verdict: RampVerdict


def outcome(result: GateResult) -> GateOutcome:
    actual = None if result is GateResult.UNKNOWN else 1.0
    return GateOutcome(name="CostPerHour", limit=1.0, actual=actual, headroom_percent=None, result=result)


results = st.sampled_from((*(GateResult.PASS,) * 5, GateResult.FAIL, GateResult.UNKNOWN))
outcomes = st.lists(results.map(outcome), max_size=3).map(tuple)
commands = st.sampled_from((*(RampCommand.NONE,) * 12, RampCommand.PROMOTE, RampCommand.PAUSE, RampCommand.ROLLBACK))
# Whole and half seconds, so that times add up exactly; most looks are on time.
moves = st.one_of(*(st.sampled_from((30.0, 50.0, 100.0)),) * 4, st.sampled_from((0.0, 0.5, 100.5, 1e6, -0.5, -1e6)))
looks = st.builds(
    Look,
    moved=moves,
    restarted=st.integers(0, 15).map(lambda n: n == 0),
    seen=st.builds(RampObservation, present_gates=outcomes, next_gates=outcomes, command=commands),
)
ramps = st.builds(
    lambda steps, hold, auto, back: Ramp(
        steps_percent=(*steps, 100.0),
        max_cost_to_revenue_ratio=(None,) * (len(steps) + 1),
        max_cost_per_million_tokens=(None,) * (len(steps) + 1),
        hold_seconds=hold,
        auto_promote=auto,
        rollback_after_seconds=back,
    ),
    st.sampled_from(((), (10.0,), (5.0, 50.0), (1.0, 10.0, 25.0))),
    st.sampled_from((0.0, 60.0, 150.0)),
    st.booleans(),
    st.sampled_from((None, 0.0, 60.0, 150.0)),
)
histories = st.lists(looks, min_size=1, max_size=60)


def stored(state: RampState) -> RampState:
    """What a status keeps of it."""
    return replace(state, seen_at=None, resumable=False)


def played(ramp: Ramp, history: list[Look]) -> list[Step]:
    state, now, steps = start("p-1"), 1_000_000.0, []
    for each in history:
        now += each.moved
        before = stored(state) if each.restarted else state
        verdict = look(ramp, before, each.seen, now, max_gap_seconds=GAP)
        steps.append(Step(before=before, now=now, look=each, verdict=verdict))
        state = verdict.state
    return steps


def relevant(ramp: Ramp, step: Step) -> tuple[GateOutcome, ...]:
    """Gates that count for going on: those of the step that it stands on, and of the next."""
    at = step.before.step
    present = step.look.seen.present_gates if at >= 0 else ()
    following = step.look.seen.next_gates if at < len(ramp.steps_percent) - 1 else ()
    return (*present, *following)


@given(ramps, histories)
def test_never_two_steps_at_once_and_up_only_by_advancing(ramp: Ramp, history: list[Look]) -> None:
    for step in played(ramp, history):
        before, after = step.before, step.verdict.state
        match step.verdict.action:
            case RampAction.ADVANCE:
                assert after.step == before.step + 1
                assert percent_of(ramp, after) > percent_of(ramp, before)
            case RampAction.HOLD:
                assert after.step == before.step
                assert percent_of(ramp, after) == percent_of(ramp, before)
            case RampAction.ROLLBACK:
                assert (after.step, after.phase, percent_of(ramp, after)) == (-1, RampPhase.ROLLED_BACK, 0.0)


@given(ramps, histories)
def test_never_forward_on_an_unknown_or_a_failing_gate(ramp: Ramp, history: list[Look]) -> None:
    for step in played(ramp, history):
        forward = step.verdict.action is RampAction.ADVANCE or (
            step.verdict.state.phase is RampPhase.COMPLETED and step.before.phase is not RampPhase.COMPLETED
        )
        if forward:
            assert {gate.result for gate in relevant(ramp, step)} <= {GateResult.PASS}
            assert step.look.seen.command in {RampCommand.NONE, RampCommand.PROMOTE}


@given(ramps, histories)
def test_never_forward_before_the_gates_have_passed_for_the_whole_time_unless_promoted(
    ramp: Ramp, history: list[Look]
) -> None:
    steps = played(ramp, history)
    for index, step in enumerate(steps):
        if step.verdict.action is not RampAction.ADVANCE or step.look.seen.command is RampCommand.PROMOTE:
            continue
        assert ramp.auto_promote
        # Go back over the looks at this same step as far as they are evidence: seen without a gap, everything passing.
        first = index
        while (
            first > 0
            and not steps[first].look.restarted
            and 0.0 <= steps[first].look.moved <= GAP
            and steps[first - 1].before.step == step.before.step
            and steps[first - 1].verdict.action is RampAction.HOLD
            and all(gate.result is GateResult.PASS for gate in relevant(ramp, steps[first - 1]))
        ):
            first -= 1
        assert step.now - steps[first].now >= ramp.hold_seconds


@given(ramps, histories)
def test_it_goes_back_only_by_word_or_after_failing_for_the_whole_time(ramp: Ramp, history: list[Look]) -> None:
    steps = played(ramp, history)
    for index, step in enumerate(steps):
        if step.verdict.action is not RampAction.ROLLBACK or step.look.seen.command is RampCommand.ROLLBACK:
            continue
        assert ramp.rollback_after_seconds is not None
        assert step.look.seen.command is not RampCommand.PAUSE
        assert any(gate.result is GateResult.FAIL for gate in step.look.seen.present_gates)
        failing = [GateResult.FAIL in {g.result for g in each.look.seen.present_gates} for each in steps[: index + 1]]
        since = index
        while since > 0 and failing[since - 1] and steps[since - 1].before.step == step.before.step:
            since -= 1
        assert step.now - min(each.now for each in steps[since : index + 1]) >= ramp.rollback_after_seconds


@given(ramps, histories)
def test_what_is_over_stays_over(ramp: Ramp, history: list[Look]) -> None:
    for step in played(ramp, history):
        before, after, command = step.before.phase, step.verdict.state.phase, step.look.seen.command
        if before is RampPhase.COMPLETED:
            assert after is RampPhase.COMPLETED
        if before is RampPhase.ROLLED_BACK and command is not RampCommand.PROMOTE:
            assert after is RampPhase.ROLLED_BACK


@given(ramps, histories)
def test_a_word_that_was_said_before_a_rollback_never_ends_it(ramp: Ramp, history: list[Look]) -> None:
    steps = played(ramp, history)
    for index, step in enumerate(steps):
        if step.verdict.reason != "Resumed":
            continue
        since = next(k for k in range(index - 1, -1, -1) if steps[k].verdict.action is RampAction.ROLLBACK)
        assert RampCommand.NONE in {each.look.seen.command for each in steps[since + 1 : index]}


@given(ramps, st.floats(0.5, GAP))
def test_a_steady_pass_ends_in_completed(ramp: Ramp, pace: float) -> None:
    automatic = replace(ramp, auto_promote=True)
    good = RampObservation(present_gates=(outcome(GateResult.PASS),), next_gates=(outcome(GateResult.PASS),))
    state, now, shares = start("p-1"), 0.0, [0.0]
    most = (len(ramp.steps_percent) + 1) * (ramp.hold_seconds / pace + 3)
    while state.phase is not RampPhase.COMPLETED:
        assert now <= most * pace
        state = look(automatic, state, good, now, max_gap_seconds=GAP).state
        shares.append(percent_of(automatic, state))
        now += pace
    assert shares == sorted(shares)
    assert set(shares) == {0.0, *ramp.steps_percent}


@given(ramps, histories)
def test_equal_inputs_give_equal_outputs_and_one_line(ramp: Ramp, history: list[Look]) -> None:
    once, again = played(ramp, history), played(ramp, history)
    assert once == again
    for step in once:
        assert step.verdict.message
        assert "\n" not in step.verdict.message
        assert step.verdict.reason.isalpha()


@given(ramps, histories)
def test_nothing_happens_before_it_is_due(ramp: Ramp, history: list[Look]) -> None:
    """With the same gates and no word, a look before the time that is told changes neither step nor phase."""
    for step in played(ramp, history):
        state = step.verdict.state
        if step.verdict.action is not RampAction.HOLD or step.look.seen.command is not RampCommand.NONE:
            continue
        due = due_at(ramp, state)
        early = step.now + (GAP / 2 if due is None else max(min(due - step.now, GAP) / 2, 0.0))
        if due is not None and early >= due:
            continue
        later = look(ramp, state, step.look.seen, early, max_gap_seconds=GAP)
        assert (later.action, later.state.step, later.state.phase) == (RampAction.HOLD, state.step, state.phase)


# ------------------------------------------------------------------------------------------------------- an oracle


def told_by_the_whole_past(ramp: Ramp, past: list[Step]) -> tuple[int, str]:
    """Step and phase after a history, worked out from the history alone.

    Written the other way round: it keeps no times, but counts seconds of evidence look by look.
    """
    at, over, passed, failed, silence = -1, "", None, None, False
    last = len(ramp.steps_percent) - 1
    for step in past:
        present = {g.result for g in step.look.seen.present_gates} if at >= 0 else set()
        every = present | ({g.result for g in step.look.seen.next_gates} if at < last else set())
        command, moved = step.look.seen.command, step.look.moved
        continuous = not step.look.restarted and 0.0 <= moved <= GAP and step is not past[0]
        silence = silence and not step.look.restarted
        if over:
            if over == "RolledBack" and command is RampCommand.PROMOTE and silence:
                over, passed, failed = "", None, None
            silence = silence or command is RampCommand.NONE
            continue
        good, bad = every <= {GateResult.PASS}, GateResult.FAIL in present
        passed = (passed + moved if continuous and passed is not None else 0.0) if good else None
        failed = (failed + moved if continuous and failed is not None else 0.0) if bad else None
        patience = ramp.rollback_after_seconds
        if command is RampCommand.ROLLBACK:
            at, over, silence = -1, "RolledBack", False
        elif command is RampCommand.PAUSE:
            continue
        elif patience is not None and failed is not None and failed >= patience:
            at, over, silence = -1, "RolledBack", False
        elif passed is not None:
            ripe, word = passed >= ramp.hold_seconds, command is RampCommand.PROMOTE
            if at == last and (ripe or word):
                over = "Completed"
            elif at < last and (word or (ripe and ramp.auto_promote)):
                at, passed, failed = at + 1, None, None
    return at, over


@given(ramps, histories)
def test_an_oracle_that_counts_evidence_agrees(ramp: Ramp, history: list[Look]) -> None:
    steps = played(ramp, history)
    for index, step in enumerate(steps):
        at, over = told_by_the_whole_past(ramp, steps[: index + 1])
        state = step.verdict.state
        assert state.step == at
        assert (str(state.phase) if state.phase in {RampPhase.COMPLETED, RampPhase.ROLLED_BACK} else "") == over
