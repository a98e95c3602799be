"""Whether a reap is allowed, said in the plainest way: second by second, by another head than the program's."""

from math import isfinite

from placewright.core.model import (
    Activity,
    IdleMemory,
    IdlePolicy,
    IdleRules,
    IdleState,
    IdleWishes,
    ServerHistory,
    Slot,
)

MINUTE = 60.0


def may_reap(
    activity: Activity, rules: IdleRules, wishes: IdleWishes, memory: IdleMemory, now: float, *, can_act: bool
) -> bool:
    """Whether this very look may take the replicas away."""
    targets = {IdlePolicy.SCALE_TO_ZERO: 0, IdlePolicy.SCALE_TO_FLOOR: rules.floor}
    if not can_act or rules.policy not in targets:
        return False
    announced = _announced(rules, memory, now)
    if announced is None or now < (memory.reap_at or 0.0):
        return False
    return (
        _whole(activity, rules, now)
        and _cluster_agrees(activity, rules, now, targets[rules.policy])
        and _nobody_minds(rules, wishes, memory, now)
        and _quiet(activity, rules, max(rules.after_seconds, now - announced))
        and not (memory.last_active or 0.0) > (activity.as_of or 0.0) - rules.after_seconds
    )


def _announced(rules: IdleRules, memory: IdleMemory, now: float) -> float | None:
    if memory.state is not IdleState.IDLE or memory.reap_at is None:
        return None
    announced = memory.reap_at - rules.announce_seconds
    if announced > now + 1.0:  # the clock went back
        return None
    return None if now - announced > max(rules.after_seconds, 2.0 * rules.announce_seconds) else announced


def _whole(activity: Activity, rules: IdleRules, now: float) -> bool:
    if activity.fault or activity.as_of is None or not isfinite(activity.as_of):
        return False
    return -MINUTE <= now - activity.as_of <= min(MINUTE, rules.after_seconds)


def _cluster_agrees(activity: Activity, rules: IdleRules, now: float, target: int) -> bool:
    replicas, serving, names = activity.replicas, activity.serving, {each.server for each in activity.servers}
    if replicas is None or serving is None or activity.replicas_owner or replicas <= target or serving < replicas:
        return False
    if activity.youngest_at is None or not now - activity.youngest_at >= rules.warmup_seconds:
        return False
    if activity.traffic_percent is not None and activity.traffic_percent != 0.0:
        return False
    if activity.pods is not None:
        return bool(names) and all(pod in names for pod in activity.pods)
    return len(names) == max(replicas, serving)


def _nobody_minds(rules: IdleRules, wishes: IdleWishes, memory: IdleMemory, now: float) -> bool:
    woken = wishes.wake not in ("", memory.woken_by)
    if wishes.do_not_reap or wishes.awake_until is not None or woken:
        return False
    if wishes.exclude_until is not None and wishes.exclude_until > now:
        return False
    return memory.wake_began is None or now - memory.wake_began >= rules.after_seconds


def _quiet(activity: Activity, rules: IdleRules, seconds: float) -> bool:
    """Second by second: some step of every server covers it, and no step that lies in the time tells of work."""
    as_of, step = activity.as_of or 0.0, rules.step_seconds
    if rules.watches_queue and not _empty(activity, rules, seconds):
        return False
    for server in activity.servers:
        told = [slot for slot in server.slots if slot.at > as_of - seconds]
        if not told or not all(_idle(slot, rules) for slot in told):
            return False
        if max(slot.at for slot in server.slots) > as_of + MINUTE:
            return False
        if not _covered(_ends(server), as_of, seconds, step):
            return False
    return True


def _ends(server: ServerHistory) -> list[float]:
    return [slot.at for slot in server.slots]


def _covered(ends: list[float], as_of: float, seconds: float, step: float) -> bool:
    last = as_of - step - min(MINUTE, step)  # the newest step may be on its way
    moment, newest = as_of - seconds + 1e-3, max(ends, default=0.0)
    while moment <= newest:
        if not any(end - step - 2e-3 * step <= moment <= end for end in ends):
            return False
        moment += step / 8.0
    return newest >= last


def _idle(slot: Slot, rules: IdleRules) -> bool:
    figures = [slot.running, slot.waiting]
    limit = rules.gpu_utilization_below_percent
    used = slot.gpu_utilization_percent
    gpu_idle = limit is None or (used is not None and (used == 0.0 or 0.0 <= used < limit))
    return slot.finished is False and slot.up is True and all(value == 0.0 for value in figures) and gpu_idle


def _empty(activity: Activity, rules: IdleRules, seconds: float) -> bool:
    as_of = activity.as_of or 0.0
    if activity.queue is None or not all(isfinite(at) and requests >= 0.0 for at, requests in activity.queue):
        return False
    told = [(at, requests) for at, requests in activity.queue if at > as_of - seconds]
    quiet = all(requests == 0.0 for _, requests in told)
    return quiet and _covered([at for at, _ in told], as_of, seconds, rules.step_seconds)
