"""What each signal says of a model's activity. Whatever is missing, stale, partial or from the future is never idle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

from placewright.core.figures import number, span
from placewright.core.model import (
    Activity,
    IdleRules,
    IdleSignal,
    IdleWishes,
    ServerHistory,
    SignalOutcome,
    SignalResult,
    Slot,
)

SKEW_SECONDS = 60.0
"""Clocks of two machines differ; more than this, and nobody knows what an answer is about."""

_PER_SLOT = (IdleSignal.FINISHED, IdleSignal.RUNNING, IdleSignal.WAITING, IdleSignal.GPU)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is judged.

    Attributes:
        activity: what is known.
        rules: when a model idles.
        wishes: of people and calendars.
        now: Unix time.
        span_seconds: every signal must be idle for so long.
        kept_awake: it was woken so lately that it may not idle yet.
    """

    activity: Activity
    rules: IdleRules
    wishes: IdleWishes
    now: float
    span_seconds: float
    kept_awake: bool


def judge(question: Question) -> tuple[SignalOutcome, ...]:
    """Return what every signal says that is asked."""
    return tuple(_judged(question))


def last_active(activity: Activity, rules: IdleRules) -> float | None:
    """Return the end of the newest step with activity, also before the window; None: there is none."""
    times = [
        slot.at
        for server in activity.servers
        for slot in server.slots
        if isfinite(slot.at) and any(_said(each, slot, rules) is SignalResult.ACTIVE for each in _PER_SLOT)
    ]
    newest = max(times, default=None)
    return newest if newest is None or activity.as_of is None else min(newest, activity.as_of)


def queue_now(activity: Activity, rules: IdleRules, now: float) -> float | None:
    """Return how many requests wait in front of the model; None: nobody watches, or nobody knows it now."""
    if not rules.watches_queue or activity.queue is None or unusable(activity, rules, now):
        return None
    assert activity.as_of is not None, "a usable answer has a time"
    at, requests = max(activity.queue, key=lambda point: point[0], default=(float("nan"), float("nan")))
    old = not isfinite(at) or abs(activity.as_of - at) > rules.step_seconds + _slack(rules)
    return None if old or not requests >= 0.0 else requests


def unusable(activity: Activity, rules: IdleRules, now: float) -> str:
    """Return why the answer of the metrics server as a whole tells nothing; empty: it does tell."""
    if activity.fault:
        return activity.fault
    if activity.as_of is None or not isfinite(activity.as_of):
        return "the metrics server did not answer"
    age = now - activity.as_of
    if not age <= min(SKEW_SECONDS, rules.after_seconds):
        return "the answer of the metrics server is old, or its clock is behind by more than a minute"
    if age < -SKEW_SECONDS:
        return "the clock of the metrics server is ahead by more than a minute"
    return ""


def _judged(question: Question) -> Iterator[SignalOutcome]:
    activity, rules = question.activity, question.rules
    fault = unusable(activity, rules, question.now)
    if not fault and not activity.servers:
        fault = "no server's metrics were found"
    for signal in _PER_SLOT:
        if signal is not IdleSignal.GPU or rules.gpu_utilization_below_percent is not None:
            yield _missing(signal, fault) if fault else _slots_of_all(question, signal)
    if rules.watches_queue:
        yield _missing(IdleSignal.QUEUE, fault) if fault else _queue(question)
    scrapes = fault or _unseen(question)
    yield _missing(IdleSignal.SCRAPES, scrapes) if scrapes else _idle(IdleSignal.SCRAPES, "every step was seen")
    if activity.traffic_percent is not None:
        yield _traffic(activity.traffic_percent)
    yield _replicas(activity)
    yield _age(question)
    yield _wishes(question)


# ------------------------------------------------------------------------------------------------ signals by steps

_TEXTS = {
    IdleSignal.FINISHED: ("requests were finished", "no request was finished", "finished requests"),
    IdleSignal.RUNNING: ("requests were in work", "no request was in work", "requests in work"),
    IdleSignal.WAITING: ("requests waited", "no request waited", "waiting requests"),
    IdleSignal.GPU: ("GPUs were used", "no GPU was used", "utilisation of GPUs"),
}


def _slots_of_all(question: Question, signal: IdleSignal) -> SignalOutcome:
    active, idle, subject = _TEXTS[signal]
    within = f"within the last {span(_asked(question))}"
    unknown: str | None = None
    for server in _by_name(question.activity.servers):
        for slot in _relevant(server, question):
            said = _said(signal, slot, question.rules)
            if said is SignalResult.ACTIVE:
                return SignalOutcome(signal=signal, result=said, message=f"{active} {within}")
            if said is SignalResult.MISSING:
                unknown = unknown or server.server
    if unknown is not None:
        return _missing(signal, f"{unknown} does not tell its {subject} for all of the last {span(_asked(question))}")
    return _idle(signal, f"{idle} {within}")


def _said(signal: IdleSignal, slot: Slot, rules: IdleRules) -> SignalResult:
    if signal is IdleSignal.FINISHED:
        found = {None: SignalResult.MISSING, True: SignalResult.ACTIVE, False: SignalResult.IDLE}
        return found[slot.finished]
    if signal is IdleSignal.GPU:
        limit = rules.gpu_utilization_below_percent
        return SignalResult.IDLE if limit is None else _figure(slot.gpu_utilization_percent, idle_below=limit)
    return _figure(slot.running if signal is IdleSignal.RUNNING else slot.waiting)


def _figure(value: float | None, idle_below: float = 0.0) -> SignalResult:
    """What a figure says that is idle at zero and below a limit."""
    if value is None or not value >= 0.0:  # NaN too
        return SignalResult.MISSING
    return SignalResult.IDLE if value == 0.0 or value < idle_below else SignalResult.ACTIVE


def _relevant(server: ServerHistory, question: Question) -> list[Slot]:
    """The slots that tell something of the time that counts, oldest first."""
    as_of = question.activity.as_of
    assert as_of is not None, "without a time there is a fault"
    begin = as_of - question.span_seconds
    return sorted((slot for slot in server.slots if slot.at > begin), key=lambda slot: slot.at)


def _unseen(question: Question) -> str:
    """What of the servers was not seen for the whole time; empty: nothing."""
    activity, rules = question.activity, question.rules
    assert activity.as_of is not None, "without a time there is a fault"
    for server in _by_name(activity.servers):
        slots = _relevant(server, question)
        if any(not isfinite(slot.at) for slot in server.slots):
            return f"{server.server} has samples without a time"
        fault = _gap([slot.at for slot in slots], question)
        if fault:
            return f"{server.server} {fault}"
        if any(slot.up is None for slot in slots):
            return f"whether {server.server} could be scraped is not known for all of the last {span(_asked(question))}"
        if not all(slot.up for slot in slots):
            return f"scrapes of {server.server} failed within the last {span(_asked(question))}"
    return _uncounted(activity) if rules.after_seconds > 0.0 else "the window is empty"


def _gap(times: Sequence[float], question: Question) -> str:
    as_of, step = question.activity.as_of or 0.0, question.rules.step_seconds
    slack = 1e-3 * step
    within = f"of the last {span(_asked(question))}"
    if not times or times[0] > as_of - question.span_seconds + step + slack:
        return f"was not seen at the begin {within}"
    if times[-1] > as_of + SKEW_SECONDS:
        return "has samples from the future"
    if times[-1] < as_of - step - _slack(question.rules):
        return f"was not seen at the end {within}"
    if any(later - earlier > step + slack for earlier, later in pairwise(times)):
        return f"was not seen for a part {within}"
    return ""


def _slack(rules: IdleRules) -> float:
    """How far the time of the answer and that of its newest step may be apart beyond a step."""
    return min(SKEW_SECONDS, rules.step_seconds)


def _uncounted(activity: Activity) -> str:
    """Why the servers that were seen are not all that there are; empty: they are."""
    seen = {server.server for server in activity.servers}
    if activity.pods is not None:
        lost = sorted(set(activity.pods) - seen)
        return f"{lost[0]} shows no metrics" if lost else ""
    wanted = max(activity.serving or 0, activity.replicas or 0)
    if len(seen) < wanted:
        return f"{len(seen)} servers show metrics, wants {wanted}"
    if wanted < len(seen):
        # Some may be another workload's, and one of ours may be missing among them.
        return f"{len(seen)} servers show metrics, wants {wanted}; nobody knows which are of others"
    return ""


def _queue(question: Question) -> SignalOutcome:
    activity, signal, tells = question.activity, IdleSignal.QUEUE, f"for all of the last {span(_asked(question))}"
    assert activity.as_of is not None, "without a time there is a fault"
    points = sorted(activity.queue or (), key=lambda point: point[0])
    counted = [(at, requests) for at, requests in points if at > activity.as_of - question.span_seconds]
    if any(requests > 0.0 for _, requests in counted):
        return SignalOutcome(signal=signal, result=SignalResult.ACTIVE, message="requests waited in front of the model")
    if activity.queue is None:
        return _missing(signal, "the queue in front of the model does not tell")
    if any(not isfinite(at) or not requests >= 0.0 for at, requests in points):
        return _missing(signal, "the queue in front of the model tells no number")
    if _gap([at for at, _ in counted], question):
        return _missing(signal, f"the queue in front of the model does not tell {tells}")
    return _idle(signal, "no request waited in front of the model")


# -------------------------------------------------------------------------------------------------- other signals


def _traffic(percent: float) -> SignalOutcome:
    if not percent >= 0.0:
        return _missing(IdleSignal.TRAFFIC, "its share of the traffic is no number")
    if percent > 0.0:
        told = f"its route sends it {number(percent, 3)} % of the traffic"
        return SignalOutcome(signal=IdleSignal.TRAFFIC, result=SignalResult.HOLDS, message=told)
    return _idle(IdleSignal.TRAFFIC, "its route sends it no traffic")


def _replicas(activity: Activity) -> SignalOutcome:
    signal = IdleSignal.REPLICAS
    if activity.replicas is None or activity.serving is None:
        return _missing(signal, "no workload of it is known")
    if activity.replicas_owner:
        told = f"{activity.replicas_owner} owns its number of replicas"
        return SignalOutcome(signal=signal, result=SignalResult.HOLDS, message=told)
    if activity.replicas == 0:
        return _missing(signal, "its workload has no replica")
    if activity.serving < activity.replicas:
        # A replica that is not Ready, as on a Node that is away, may work all the same.
        return _missing(signal, f"{activity.serving} of {activity.replicas} replicas are Ready")
    return _idle(signal, "nothing else owns its number of replicas")


def _age(question: Question) -> SignalOutcome:
    signal, started, grace = IdleSignal.AGE, question.activity.youngest_at, question.rules.warmup_seconds
    if started is None or not isfinite(started):
        return _missing(signal, "nobody knows when its youngest replica started")
    if question.now - started < grace:
        told = f"its youngest replica is not yet {span(grace)} old"
        return SignalOutcome(signal=signal, result=SignalResult.HOLDS, message=told)
    return _idle(signal, "no replica is young")


def forbidden(wishes: IdleWishes, now: float) -> str:
    """Return who wants that the model is not reaped; empty: nobody does."""
    if wishes.do_not_reap:
        return "an annotation forbids to reap it"
    if wishes.exclude_until is not None and not wishes.exclude_until <= now:
        return "it is excluded until a time that is not over"
    return "its calendar keeps it awake now" if wishes.awake_until is not None else ""


def _wishes(question: Question) -> SignalOutcome:
    told = forbidden(question.wishes, question.now)
    if not told and question.kept_awake:
        told = f"it was woken within the last {span(question.rules.after_seconds)}"
    if told:
        return SignalOutcome(signal=IdleSignal.WISHES, result=SignalResult.HOLDS, message=told)
    return _idle(IdleSignal.WISHES, "nobody wants it to be kept awake")


# -------------------------------------------------------------------------------------------------------- helpers


def _asked(question: Question) -> float:
    """The time in messages: the window, which does not change from one look to the next."""
    return question.rules.after_seconds


def _by_name(servers: Sequence[ServerHistory]) -> list[ServerHistory]:
    return sorted(servers, key=lambda server: server.server)


def _idle(signal: IdleSignal, message: str) -> SignalOutcome:
    return SignalOutcome(signal=signal, result=SignalResult.IDLE, message=message)


def _missing(signal: IdleSignal, message: str) -> SignalOutcome:
    return SignalOutcome(signal=signal, result=SignalResult.MISSING, message=message)
