"""One layout problem: a Setting with the lattices of its pools, ready for the solver.

A Setting whose stages must be of one kind, or of one TP degree, becomes one problem per kind or degree.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from placewright.core.lattice import Lattice, LatticeSource
from placewright.core.model import Pool, Request
from placewright.core.performance.base import FloatArray, IntArray, Setting


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Arrays of one problem. J kinds sorted by pool, Q pools that have a kind, L layers, K stages at most."""

    setting: Setting
    kinds: IntArray  # (J,) rows of the setting
    pools: tuple[int, ...]  # (Q,) indices into request.pools
    kind_pool: IntArray  # (J,) index into pools
    kind_degree: IntArray  # (J,) column of the pool's lattice
    kind_gpus: IntArray  # (J,)
    step_seconds: FloatArray  # (J, L+1)
    first_token_seconds: FloatArray  # (J, L+1)
    hop_seconds: FloatArray  # (Q, Q)
    first_token_hop_seconds: FloatArray  # (Q, Q)
    source: LatticeSource
    pool_price: FloatArray  # (Q,) USD per GPU-hour
    pool_gpus: IntArray  # (Q,)
    max_stages: int
    exact_stages: bool

    @cached_property
    def lattices(self) -> tuple[Lattice, ...]:
        """What each pool can give; raises OutOfTimeError."""
        degrees = (self.kind_gpus[self.kind_pool == pool] for pool in range(len(self.pools)))
        return tuple(
            self.source.lattice(index, tuple(own.tolist()), self.max_stages)
            for index, own in zip(self.pools, degrees, strict=True)
        )

    @property
    def layers(self) -> int:
        """Layers to cover."""
        return int(self.step_seconds.shape[1]) - 1

    @cached_property
    def hop_out_seconds(self) -> FloatArray:
        """(J,) least time of the hop after a stage of the kind; 0 when hops are a bottleneck of their own."""
        if not self.setting.hop_in_step:
            return np.zeros(len(self.kinds))
        least: FloatArray = self.hop_seconds.min(axis=1)[self.kind_pool]
        return least

    @cached_property
    def planes(self) -> int:
        """2 when the last stage, which has no hop, must be told apart."""
        return 2 if self.max_stages > 1 and bool((self.hop_out_seconds > 0).any()) else 1

    @cached_property
    def least_from(self) -> FloatArray:
        """(J, L+1) suffix minimum of step_seconds, column 0 of zeros: non-decreasing, for bounds."""
        table: FloatArray = np.minimum.accumulate(self.step_seconds[:, ::-1], axis=1)[:, ::-1].copy()
        table[:, 0] = 0.0
        return table

    @cached_property
    def thresholds(self) -> FloatArray:
        """All bottlenecks that can occur and meet the TPOT target, ascending."""
        steps = self.step_seconds[np.isfinite(self.step_seconds)]
        values = [steps]
        if self.max_stages > 1:
            hops = np.unique(self.hop_seconds[np.isfinite(self.hop_seconds)])
            if self.setting.hop_in_step:
                for pool in range(len(self.pools)):
                    rows = self.step_seconds[self.kind_pool == pool]
                    own = rows[np.isfinite(rows)]
                    values.extend(own + hop for hop in np.unique(self.hop_seconds[pool]) if 0 < hop < np.inf)
            else:
                values.append(hops)
        merged = np.unique(np.concatenate(values))
        limited: FloatArray = merged[(merged > 0.0) & (merged <= self.setting.max_step_seconds)]
        return limited

    @cached_property
    def regular(self) -> bool:
        """Whether every kind's allowed sizes are one run with non-decreasing times."""
        finite = np.isfinite(self.step_seconds[:, 1:])
        one_run = (np.diff(finite.astype(np.int8), axis=1, prepend=0) == 1).sum(axis=1) <= 1
        filled = np.where(finite, self.step_seconds[:, 1:], np.inf)
        both = finite[:, 1:] & finite[:, :-1]
        with np.errstate(invalid="ignore"):
            rising = np.where(both, filled[:, 1:] - filled[:, :-1], 0.0) >= 0.0
        return bool(one_run.all() and rising.all())

    @cached_property
    def hops_by_sender(self) -> bool:
        """Whether the time of a hop depends on the sending pool alone, so that order does not matter for steps."""
        return bool((self.hop_seconds == self.hop_seconds[:, :1]).all())

    @cached_property
    def hops_alike(self) -> bool:
        """Whether neither time of a hop depends on the pool it leads to."""
        alike = self.first_token_hop_seconds == self.first_token_hop_seconds[:, :1]
        return self.hops_by_sender and bool(alike.all())

    @cached_property
    def order_is_free(self) -> bool:
        """Whether every order of stages, the last one last, has the same step times and time to first token."""
        return self.setting.hop_in_step and self.hops_alike

    @property
    def order_is_by_pool(self) -> bool:
        """Whether an order of stages is as good as another whenever its links are fast enough."""
        return not self.setting.hop_in_step and self.setting.max_first_token_seconds == np.inf

    @cached_property
    def first_state(self) -> IntArray:
        """(Q+1,) offset of each pool's states in the joined arrays."""
        return np.cumsum([0] + [len(lattice.stages) for lattice in self.lattices]).astype(np.int64)

    @cached_property
    def state_stages(self) -> IntArray:
        """(N,) stages of every state of every pool."""
        return np.concatenate([lattice.stages for lattice in self.lattices])

    @cached_property
    def state_cost(self) -> FloatArray:
        """(N,) USD per hour."""
        return np.concatenate([lattice.cost_per_hour for lattice in self.lattices])

    @cached_property
    def state_cost_per_gpu(self) -> FloatArray:
        """(N,) USD per hour if single GPUs were billed: never more than state_cost, and additive."""
        return np.concatenate(
            [lattice.gpus * price for lattice, price in zip(self.lattices, self.pool_price, strict=True)]
        )

    @cached_property
    def transitions(self) -> IntArray:
        """(M, 3) rows (from, to, kind) over the joined states."""
        rows = []
        for pool, lattice in enumerate(self.lattices):
            kinds = np.flatnonzero(self.kind_pool == pool)
            by_degree = np.full(lattice.successor.shape[1], -1, dtype=np.int64)
            by_degree[self.kind_degree[kinds]] = kinds
            part = lattice.transitions.copy()
            part[:, :2] += self.first_state[pool]
            part[:, 2] = by_degree[part[:, 2]]
            rows.append(part)
        return np.ascontiguousarray(np.concatenate(rows))


def problems(request: Request, settings: Iterable[Setting], source: LatticeSource) -> Iterator[Problem]:
    """Yield the problems of all settings; those without any usable kind are left out."""
    for setting in settings:
        usable = np.flatnonzero(np.isfinite(setting.step_seconds[:, 1:]).any(axis=1))
        if setting.uniform_kind:
            groups = [usable[i : i + 1] for i in range(len(usable))]
        elif setting.uniform_tensor_parallel:
            degrees = setting.kind_tensor_parallel[usable]
            groups = [usable[degrees == degree] for degree in np.unique(degrees)]
        else:
            groups = [usable]
        for group in groups:
            problem = make_problem(request.pools, setting, group, source) if len(group) else None
            if problem is not None:
                yield problem


def make_problem(pools: tuple[Pool, ...], setting: Setting, rows: IntArray, source: LatticeSource) -> Problem | None:
    """The problem of these kinds (rows) of a setting; None when its stage count cannot be had."""
    order = rows[np.lexsort((setting.kind_tensor_parallel[rows], setting.kind_pool[rows]))]
    used = tuple(int(p) for p in np.unique(setting.kind_pool[order]))
    layers = setting.step_seconds.shape[1] - 1
    most = sum(pools[p].gpus for p in used)
    limit = min(setting.stages or setting.max_stages, layers, most)
    if setting.stages and limit < setting.stages:
        return None
    degree_columns = [np.arange(int((setting.kind_pool[order] == p).sum())) for p in used]
    index = np.array(used)
    return Problem(
        setting=setting,
        kinds=order,
        pools=used,
        kind_pool=np.searchsorted(index, setting.kind_pool[order]).astype(np.int64),
        kind_degree=np.concatenate(degree_columns),
        kind_gpus=setting.kind_tensor_parallel[order].astype(np.int64),
        step_seconds=np.ascontiguousarray(setting.step_seconds[order]),
        first_token_seconds=np.ascontiguousarray(setting.first_token_seconds[order]),
        hop_seconds=np.ascontiguousarray(setting.hop_seconds[np.ix_(index, index)]),
        first_token_hop_seconds=np.ascontiguousarray(setting.first_token_hop_seconds[np.ix_(index, index)]),
        source=source,
        pool_price=np.array([pools[p].price_per_gpu_hour or 0.0 for p in used]),
        pool_gpus=np.array([pools[p].gpus for p in used], dtype=np.int64),
        max_stages=limit,
        exact_stages=bool(setting.stages),
    )
