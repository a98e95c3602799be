"""Replicas whose stages are all of one kind, in closed form: what most runtimes start.

With one kind, S stages and non-decreasing step times, the bottleneck depends on two numbers only: the most layers n of
the stages that have a hop, and the layers of the last stage, which has none. All kinds and all n are tried at once.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from placewright.core.frontier import Frontier, make_point
from placewright.core.lattice import LatticeSource, nodes_needed, pool_cost_per_hour
from placewright.core.model import Request
from placewright.core.performance.base import FloatArray, Setting
from placewright.core.problem import make_problem
from placewright.core.sequence import Sequence


def is_closed(setting: Setting) -> bool:
    """Whether the closed form holds: one kind, a given stage count, one run of sizes, even slopes where TTFT counts."""
    if not setting.uniform_kind or not setting.stages:
        return False
    steps = setting.step_seconds[:, 1:]
    finite = np.isfinite(steps)
    if ((np.diff(finite.astype(np.int8), axis=1, prepend=0) == 1).sum(axis=1) > 1).any():
        return False
    both = finite[:, 1:] & finite[:, :-1]
    if (steps[:, 1:][both] < steps[:, :-1][both]).any():
        return False
    return setting.max_first_token_seconds == np.inf or _affine(setting.first_token_seconds[:, 1:], finite)


def _affine(rows: FloatArray, finite: np.ndarray) -> bool:
    """Whether each row rises by the same amount per layer over its allowed sizes."""
    second = rows[:, 2:] - 2 * rows[:, 1:-1] + rows[:, :-2]
    inside = finite[:, 2:] & finite[:, 1:-1] & finite[:, :-2]
    return bool((np.abs(second[inside]) <= 1e-9 * np.abs(rows[:, 1:-1][inside])).all())


def _bottlenecks(setting: Setting) -> tuple[FloatArray, FloatArray]:
    """Least bottleneck and time to first token of every kind, inf where the layers do not fit."""
    steps = setting.step_seconds
    layers, stages = steps.shape[1] - 1, setting.stages
    finite = np.isfinite(steps)
    finite[:, 0] = False
    least = np.where(finite.any(axis=1), finite.argmax(axis=1), layers + 1)
    most = np.where(finite.any(axis=1), layers - finite[:, ::-1].argmax(axis=1), 0)
    fits = (stages * least <= layers) & (stages * most >= layers)
    hop = setting.hop_seconds[setting.kind_pool, setting.kind_pool] if stages > 1 else np.zeros(len(steps))
    added = (hop if setting.hop_in_step else np.zeros(len(steps)))[:, None]
    n = np.arange(1, layers + 1)[None, :]
    last = np.maximum(layers - (stages - 1) * n, least[:, None])
    rows = np.arange(len(steps))[:, None]
    with_last = np.where(last <= most[:, None], steps[rows, np.minimum(last, layers)], np.inf)
    others = steps[:, 1:] + added if stages > 1 else np.zeros_like(with_last)
    best: FloatArray = np.maximum(others, with_last).min(axis=1)
    if not setting.hop_in_step:
        best = np.maximum(best, hop)
    tokens = setting.first_token_seconds
    index = np.arange(len(steps))
    low, high = np.minimum(least, layers), most
    slope = (tokens[index, high] - tokens[index, low]) / np.maximum(high - low, 1)
    token_hop = setting.first_token_hop_seconds[setting.kind_pool, setting.kind_pool] * (stages - 1)
    first = stages * tokens[index, low] + (layers - stages * low) * slope + token_hop
    return np.where(fits, best, np.inf), first


def add_uniform(request: Request, settings: Iterable[Setting], frontier: Frontier, source: LatticeSource) -> int:
    """Put every replica of one kind that no other beats on the frontier; returns how many were computed."""
    found: list[tuple[float, float, int, int]] = []
    kept: list[Setting] = []
    computed = 0
    for setting in settings:
        bottleneck, first = _bottlenecks(setting)
        limit = setting.max_first_token_seconds * (1 + 1e-12)
        able = np.flatnonzero((bottleneck <= setting.max_step_seconds) & (first <= limit) & (bottleneck < np.inf))
        computed += len(bottleneck)
        for kind in able.tolist():
            cost = _cost(request, setting, kind)
            if cost is not None:
                found.append((cost, -setting.tokens_per_step / bottleneck[kind], len(kept), kind))
        kept.append(setting)
    fastest = 0.0
    for cost, negative_rate, at, kind in sorted(found):
        del cost
        if -negative_rate <= fastest:
            continue  # dearer or equal, and not faster
        fastest = -negative_rate
        setting = kept[at]
        problem = make_problem(request.pools, setting, np.array([kind]), source)
        if problem is not None:
            frontier.add(make_point(request, problem, Sequence(stages=_even(problem.layers, setting.stages))))
    return computed


def _even(layers: int, stages: int) -> tuple[tuple[int, int], ...]:
    """Any split that adds up: make_point evens it out by time."""
    cuts = [layers * s // stages for s in range(stages + 1)]
    return tuple((0, b - a) for a, b in pairwise(cuts))


def _cost(request: Request, setting: Setting, kind: int) -> float | None:
    """USD per hour of the replica; None when the pool's nodes do not hold its groups."""
    pool = request.pools[int(setting.kind_pool[kind])]
    groups = ((int(setting.kind_tensor_parallel[kind]), setting.stages),)
    if groups[0][0] > pool.gpus_per_node or nodes_needed(groups, pool.gpus_per_node) > pool.nodes:
        return None
    return pool_cost_per_hour(pool, groups)
