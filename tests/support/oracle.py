"""Brute force: every sequence of (kind, layers) of a Setting is tried. Slow, and plain enough to be believed.

For at most about 8 layers, 3 pools and 4 stages. Nothing here knows the solver or a performance model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from math import inf

from placewright.core.model import Billing, Pool, Request
from placewright.core.performance.base import Setting
from tests.support.frontier import Point, pareto

Stages = tuple[tuple[int, int], ...]
"""(kind, layers) of every stage, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A layout that keeps all rules, and its figures."""

    setting: Setting
    stages: Stages
    cost_per_hour: float
    tokens_per_second: float
    ttft_seconds: float
    tpot_seconds: float

    @property
    def point(self) -> Point:
        return self.cost_per_hour, self.tokens_per_second


def candidates(request: Request, settings: Sequence[Setting]) -> Iterator[Candidate]:
    """Every feasible layout of every Setting."""
    for setting in settings:
        if not latency_is_known(request, setting):
            continue
        for stages in sequences(setting):
            found = judge(request, setting, stages)
            if found is not None:
                yield found


def frontier(request: Request, settings: Sequence[Setting]) -> list[Point]:
    """The whole Pareto set of cost and rate."""
    return pareto(candidate.point for candidate in candidates(request, settings))


def latency_is_known(request: Request, setting: Setting) -> bool:
    """A target on a latency that the Setting does not know cannot be met."""
    ttft_target = request.slo.ttft_seconds is not None or setting.max_first_token_seconds < inf
    tpot_target = request.slo.tpot_seconds is not None or setting.max_step_seconds < inf
    return (setting.has_ttft or not ttft_target) and (setting.has_tpot or not tpot_target)


def sequences(setting: Setting) -> Iterator[Stages]:
    """Every way to cut the layers into stages and to give each a kind, as the Setting allows."""
    kinds, columns = setting.step_seconds.shape
    layers = columns - 1
    numbers = (setting.stages,) if setting.stages else range(1, setting.max_stages + 1)
    for number in numbers:
        for chosen in product(range(kinds), repeat=number):
            if setting.uniform_kind and len(set(chosen)) > 1:
                continue
            if setting.uniform_tensor_parallel and len({int(setting.kind_tensor_parallel[k]) for k in chosen}) > 1:
                continue
            for cuts in combinations(range(1, layers), number - 1):
                bounds = (0, *cuts, layers)
                held = (high - low for low, high in pairwise(bounds))
                yield tuple(zip(chosen, held, strict=True))


def judge(request: Request, setting: Setting, stages: Stages) -> Candidate | None:
    """The figures of one sequence, or None when a rule forbids it."""
    bottleneck = first_token = 0.0
    for place, (kind, layers) in enumerate(stages):
        step = float(setting.step_seconds[kind, layers])
        first_token += float(setting.first_token_seconds[kind, layers])
        if place + 1 < len(stages):
            here, there = setting.kind_pool[kind], setting.kind_pool[stages[place + 1][0]]
            hop = float(setting.hop_seconds[here, there])
            first_token += float(setting.first_token_hop_seconds[here, there])
            step = step + hop if setting.hop_in_step else max(step, hop)
        bottleneck = max(bottleneck, step)
    if not bottleneck < inf or bottleneck > setting.max_step_seconds or first_token > setting.max_first_token_seconds:
        return None
    cost = 0.0
    for index, pool in enumerate(request.pools):
        groups = [int(setting.kind_tensor_parallel[kind]) for kind, _ in stages if setting.kind_pool[kind] == index]
        nodes = fewest_nodes(groups, pool)
        if nodes is None:
            return None
        gpus = nodes * pool.gpus_per_node if pool.billing is Billing.PER_NODE else sum(groups)
        cost += gpus * (pool.price_per_gpu_hour or 0.0)
    return Candidate(
        setting=setting,
        stages=stages,
        cost_per_hour=cost,
        tokens_per_second=setting.tokens_per_step / bottleneck,
        ttft_seconds=first_token,
        tpot_seconds=setting.tpot_steps * bottleneck,
    )


def fewest_nodes(groups: list[int], pool: Pool) -> int | None:
    """Least nodes that hold all groups, trying every node for every group; None when the pool cannot."""
    best: int | None = None

    def place(index: int, free: tuple[int, ...]) -> None:
        nonlocal best
        used = len(free)
        if best is not None and used >= best:
            return
        if index == len(groups):
            best = used
            return
        for node in range(used):
            if free[node] >= groups[index]:
                place(index + 1, (*free[:node], free[node] - groups[index], *free[node + 1 :]))
        if used < pool.nodes and groups[index] <= pool.gpus_per_node:
            place(index + 1, (*free, pool.gpus_per_node - groups[index]))

    place(0, ())
    return best
