"""An exact reference for instances of real size: any layers, links and limits.

The cost of a layout depends only on how many stages of each kind it has. So every such multiset is enumerated, and for
each the least bottleneck over all orders of its stages and all splits of the layers is found by putting one stage after
another in front: best[multiset][pool of the first stage][layers]. Time grows with the multisets, choose(kinds + stages,
stages), not with the layers or the links. It shares nothing with the solver, which goes from bottlenecks to costs.
"""

from collections.abc import Iterator, Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from placewright.core.model import Billing, Request
from placewright.core.performance.base import Setting
from tests.support.frontier import Point, pareto
from tests.support.oracle import fewest_nodes, latency_is_known

Floats = NDArray[np.float64]
Counts = tuple[int, ...]
Labels = list[list[tuple[float, float]]]
"""By layers held: (bottleneck, time to first token) pairs of which none beats another in both."""


def frontier(request: Request, settings: Sequence[Setting]) -> list[Point]:
    """The whole Pareto set of cost and rate over all Settings."""
    found: list[Point] = []
    for setting in settings:
        if latency_is_known(request, setting):
            found = pareto([*found, *_points(request, setting)])
    return found


def _points(request: Request, setting: Setting) -> Iterator[Point]:
    costs = _Costs(request, setting)
    limited = setting.max_first_token_seconds < inf
    levels = _labelled(setting, costs) if limited else _bottlenecks(setting, costs)
    for number, level in enumerate(levels, start=1):
        if setting.stages and number != setting.stages:
            continue
        for counts, bottleneck in level:
            if bottleneck <= setting.max_step_seconds and bottleneck < inf:
                yield costs.of(counts), setting.tokens_per_step / bottleneck


class _Costs:
    """Cost of a multiset of stages; inf when the stock cannot hold it or the Setting forbids the mix."""

    def __init__(self, request: Request, setting: Setting) -> None:
        self._request = request
        self._setting = setting
        self._known: dict[tuple[int, tuple[int, ...]], float] = {}

    def of(self, counts: Counts) -> float:
        setting = self._setting
        used = [kind for kind, count in enumerate(counts) if count]
        if setting.uniform_kind and len(used) > 1:
            return inf
        if setting.uniform_tensor_parallel and len({int(setting.kind_tensor_parallel[kind]) for kind in used}) > 1:
            return inf
        total = 0.0
        for index in sorted({int(setting.kind_pool[kind]) for kind in used}):
            groups = sorted(
                (
                    int(setting.kind_tensor_parallel[kind])
                    for kind in used
                    if setting.kind_pool[kind] == index
                    for _ in range(counts[kind])
                ),
                reverse=True,
            )
            key = (index, tuple(groups))
            if key not in self._known:
                self._known[key] = self._pool_cost(index, groups)
            total += self._known[key]
        return total

    def _pool_cost(self, index: int, groups: list[int]) -> float:
        pool = self._request.pools[index]
        if sum(groups) > pool.gpus:
            return inf
        if pool.nodes == 1:
            nodes: int | None = 1
        elif all(pool.gpus_per_node % group == 0 and group & (group - 1) == 0 for group in groups):
            nodes = -(-sum(groups) // pool.gpus_per_node)  # powers of two, largest first, fill nodes without a gap
        else:
            nodes = fewest_nodes(groups, pool)
        if nodes is None:
            return inf
        gpus = nodes * pool.gpus_per_node if pool.billing is Billing.PER_NODE else sum(groups)
        return gpus * (pool.price_per_gpu_hour or 0.0)


def _most_stages(setting: Setting) -> int:
    layers = int(setting.step_seconds.shape[1]) - 1
    return min(setting.stages or setting.max_stages, layers)


def _added(counts: Counts, kind: int) -> Counts:
    return (*counts[:kind], counts[kind] + 1, *counts[kind + 1 :])


def _bottlenecks(setting: Setting, costs: _Costs) -> Iterator[list[tuple[Counts, float]]]:
    """By number of stages: every multiset with its least bottleneck, when nothing limits the first token."""
    kinds, columns = setting.step_seconds.shape
    pool_of = [int(pool) for pool in setting.kind_pool]
    # rest[l - n] for every l (row) and n (column); where n > l the extra last column stands for "impossible"
    rows, held = np.meshgrid(np.arange(columns), np.arange(columns), indexing="ij")
    rest = np.where(rows >= held, rows - held, columns)
    level: dict[tuple[Counts, int], Floats] = {}
    for kind in range(kinds):
        counts = _added((0,) * kinds, kind)
        if costs.of(counts) < inf:
            level[counts, pool_of[kind]] = setting.step_seconds[kind]
    for number in range(1, _most_stages(setting) + 1):
        yield _least(level)
        if number == _most_stages(setting):
            return
        following: dict[tuple[Counts, int], Floats] = {}
        for (counts, first), best in level.items():
            padded = np.append(best, inf)[rest]
            for kind in range(kinds):
                hop = setting.hop_seconds[pool_of[kind], first]
                more = _added(counts, kind)
                if hop == inf or costs.of(more) == inf:
                    continue
                step = setting.step_seconds[kind]
                step = step + hop if setting.hop_in_step else np.maximum(step, hop)
                joined: Floats = np.maximum(padded, step).min(axis=1)
                key = (more, pool_of[kind])
                following[key] = np.minimum(following[key], joined) if key in following else joined
        level = {key: best for key, best in following.items() if np.isfinite(best).any()}


def _least(level: dict[tuple[Counts, int], Floats]) -> list[tuple[Counts, float]]:
    least: dict[Counts, float] = {}
    for (counts, _), best in level.items():
        least[counts] = min(least.get(counts, inf), float(best[-1]))
    return list(least.items())


def _labelled(setting: Setting, costs: _Costs) -> Iterator[list[tuple[Counts, float]]]:
    """As `_bottlenecks`, keeping for each bottleneck the least time to first token beside it."""
    kinds, columns = setting.step_seconds.shape
    pool_of = [int(pool) for pool in setting.kind_pool]
    level: dict[tuple[Counts, int], Labels] = {}
    for kind in range(kinds):
        counts = _added((0,) * kinds, kind)
        if costs.of(counts) < inf:
            level[counts, pool_of[kind]] = [_alone(setting, kind, layers) for layers in range(columns)]
    for number in range(1, _most_stages(setting) + 1):
        yield _least_labelled(level)
        if number == _most_stages(setting):
            return
        following: dict[tuple[Counts, int], Labels] = {}
        for (counts, first), best in level.items():
            for kind in range(kinds):
                more = _added(counts, kind)
                if setting.hop_seconds[pool_of[kind], first] == inf or costs.of(more) == inf:
                    continue
                joined = following.setdefault((more, pool_of[kind]), [[] for _ in range(columns)])
                _put_in_front(setting, kind, first, best, joined)
        level = {
            key: [_undominated(labels) for labels in best] for key, best in following.items() if any(map(len, best))
        }


def _alone(setting: Setting, kind: int, layers: int) -> list[tuple[float, float]]:
    label = (float(setting.step_seconds[kind, layers]), float(setting.first_token_seconds[kind, layers]))
    allowed = label[0] <= setting.max_step_seconds and label[1] <= setting.max_first_token_seconds
    return [label] if allowed and label[0] < inf else []


def _put_in_front(setting: Setting, kind: int, first: int, best: Labels, joined: Labels) -> None:
    pool = int(setting.kind_pool[kind])
    hop = float(setting.hop_seconds[pool, first])
    wait = float(setting.first_token_hop_seconds[pool, first])
    for held in range(1, len(best)):
        for step, own in _alone(setting, kind, held):
            own_step = step + hop if setting.hop_in_step else max(step, hop)
            if own_step > setting.max_step_seconds:
                continue
            for layers in range(held + 1, len(best)):
                joined[layers].extend(
                    (max(bottleneck, own_step), own + wait + first_token)
                    for bottleneck, first_token in best[layers - held]
                    if own + wait + first_token <= setting.max_first_token_seconds
                )


def _undominated(labels: list[tuple[float, float]]) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for label in sorted(labels):
        if not kept or label[1] < kept[-1][1]:
            kept.append(label)
    return kept


def _least_labelled(level: dict[tuple[Counts, int], Labels]) -> list[tuple[Counts, float]]:
    least: dict[Counts, float] = {}
    for (counts, _), best in level.items():
        for bottleneck, _first_token in best[-1]:
            least[counts] = min(least.get(counts, inf), bottleneck)
    return list(least.items())
