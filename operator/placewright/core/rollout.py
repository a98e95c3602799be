"""One step from what runs to what is wanted: new up and Ready before old down.

`decide` is a pure function of the goal, of what runs, of the stock and of `now`. It is asked again and again; each
time it returns the writes that may be made now, and what it does next shows only once they have shown. Nothing of it
is needed to know what runs, so a killed operator goes on from what it finds. docs/acting.md tells it in full.

1. What is wanted and not asked for is begun, as far as there is room and budget.
2. Traffic goes to what is Ready: as much to the new plan as it has capacity, and never more than its ramp allows.
3. Old replicas give way to as many as are Ready instead, once their traffic is gone; where there is no room for both,
   the strategy says what gives way before.
4. What is not wanted, has nothing and gets nothing, is removed.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil

from placewright.core.model import (
    Goal,
    Remove,
    RolloutAction,
    RolloutMemory,
    RolloutPhase,
    RolloutRules,
    RolloutStep,
    Running,
    Scale,
    Strategy,
    Unit,
    Weigh,
)
from placewright.core.rollout_look import Look
from placewright.core.stock import Budget, Stock

_SAME_SHARE = 5e-4  # routes share by whole numbers of 10,000
_MOST_DOUBLINGS = 6


class RolloutReason(StrEnum):
    """Why a step did what it did: reason of the condition Applied, of Events, of audit records."""

    ROLLED_OUT = "RolledOut"
    PROGRESSING = "Progressing"
    NOT_READY = "ReplicasNotReady"  # all was rolled out once, and something broke since
    INSUFFICIENT_STOCK = "InsufficientStock"
    LIMIT_REACHED = "LimitReached"
    ROLLOUT_FAILED = "RolloutFailed"


def gpus_of(pools: Mapping[str, Iterable[tuple[int, int]]]) -> int:
    """GPUs of one replica."""
    return sum(gpus * pods for groups in pools.values() for gpus, pods in groups)


def lowered(units: Iterable[Unit], replicas: int) -> tuple[Unit, ...]:
    """The units with so many replicas in all, those with the most traffic first; never more than they have."""
    left, found = replicas, {}
    listed = tuple(units)
    for unit in sorted(listed, key=lambda each: (-each.weight, each.name)):
        found[unit.name] = min(unit.replicas, left)
        left -= found[unit.name]
    return tuple(replace(unit, replicas=found[unit.name]) for unit in listed)


def decide(
    goal: Goal,
    running: Iterable[Running],
    stock: Stock,
    rules: RolloutRules,
    memory: RolloutMemory,
    now: float,
    *,
    budget: Budget,
    owner: Hashable = None,
) -> RolloutStep:
    """Decide what one look at a rollout does.

    Args:
        goal: what is to run.
        running: all that runs of the request, wanted or not.
        stock: what all pools hold and what is asked for, this request's units among it; what is begun is entered.
        rules: how the move goes.
        memory: what the look before left.
        now: seconds of the clock of all times here.
        budget: of the fleet in this cycle; what is begun or ended is taken of it.
        owner: tells the request's units from those of others in the stock.
    """
    look = Look(goal=goal, running={each.name: each for each in running}, now=now, owner=owner)
    memory = _begun(look, memory)
    broken = [] if memory.done_at is not None else _late(look, rules, memory)
    if broken:
        memory = replace(
            memory, failures=memory.failures + 1, failed_at=now, trouble=_trouble(broken, rules.deadline_seconds)
        )
    if memory.failed_at is not None and now < _again_at(rules, memory):
        return _failed(look, stock, rules, memory)
    return _onward(look, stock, rules, memory, budget)


# ------------------------------------------------------------------------------------------------- what is seen


def _begun(look: Look, memory: RolloutMemory) -> RolloutMemory:
    """The memory of this plan; it begins anew with another plan, and where a unit is missing that had been there."""
    if memory.plan_id != look.goal.plan_id:
        return RolloutMemory(plan_id=look.goal.plan_id, since=look.now)
    if memory.failed_at is not None and memory.failed_at > look.now:
        memory = replace(memory, failed_at=look.now)  # a clock that went back: it must not wait until then
    missing = any(unit.replicas > 0 and unit.name not in look.running for unit in look.goal.units)
    if memory.done_at is not None and missing:
        return RolloutMemory(plan_id=look.goal.plan_id, since=look.now)
    return memory


def _late(look: Look, rules: RolloutRules, memory: RolloutMemory) -> list[Running]:
    """Units whose replicas did not get Ready in time since they were raised, or since the last try."""
    found = []
    for unit in look.goal.units:
        each = look.running.get(unit.name)
        if each is None or each.up_since is None or each.ready >= each.replicas:
            continue
        since = each.up_since
        if since > look.now:  # by a clock that went back: it counts from when the rollout began
            since = look.now if memory.since is None else min(memory.since, look.now)
        tried = memory.failed_at is None or each.up_since > memory.failed_at
        if tried and look.now - since >= rules.deadline_seconds:
            found.append(each)
    return found


def _again_at(rules: RolloutRules, memory: RolloutMemory) -> float:
    assert memory.failed_at is not None, "only a failed rollout is tried again"
    return memory.failed_at + rules.retry_seconds * 2.0 ** min(memory.failures - 1, _MOST_DOUBLINGS)


def _trouble(broken: list[Running], seconds: float) -> str:
    told = [
        f"{each.name}: {each.ready} of {each.replicas} replicas Ready within {seconds:g} s"
        + (f" ({each.trouble})" if each.trouble else "")
        for each in broken
    ]
    return "; ".join(told)


# ------------------------------------------------------------------------------------------------- failed


def _failed(look: Look, stock: Stock, rules: RolloutRules, memory: RolloutMemory) -> RolloutStep:
    """New replicas that are not Ready go back to nothing; what ran before gets back what it gave up."""
    new = {unit.name for unit in look.goal.units} - {unit.name for unit in look.goal.before}
    actions: list[RolloutAction] = []
    gpus = 0
    for name in sorted(new & look.running.keys()):
        each = look.running[name]
        if each.replicas > look.ready(name):
            actions.append(Scale(name=name, replicas=look.ready(name)))
            gpus += (each.replicas - look.ready(name)) * gpus_of(each.pools)
    for each in look.extra:
        lost = (each.replicas_before or each.replicas) - each.replicas
        back = stock.room(look.key(each.name), each.pools, lost) if lost > 0 and each.pools else 0
        if back:
            stock.hold(look.key(each.name), each.pools, each.replicas + back)
            actions.append(Scale(name=each.name, replicas=each.replicas + back))
            gpus += back * gpus_of(each.pools)
    shares = _shares(look)
    if shares is not None:
        actions.append(Weigh(shares=shares))
    seconds = rules.retry_seconds * 2.0 ** min(memory.failures - 1, _MOST_DOUBLINGS)
    left = "what ran before goes on" if look.extra or look.goal.before else "nothing ran before"
    message = f"{memory.trouble}; {left}; it is tried again {seconds:g} s after it failed ({memory.failures} so far)"
    return RolloutStep(
        phase=RolloutPhase.FAILED,
        reason=RolloutReason.ROLLOUT_FAILED,
        message=message,
        actions=tuple(actions),
        memory=memory,
        gpus=gpus,
    )


# ------------------------------------------------------------------------------------------------- onward


@dataclass(slots=True)
class _Plan:
    """What a look has found to do."""

    actions: list[RolloutAction]
    gpus: int = 0
    limited: bool = False  # something waits for its turn
    short: str = ""  # what there is no room for


def _onward(look: Look, stock: Stock, rules: RolloutRules, memory: RolloutMemory, budget: Budget) -> RolloutStep:
    found = _Plan(actions=[])
    _raise(look, stock, budget, found)
    targets = _targets(look, stock, rules, found)
    shares = _shares(look, leaving={name for name, count in targets.items() if count == 0})
    if shares is not None:
        found.actions.append(Weigh(shares=shares))
    else:  # what still gets traffic gives way only when that is gone
        _lower(look, targets, budget, found)
    if not found.actions and not found.limited and look.complete and not _unfinished(look):
        memory = replace(memory, failures=0, failed_at=None, trouble="", done_at=memory.done_at or look.now)
        return _step(RolloutPhase.ROLLED_OUT, RolloutReason.ROLLED_OUT, _told(look), found, memory)
    if found.actions:
        return _step(RolloutPhase.PROGRESSING, RolloutReason.PROGRESSING, _told(look), found, memory)
    if found.short:
        return _step(RolloutPhase.WAITING, RolloutReason.INSUFFICIENT_STOCK, found.short, found, memory)
    if found.limited:
        told = "it waits for its turn: as many GPUs as a cycle may move are moving"
        return _step(RolloutPhase.WAITING, RolloutReason.LIMIT_REACHED, told, found, memory)
    broken = memory.done_at is not None and not look.complete
    reason = RolloutReason.NOT_READY if broken else RolloutReason.PROGRESSING
    return _step(RolloutPhase.PROGRESSING, reason, _told(look), found, memory)


def _step(phase: RolloutPhase, reason: RolloutReason, message: str, found: _Plan, memory: RolloutMemory) -> RolloutStep:
    return RolloutStep(
        phase=phase,
        reason=reason,
        message=message,
        actions=tuple(found.actions),
        memory=memory,
        gpus=found.gpus,
    )


def _unfinished(look: Look) -> bool:
    wanted = look.wanted
    return bool(look.extra) or any(look.replicas(name) != replicas for name, replicas in wanted.items())


def _told(look: Look) -> str:
    wanted = look.wanted
    parts = [f"{name} {look.ready(name)} of {replicas} Ready" for name, replicas in sorted(wanted.items())]
    parts += [f"{each.name} gives way, {each.replicas} left" for each in look.extra]
    troubles = [each.trouble for name in sorted(wanted) if (each := look.running.get(name)) and each.trouble]
    return "; ".join([*parts, *troubles]) or "nothing is to run"


def _raise(look: Look, stock: Stock, budget: Budget, found: _Plan) -> None:
    """Begins replicas that are wanted and not asked for, and brings templates up to date."""
    units = {unit.name: unit for unit in (*look.goal.before, *look.goal.units)}
    for name, replicas in look.wanted.items():
        unit, present = units[name], look.running.get(name)
        missing = replicas - look.replicas(name)
        if missing <= 0:
            if present is None or present.stale:  # a unit that is to have none exists all the same: a wake is one write
                found.actions.append(Scale(name=name, replicas=max(replicas, look.replicas(name))))
            continue
        room = stock.room(look.key(name), unit.pools, missing)
        more = budget.most(gpus_of(unit.pools), room)
        if room < missing:
            stock.wait(look.owner, unit.pools)
            found.short = found.short or (
                f"there is no room for {missing - room} more of {missing} replicas of {name} on "
                f"{', '.join(sorted(unit.pools))}"
            )
        found.limited = found.limited or more < room
        if more:
            gpus = more * gpus_of(unit.pools)
            budget.take(gpus)
            found.gpus += gpus
            stock.hold(look.key(name), unit.pools, look.replicas(name) + more)
            found.actions.append(Scale(name=name, replicas=look.replicas(name) + more))
        elif present is not None and present.stale:
            found.actions.append(Scale(name=name, replicas=present.replicas))


def _targets(look: Look, stock: Stock, rules: RolloutRules, found: _Plan) -> dict[str, int]:
    """Replicas that units are to keep: less what Ready ones replace, or what the strategy gives up for want of room."""
    wanted = look.wanted
    if look.complete:
        targets = {each.name: 0 for each in look.extra}
        return targets | {name: count for name, count in wanted.items() if look.replicas(name) > count}
    targets = _covered(look)
    waits = any(look.ready(name) < look.replicas(name) for name in wanted)
    if found.short and not waits and not found.actions and not targets:
        targets = _given_up(look, stock, rules)
        if look.extra and not targets:
            found.short += f"; nothing gives way for it (strategy {rules.strategy})"
    return targets


def _lower(look: Look, targets: Mapping[str, int], budget: Budget, found: _Plan) -> None:
    """Takes away what units are not to keep."""
    wanted = look.wanted
    if look.complete:
        found.actions += [Remove(name=each.name) for each in look.extra if each.replicas == 0]
    for name, count in sorted(targets.items()):
        each = look.running[name]
        fewer = budget.most(gpus_of(each.pools), each.replicas - count)
        found.limited = found.limited or fewer < each.replicas - count
        if fewer > 0:
            gpus = fewer * gpus_of(each.pools)
            budget.take(gpus)
            found.gpus += gpus
            whole = fewer == each.replicas and name not in wanted and look.complete
            found.actions.append(Remove(name=name) if whole else Scale(name=name, replicas=each.replicas - fewer))


def _covered(look: Look) -> dict[str, int]:
    """Replicas that old units keep, as far as Ready new ones have their part of the capacity already."""
    done = look.capacity(look.goal.units)
    found = {}
    for each in look.extra:
        full = max(each.replicas_before or 0, each.replicas)
        kept = ceil((1.0 - done) * full - 1e-9)
        if kept < each.replicas:
            found[each.name] = kept
    return found


def _given_up(look: Look, stock: Stock, rules: RolloutRules) -> dict[str, int]:
    """Fewest old replicas whose GPUs let one more new replica begin; none where the strategy forbids it."""
    if rules.strategy is Strategy.HOLD:
        return {}
    serving = sum(look.ready(name) for name in look.running)
    least = 0 if rules.strategy is Strategy.RECREATE else 1
    units = [unit for unit in look.goal.units if unit.replicas > look.replicas(unit.name)]
    lowered: dict[str, int] = {}

    def helps(name: str, count: int) -> bool:
        given = {**lowered, name: count}
        books = {look.key(other): (look.running[other].pools, left) for other, left in given.items()}
        return any(stock.room(look.key(unit.name), unit.pools, 1, lowered=books) for unit in units)

    for each in sorted(look.extra, key=lambda old: (old.weight or 0.0, old.name)):
        ready = look.ready(each.name)
        fewest = max(0, ready - max(0, serving - least))  # replicas that are not Ready go first
        if helps(each.name, fewest):
            most = each.replicas  # which does not help, or there would be room already
            while most - fewest > 1:
                middle = (most + fewest) // 2
                fewest, most = (middle, most) if helps(each.name, middle) else (fewest, middle)
            return {**lowered, each.name: fewest} if fewest < each.replicas else lowered
        if fewest > 0:
            break
        lowered[each.name] = fewest
        serving -= ready
    return _given_to_others(look, stock.awaited(look.owner), least)


def _given_to_others(look: Look, awaited: Collection[str], least: int) -> dict[str, int]:
    """One old replica on a pool for which another request waits; none where too few would serve.

    Without it two requests that take each other's place would wait for each other.
    """
    serving = sum(look.ready(name) for name in look.running)
    for each in sorted(look.extra, key=lambda old: (old.weight or 0.0, old.name)):
        loses = each.ready >= each.replicas
        if each.replicas and each.pools.keys() & awaited and not (loses and serving - 1 < least):
            return {each.name: each.replicas - 1}
    return {}


# ------------------------------------------------------------------------------------------------- traffic


def _shares(look: Look, leaving: Collection[str] = ()) -> dict[str, float] | None:
    """The shares of the traffic where they are to change; None: no route, nobody is Ready, or they are right.

    Args:
        look: what runs.
        leaving: old units whose last replica gives way now, which get nothing any more.
    """
    goal = look.goal
    if not goal.routed:
        return None
    new = _split({unit.name: unit.weight * _part(look, unit) for unit in goal.units})
    if goal.before:
        old = _split({unit.name: unit.weight * _part(look, unit) for unit in goal.before})
        part = goal.percent / 100.0
    else:
        old = _split({each.name: float(look.ready(each.name)) for each in look.extra if each.name not in leaving})
        part = look.capacity(goal.units)
    if not new and not old:
        return None
    part = 1.0 if not old else 0.0 if not new else part
    shares = {name: share * part for name, share in new.items() if share * part > 0.0}
    for name, share in old.items():
        if share * (1.0 - part) > 0.0:
            shares[name] = shares.get(name, 0.0) + share * (1.0 - part)
    present = {name: each.weight or 0.0 for name, each in look.running.items()}
    same = all(
        abs(shares.get(name, 0.0) - present.get(name, 0.0)) <= _SAME_SHARE for name in shares.keys() | present.keys()
    )
    return None if same else shares


def _part(look: Look, unit: Unit) -> float:
    return min(1.0, look.ready(unit.name) / unit.replicas) if unit.replicas else 0.0


def _split(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()} if total > 0.0 else {}
