"""The reaper: whether a model idles, and what follows for its replicas.

`decide` is a pure function of what is known, of the rules, of what people want, of the memory in the status and of
`now`; a killed operator goes on from what is stored.

A reap has two phases. When every signal has been idle for the whole window, it is announced; at its time it is asked
again, with fresh data that reach back to the announcement, and anything active, missing or wished calls it off. The
action REAP holds for this very look. That a model is reaped is remembered only after its replicas were seen at the
target, so that whatever happens in between is looked at again. docs/idle.md tells it in full.
"""

from dataclasses import dataclass, replace
from math import ceil, isfinite

from placewright.core.figures import span
from placewright.core.idle_signals import Question, forbidden, judge, last_active, queue_now, unusable
from placewright.core.model import (
    Activity,
    IdleAction,
    IdleMemory,
    IdlePolicy,
    IdleRules,
    IdleSignal,
    IdleState,
    IdleVerdict,
    IdleWishes,
    SignalOutcome,
    SignalResult,
)

NO_TRAFFIC = "NoTraffic"
TRAFFIC_SEEN = "TrafficSeen"
SIGNAL_MISSING = "SignalMissing"
WARMING = "Warming"
REAPED = "Reaped"
EXCLUDED = "Excluded"

_SAME_RATE = 1e-4  # a smaller relative change of dollars per hour is rounding


def decide(
    activity: Activity,
    rules: IdleRules,
    wishes: IdleWishes,
    memory: IdleMemory,
    now: float,
    *,
    cost_per_hour: float,
    floor_cost_per_hour: float,
    can_act: bool,
) -> IdleVerdict:
    """Return what one look at a model says and does.

    Args:
        activity: what is known; while the model is reaped to nothing only its replicas and the queue count.
        rules: when it idles, and what then.
        wishes: of people and calendars.
        memory: what the look before left.
        now: Unix time.
        cost_per_hour: USD per hour of the whole plan.
        floor_cost_per_hour: USD per hour of the replicas that stay when it is reaped.
        can_act: whether replicas may be changed at all. The policy works as Report otherwise, and a model that is
            reaped stays so.
    """
    look = _Look(
        activity=activity,
        rules=rules,
        wishes=wishes,
        memory=memory,
        now=now,
        saves_per_hour=_rate(cost_per_hour, floor_cost_per_hour),
        can_act=can_act,
    )
    if memory.state is IdleState.REAPED or look.went_down:
        return _while_reaped(look)
    if memory.state is IdleState.WAKING and not look.all_ready:
        return _while_waking(look)
    return _while_running(_awake(look))


def saved_now(memory: IdleMemory, now: float) -> float:
    """Return the USD that all reaps together saved until now. Time that runs backwards counts nothing."""
    if memory.saved_at is None:
        return memory.saved_usd
    return memory.saved_usd + memory.saves_per_hour * max(0.0, now - memory.saved_at) / 3600.0


# ------------------------------------------------------------------------------------------------------- one look


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    activity: Activity
    rules: IdleRules
    wishes: IdleWishes
    memory: IdleMemory
    now: float
    saves_per_hour: float
    can_act: bool

    @property
    def target(self) -> int | None:
        """Replicas of a reaped model; None: the policy reaps nothing."""
        if not self.rules.reaps:
            return None
        return self.rules.floor if self.rules.policy is IdlePolicy.SCALE_TO_FLOOR else 0

    @property
    def went_down(self) -> bool:
        """Whether the reap that was due shows: its replicas are seen at the target."""
        memory, replicas = self.memory, self.activity.replicas
        if memory.state is not IdleState.IDLE or self.target is None or not self.can_act or replicas is None:
            return False
        due = memory.reap_at is not None and (memory.replicas_before is not None or memory.reap_at <= self.now)
        return due and replicas <= self.target

    @property
    def all_ready(self) -> bool:
        """Whether all replicas that are wanted are Ready."""
        activity = self.activity
        if activity.replicas is None or activity.serving is None:
            return False
        wanted = activity.plan_replicas
        if wanted is None:
            wanted = 1 if self.memory.replicas_before is None else self.memory.replicas_before
        return min(activity.replicas, activity.serving) >= wanted

    @property
    def new_wake(self) -> bool:
        """Whether the annotation that wakes says a word that was not obeyed yet."""
        return bool(self.wishes.wake) and self.wishes.wake != self.memory.woken_by

    @property
    def asked_since_reaped(self) -> bool:
        """Whether the replicas of the floor were seen at work since the others went."""
        since = self.memory.since
        if not self.target or self.memory.state is not IdleState.REAPED or since is None:
            return False
        if unusable(self.activity, self.rules, self.now):
            return False
        newest = last_active(self.activity, self.rules)
        return newest is not None and newest > since

    @property
    def announced_at(self) -> float | None:
        """When the reap was announced that counts still; None: none was, or nobody knows what happened since."""
        reap_at = self.memory.reap_at
        if self.memory.state is not IdleState.IDLE or reap_at is None or not isfinite(reap_at):
            return None
        at = reap_at - self.rules.announce_seconds
        # In the future, but for the second that it was rounded up: the clock went back, or announcements got shorter.
        return at if -1.0 <= self.now - at <= self.rules.window_seconds else None


def _rate(cost_per_hour: float, floor_cost_per_hour: float) -> float:
    rate = cost_per_hour - floor_cost_per_hour
    return rate if isfinite(rate) and rate > 0.0 else 0.0


def _settled(memory: IdleMemory, now: float, saves_per_hour: float) -> IdleMemory:
    """The memory with what was saved until now, and the rate from now on.

    A clock that went back must not lead to hours that count twice, so the time of settlement never goes back.
    """
    whole = float(ceil(now))  # what a status keeps: a second late rather than one that counts twice
    at = whole if memory.saved_at is None else max(memory.saved_at, whole)
    return replace(memory, saved_usd=saved_now(memory, now), saves_per_hour=saves_per_hour, saved_at=at)


def _entered(memory: IdleMemory, state: IdleState, now: float) -> IdleMemory:
    same = memory.state is state and memory.since is not None
    return memory if same else replace(memory, state=state, since=now)


# ----------------------------------------------------------------------------------------------- reaped and waking


def _while_reaped(look: _Look) -> IdleVerdict:
    memory = look.memory
    if memory.state is not IdleState.REAPED:
        before = memory.replicas_before
        memory = _settled(
            replace(
                _entered(memory, IdleState.REAPED, look.now),
                reap_at=None,
                replicas_before=look.activity.plan_replicas if before is None else before,
            ),
            look.now,
            look.saves_per_hour,
        )
    woken = _wake_reason(look)
    if woken is not None:
        return _wake(look, memory, woken)
    if abs(look.saves_per_hour - memory.saves_per_hour) > _SAME_RATE * memory.saves_per_hour:
        memory = _settled(memory, look.now, look.saves_per_hour)
    target = look.activity.replicas if look.target is None else look.target
    message = "reaped: nothing was asked of it"
    if not look.can_act:
        message += "; it is not woken, as its workload may not be changed"
    return IdleVerdict(action=IdleAction.KEEP, target=target, memory=memory, reason=REAPED, message=message)


@dataclass(frozen=True, slots=True)
class _Woken:
    """Why a reaped model is woken, in a few words, and the signal that says so; None: its policy alone."""

    why: str
    signal: IdleSignal | None = None


def _wake_reason(look: _Look) -> _Woken | None:
    """Why a reaped model is woken; None: it is not."""
    activity, rules = look.activity, look.rules
    if activity.replicas is not None and activity.replicas > (look.target or 0):
        return _Woken("somebody scaled its workload", IdleSignal.REPLICAS)
    if not look.can_act:
        return None
    if not rules.reaps:
        return _Woken(f"its policy is {rules.policy}")
    if activity.replicas_owner:
        return _Woken(f"{activity.replicas_owner} owns its number of replicas", IdleSignal.REPLICAS)
    return _asked_for(look)


def _asked_for(look: _Look) -> _Woken | None:
    """Who wants a reaped model; None: nobody does."""
    if look.new_wake:
        return _Woken("an annotation says so", IdleSignal.WISHES)
    if (queue_now(look.activity, look.rules, look.now) or 0.0) > 0.0:
        return _Woken("requests wait in front of it", IdleSignal.QUEUE)
    if look.asked_since_reaped:
        return _Woken("requests come to the replicas that stay", IdleSignal.RUNNING)
    wish = forbidden(look.wishes, look.now)
    return _Woken(wish, IdleSignal.WISHES) if wish else None


def _wake(look: _Look, memory: IdleMemory, woken: _Woken) -> IdleVerdict:
    memory = replace(
        _settled(_entered(memory, IdleState.WAKING, look.now), look.now, 0.0),
        woken_by=look.wishes.wake or memory.woken_by,
        wake_began=look.now,
        time_to_ready_seconds=None,
    )
    heard = (
        None
        if woken.signal is None
        else SignalOutcome(signal=woken.signal, result=SignalResult.ACTIVE, message=woken.why)
    )
    return IdleVerdict(
        action=IdleAction.WAKE,
        target=None,
        memory=memory,
        reason=WARMING,
        message=f"woken: {woken.why}",
        signals=() if heard is None else (heard,),
    )


def _while_waking(look: _Look) -> IdleVerdict:
    memory = replace(look.memory, woken_by=look.wishes.wake or look.memory.woken_by)
    message = "woken; not all of its replicas are Ready yet"
    return IdleVerdict(action=IdleAction.KEEP, target=None, memory=memory, reason=WARMING, message=message)


def _awake(look: _Look) -> _Look:
    """The look at a model that runs: a wake that is over is measured, one that comes now is obeyed."""
    memory, now = look.memory, look.now
    if memory.state is IdleState.WAKING:
        took = None if memory.wake_began is None or memory.wake_began > now else now - memory.wake_began
        memory = replace(memory, time_to_ready_seconds=took, replicas_before=None)
    if look.new_wake:
        # It runs, so nothing has to start.
        memory = replace(memory, woken_by=look.wishes.wake, wake_began=now, time_to_ready_seconds=0.0, reap_at=None)
    if memory.wake_began is not None and memory.wake_began > now:
        memory = replace(memory, wake_began=now)  # the clock went back: it must not be kept awake until then
    if memory.saves_per_hour:
        memory = _settled(memory, now, 0.0)
    return replace(look, memory=memory)


# ---------------------------------------------------------------------------------------------------------- running


def _while_running(look: _Look) -> IdleVerdict:
    rules, memory, now = look.rules, look.memory, look.now
    if rules.policy is IdlePolicy.OFF:
        return _keep(look, IdleState.UNKNOWN, EXCLUDED, "its policy is Off", ())
    announced_at = look.announced_at
    since_then = 0.0 if announced_at is None else now - announced_at
    signals = judge(
        Question(
            activity=look.activity,
            rules=rules,
            wishes=look.wishes,
            now=now,
            span_seconds=max(rules.after_seconds, since_then),
            kept_awake=memory.wake_began is not None and now - memory.wake_began < rules.after_seconds,
        )
    )
    look = replace(look, memory=_noticed(look))
    found = _obstacle(look, signals)
    if found is not None:
        return _keep(look, *found, signals)
    why_not = _not_reaped(look, signals)
    if why_not:
        return _keep(look, IdleState.IDLE, NO_TRAFFIC, f"{_idle_for(rules)}; not reaped: {why_not}", signals)
    return _reaping(look, signals, announced=announced_at is not None)


def _obstacle(look: _Look, signals: tuple[SignalOutcome, ...]) -> tuple[IdleState, str, str] | None:
    """State, reason and message of a model that does not idle, or must not be said to; None: it idles."""
    active, missing = (_first(signals, each) for each in (SignalResult.ACTIVE, SignalResult.MISSING))
    if active is not None:
        return IdleState.ACTIVE, TRAFFIC_SEEN, active.message
    held = _held(signals)
    if IdleSignal.AGE in held:
        return IdleState.WARMING, WARMING, held[IdleSignal.AGE]
    if missing is not None:
        return IdleState.UNKNOWN, SIGNAL_MISSING, missing.message
    if _seen_lately(look):
        within = span(look.rules.after_seconds)
        told = f"it was active within the last {within}, and its history does not tell so any more"
        return IdleState.ACTIVE, TRAFFIC_SEEN, told
    if IdleSignal.WISHES in held:
        return IdleState.IDLE, EXCLUDED, f"{_idle_for(look.rules)}; not reaped: {held[IdleSignal.WISHES]}"
    return None


def _not_reaped(look: _Look, signals: tuple[SignalOutcome, ...]) -> str:
    """Why a model that idles is not reaped; empty: it is."""
    held = _held(signals)
    if held:
        return next(iter(held.values()))
    if look.target is None:
        return f"its policy is {look.rules.policy}"
    if not look.can_act:
        return "its workload may not be changed"
    return f"it has no more than {look.target} replicas" if (look.activity.replicas or 0) <= look.target else ""


def _reaping(look: _Look, signals: tuple[SignalOutcome, ...], *, announced: bool) -> IdleVerdict:
    """The two phases: it is announced, and done when its time has come."""
    rules, now, reap_at = look.rules, look.now, look.memory.reap_at
    # Whole seconds, which is what a status keeps: an announcement must not get shorter by being stored.
    due = reap_at if reap_at is not None and announced else float(ceil(now + rules.announce_seconds))
    memory = replace(_entered(look.memory, IdleState.IDLE, now), reap_at=due)
    if announced and now >= due:
        memory = replace(memory, replicas_before=_before(look.activity, look.memory))
        action, target = IdleAction.REAP, look.target
        message = f"{_idle_for(rules)}, announced, and still idle: scaled down to {look.target} replicas"
    else:
        memory = replace(memory, replicas_before=None)
        action, target = IdleAction.KEEP, None
        message = f"{_idle_for(rules)}; scaled down to {look.target} replicas {span(rules.announce_seconds)} after this"
        message += " was announced, unless anything is asked of it"
    return IdleVerdict(action=action, target=target, memory=memory, reason=NO_TRAFFIC, message=message, signals=signals)


def _idle_for(rules: IdleRules) -> str:
    return f"idle for {span(rules.after_seconds)}"


def _held(signals: tuple[SignalOutcome, ...]) -> dict[IdleSignal, str]:
    return {each.signal: each.message for each in signals if each.result is SignalResult.HOLDS}


def _keep(look: _Look, state: IdleState, reason: str, message: str, signals: tuple[SignalOutcome, ...]) -> IdleVerdict:
    """Nothing is reaped, and nothing is announced any more."""
    memory = replace(_entered(look.memory, state, look.now), reap_at=None, replicas_before=None)
    return IdleVerdict(
        action=IdleAction.KEEP, target=None, memory=memory, reason=reason, message=message, signals=signals
    )


def _noticed(look: _Look) -> IdleMemory:
    """The memory with the newest activity that shows; none of it lies in the future."""
    memory = look.memory
    newest = last_active(look.activity, look.rules)
    known = [at for at in (memory.last_active, newest) if at is not None and isfinite(at)]
    return replace(memory, last_active=min(max(known), look.now) if known else None)


def _seen_lately(look: _Look) -> bool:
    """Whether activity is remembered that lies in the window, by the clock of the metrics server."""
    seen, as_of = look.memory.last_active, look.activity.as_of
    return seen is not None and as_of is not None and seen > as_of - look.rules.after_seconds


def _before(activity: Activity, memory: IdleMemory) -> int | None:
    """Replicas before the reap: a look that finds some of them gone already must not take those for all."""
    known = [count for count in (memory.replicas_before, activity.replicas) if count is not None]
    return max(known, default=None)


def _first(signals: tuple[SignalOutcome, ...], result: SignalResult) -> SignalOutcome | None:
    return next((each for each in signals if each.result is result), None)
