"""Acting without a cluster: what deciding 1,000 requests takes by itself, the idling of each and its rollout."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from placewright.catalog import gpu
from placewright.core import idle, rollout
from placewright.core.model import (
    Activity,
    Goal,
    IdleMemory,
    IdlePolicy,
    IdleRules,
    IdleVerdict,
    IdleWishes,
    Pool,
    RolloutMemory,
    RolloutRules,
    RolloutStep,
    Running,
    ServerHistory,
    Slot,
    Unit,
)
from placewright.core.stock import Budget, Stock

_RUNS = 5
_POOLS = 20
_NODES, _GPUS = 60, 8
_NOW = 1_800_000_000.0
_RULES = IdleRules(policy=IdlePolicy.SCALE_TO_ZERO)


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One request: every fifth moves to another layout, half of the others idle."""

    goal: Goal
    running: tuple[Running, ...]
    activity: Activity


def run(requests: int) -> None:
    """Prints the table."""
    cases = [_case(number) for number in range(requests)]
    pools = [
        Pool(name=f"pool-{number}", gpu=gpu("L40S"), nodes=_NODES, gpus_per_node=_GPUS, price_per_gpu_hour=1.2)
        for number in range(_POOLS)
    ]

    def idling() -> list[IdleVerdict]:
        return [
            idle.decide(
                case.activity,
                _RULES,
                IdleWishes(),
                IdleMemory(),
                _NOW,
                cost_per_hour=4.8,
                floor_cost_per_hour=0.0,
                can_act=True,
            )
            for case in cases
        ]

    def rolling() -> list[RolloutStep]:
        stock, budget = Stock(pools), Budget(None)
        for number, case in enumerate(cases):
            for each in case.running:
                stock.hold((number, each.name), each.pools, each.replicas)
        return [
            rollout.decide(
                case.goal,
                case.running,
                stock,
                RolloutRules(),
                RolloutMemory(plan_id=case.goal.plan_id, since=_NOW - 60.0),
                _NOW,
                budget=budget,
                owner=number,
            )
            for number, case in enumerate(cases)
        ]

    verdicts, steps = idling(), rolling()
    states = {str(each.memory.state) for each in verdicts}
    moving = sum(bool(step.actions) for step in steps)
    print(f"\nActing, the core alone: {requests} requests on {_POOLS} pools; CPU, best of {_RUNS}")
    told = f"two servers, 30 minutes of history: {', '.join(sorted(states))}"
    print(f"  whether each idles      {_best(idling):8.3f} s   ({told})")
    print(f"  one step of each        {_best(rolling):8.3f} s   (with the stock of all; {moving} move)")


def _case(number: int) -> _Case:
    pool = {f"pool-{number % _POOLS}": ((2, 1),)}
    new = Unit(name=f"r{number}-new", replicas=2, weight=1.0, pools=pool)
    old = new if number % 5 else Unit(name=f"r{number}-old", replicas=2, weight=1.0, pools=pool)
    running = Running(
        name=old.name, replicas=2, ready=2, up_since=_NOW - 7200.0, weight=1.0, pools=pool, replicas_before=None
    )
    works = number % 2 == 0
    servers = tuple(_history(f"{old.name}-{replica}", works=works) for replica in range(2))
    activity = Activity(
        as_of=_NOW,
        servers=servers,
        replicas=2,
        plan_replicas=2,
        serving=2,
        pods=tuple(each.server for each in servers),
        youngest_at=_NOW - 7200.0,
    )
    return _Case(goal=Goal(plan_id=f"p-{number}", units=(new,), routed=True), running=(running,), activity=activity)


def _history(server: str, *, works: bool) -> ServerHistory:
    step = _RULES.step_seconds
    count = int(_RULES.window_seconds / step) + 2
    slots = (
        Slot(at=_NOW - index * step, finished=works, running=float(works), waiting=0.0, up=True)
        for index in reversed(range(count))
    )
    return ServerHistory(server=server, slots=tuple(slots))


def _best(work: Callable[[], object]) -> float:
    found = []
    for _ in range(_RUNS):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)
