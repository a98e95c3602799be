"""Long lives of a model: requests, lost data, clocks that jump, restarts, people, rights that come and go."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from placewright.core.idle import saved_now
from placewright.core.model import IdleAction, IdlePolicy, IdleState, IdleWishes
from tests.support.idle_life import PLAN, SCRAPE_SECONDS, Life

SLACK = 60.0  # two clocks may differ so much, and nobody notices
SPANS = st.sampled_from((15.0, 60.0, 60.0, 130.0, 300.0, 700.0))
JUMPS = st.sampled_from((-3600.0, -30.0, 30.0, 3600.0))


class IdleMachine(RuleBasedStateMachine):
    """The rules act on a life; the oracle beside it keeps its own book."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()
        self.announced: float | None = None  # true time of the look that announced the reap that stands
        self.jumped = 0.0  # seconds that clocks jumped forward since
        self.ever_jumped = False
        self.reaped_clock: list[tuple[float, float]] = []  # what the clock showed while the status said Reaped
        self.expected_usd = 0.0
        self.settlements = 0
        self.rate = 0.0
        self.words = 0

    # ------------------------------------------------------------------------------------------------- the world

    def pass_time(self, seconds: float) -> None:
        before = self.life.now
        self.life.advance(seconds)
        if self.life.is_reaped():
            self.reaped_clock.append((before, self.life.now))
            self.expected_usd += self.rate * seconds / 3600.0

    @rule(seconds=SPANS)
    def time_passes(self, seconds: float) -> None:
        self.pass_time(seconds)

    @rule(which=st.integers(0, 2), after=st.sampled_from((0.0, 20.0)))
    def somebody_asks(self, which: int, after: float) -> None:
        self.life.request(which)
        self.pass_time(after)

    @rule()
    def data_comes_or_goes(self) -> None:
        self.life.data = not self.life.data

    @rule(seconds=JUMPS, both=st.booleans())
    def a_clock_jumps(self, seconds: float, *, both: bool) -> None:
        before = self.life.now
        self.life.clock_ahead += seconds
        if both:
            self.life.prometheus_ahead += seconds
        if self.life.is_reaped() and seconds > 0.0:
            self.reaped_clock.append((before, self.life.now))
        self.jumped += max(0.0, seconds)
        self.ever_jumped = True

    @rule(replicas=st.integers(0, PLAN))
    def somebody_scales(self, replicas: int) -> None:
        self.life.scale(replicas)

    @rule(owner=st.sampled_from(("", "", "ScaledObject chat")))
    def something_owns_the_replicas(self, owner: str) -> None:
        self.life.owner = owner

    @rule(can_act=st.booleans())
    def rights_change(self, *, can_act: bool) -> None:
        self.life.can_act = can_act

    @rule(policy=st.sampled_from((*IdlePolicy, IdlePolicy.SCALE_TO_ZERO)))
    def the_policy_changes(self, policy: IdlePolicy) -> None:
        self.life.policy = policy

    @rule(usd=st.sampled_from((0.0, 6.0, 12.0, 24.0)))
    def prices_change(self, usd: float) -> None:
        self.life.cost_per_hour = usd

    @rule(again=st.booleans())
    def somebody_wakes_it(self, *, again: bool) -> None:
        self.words += 0 if again else 1
        self.life.wishes = IdleWishes(wake=f"word {self.words}")

    @rule(forbidden=st.booleans(), calendar=st.booleans())
    def wishes_change(self, *, forbidden: bool, calendar: bool) -> None:
        until = self.life.now + 60.0 if calendar else None
        self.life.wishes = IdleWishes(wake=self.life.wishes.wake, do_not_reap=forbidden, awake_until=until)

    # -------------------------------------------------------------------------------------------------- the looks

    @rule(carried_out=st.sampled_from((True, True, False)), stored=st.sampled_from((True, True, False)))
    def look(self, *, carried_out: bool = True, stored: bool = True) -> None:
        life, before = self.life, self.life.memory
        replicas, was_reaped = life.replicas, life.is_reaped()
        verdict = life.look(carried_out=carried_out, stored=stored)
        if verdict.action is IdleAction.REAP:
            self.may_be_reaped(replicas)
            assert verdict.target == life.floor
        if verdict.memory.state is IdleState.REAPED and not was_reaped:
            assert replicas <= life.floor, "remembered before it was seen"
        if life.can_act and was_reaped and verdict.memory.state is IdleState.REAPED:
            assert life.policy in (IdlePolicy.SCALE_TO_ZERO, IdlePolicy.SCALE_TO_FLOOR)
            assert not life.wishes.do_not_reap
            assert life.wishes.awake_until is None
            assert life.wishes.wake in ("", before.woken_by), "a word was not heard"
        assert verdict.memory.saved_usd >= before.saved_usd
        if stored:
            self.note(verdict.memory.reap_at, changed=verdict.memory.reap_at != before.reap_at)
            if verdict.memory.saved_at != before.saved_at:
                self.settlements += 1
            self.rate = life.cost_per_hour * (1.0 - life.floor / PLAN)

    def note(self, reap_at: float | None, *, changed: bool) -> None:
        if reap_at is None:
            self.announced = None
        elif self.announced is None or changed:
            self.announced, self.jumped = self.life.time, 0.0

    def may_be_reaped(self, replicas: int) -> None:
        """What must be true of the world when replicas are taken away."""
        life = self.life
        assert life.can_act
        assert not life.owner
        assert not life.wishes.do_not_reap
        assert life.wishes.awake_until is None
        assert life.data
        assert replicas > life.floor
        assert all(life.ready(pod) for pod in life.pods)
        assert self.announced is not None
        assert life.time - self.announced >= life.rules.announce_seconds - min(self.jumped, SLACK) - 1.0
        for at, pod in life.served:
            if at <= life.time - life.rules.after_seconds + SLACK + SCRAPE_SECONDS:
                continue
            # Only what no scrape could tell yet may be overlooked.
            assert pod.pending, "a request within the window"
            assert life.time - at <= 2.0 * life.rules.step_seconds, "unseen for longer than two steps"

    @precondition(lambda self: not self.life.is_reaped())
    @rule(asked=st.booleans())
    def all_is_well_for_long(self, *, asked: bool) -> None:
        """Nothing in the way any more: it is reaped in the end, whatever was before."""
        life = self.life
        life.data = life.can_act = True
        life.owner, life.policy = "", IdlePolicy.SCALE_TO_ZERO
        life.clock_ahead = life.prometheus_ahead
        life.wishes = IdleWishes(wake=life.wishes.wake)
        if asked:
            life.request(0)
        for _ in range(130):
            self.pass_time(60.0)
            self.look()
            if life.is_reaped():
                return
        raise AssertionError(f"never reaped: {life.look().message}")

    # ---------------------------------------------------------------------------------------------------- dollars

    @invariant()
    def dollars_are_counted_once(self) -> None:
        saved = saved_now(self.life.memory, self.life.now)
        assert saved >= 0.0
        assert saved <= 24.0 / 3600.0 * _measure(self.reaped_clock) + 1e-5 * (self.settlements + 1)
        if not self.ever_jumped:
            # Each settlement is up to a second late, and the status keeps some digits of a rate.
            error = 24.0 / 3600.0 * 1.001 * (self.settlements + 1) + 1e-3 * self.expected_usd
            assert abs(saved - self.expected_usd) <= error


def _measure(spans: list[tuple[float, float]]) -> float:
    """Seconds that are in any of the spans."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


IdleMachine.TestCase.settings = settings(max_examples=settings().max_examples, stateful_step_count=50, deadline=None)
TestIdleMachine = IdleMachine.TestCase
