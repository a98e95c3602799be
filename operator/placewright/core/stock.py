"""GPUs for replicas that are to be started: what nodes hold, and what all that runs asks for already.

It is a book of one look at the cluster: what a decision takes of it is not there for the next one. Whether the
scheduler finds the same places is for it to say; this keeps moves from beginning that cannot end.
"""

from collections.abc import Hashable, Iterable, Mapping

from placewright.core.fleet.packing import fits
from placewright.core.model import Groups, Pool

_Held = tuple[Groups, int]


class _Shelf:
    """One pool, and who asks for what of it: the Pods of a replica, and how many replicas."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.held: dict[Hashable, _Held] = {}

    def fits(self, changed: Mapping[Hashable, _Held]) -> bool:
        together = {**self.held, **changed}
        return fits(
            self.pool,
            [
                tuple((gpus, pods * replicas) for gpus, pods in groups)
                for groups, replicas in together.values()
                if replicas
            ],
        )


class Stock:
    """Pools with what is asked for of them.

    Args:
        pools: with the GPUs that nobody else holds.
        waiting: who waited for GPUs of which pool at the look before.
    """

    def __init__(self, pools: Iterable[Pool], waiting: Iterable[tuple[Hashable, str]] = ()) -> None:
        self._shelves = {pool.name: _Shelf(pool) for pool in pools}
        self._waiting = frozenset(waiting)
        self.waits: set[tuple[Hashable, str]] = set()

    def beside(self, pools: Iterable[Pool]) -> "Stock":
        """The same book for a request with pools of its own, which hide shared ones of the same names."""
        found = Stock(pools, self._waiting)
        found._shelves = {**self._shelves, **found._shelves}
        found.waits = self.waits
        return found

    def wait(self, owner: Hashable, pools: Iterable[str]) -> None:
        """A request finds too little room on some of these pools; `waits` tells it to the next look."""
        self.waits |= {(owner, pool) for pool in pools}

    def awaited(self, owner: Hashable) -> frozenset[str]:
        """Pools for whose GPUs another request waited at the look before."""
        return frozenset(pool for other, pool in self._waiting if other != owner)

    def hold(self, unit: Hashable, pools: Mapping[str, Groups], replicas: int) -> None:
        """So many replicas of a unit are asked for now.

        Args:
            unit: tells it from all others of the fleet.
            pools: Pods of one replica by pool; what stands on a pool that is not there counts nowhere.
            replicas: how many.
        """
        for name, groups in pools.items():
            shelf = self._shelves.get(name)
            if shelf is not None:
                shelf.held[unit] = (groups, replicas)

    def held(self, unit: Hashable, pools: Mapping[str, Groups]) -> int:
        """How many replicas of a unit are asked for as far as is known."""
        shelves = (self._shelves.get(name) for name in pools)
        return max((shelf.held.get(unit, ((), 0))[1] for shelf in shelves if shelf is not None), default=0)

    def room(
        self,
        unit: Hashable,
        pools: Mapping[str, Groups],
        most: int,
        *,
        lowered: Mapping[Hashable, tuple[Mapping[str, Groups], int]] | None = None,
    ) -> int:
        """How many more replicas of a unit there is room for.

        Args:
            unit: as in `hold`.
            pools: Pods of one replica by pool.
            most: that are of interest.
            lowered: units that are to have so many replicas instead of theirs, with their Pods by pool.

        Returns:
            0 to most; 0 where a pool is not there.
        """
        if any(name not in self._shelves for name in pools):
            return 0
        present = self.held(unit, pools)
        least, beyond = 0, most + 1
        while beyond - least > 1:  # what fits with n replicas fits with fewer
            middle = (least + beyond) // 2
            if self._fits(unit, pools, present + middle, lowered or {}):
                least = middle
            else:
                beyond = middle
        return least

    def _fits(
        self,
        unit: Hashable,
        pools: Mapping[str, Groups],
        replicas: int,
        lowered: Mapping[Hashable, tuple[Mapping[str, Groups], int]],
    ) -> bool:
        for name, groups in pools.items():
            changed: dict[Hashable, _Held] = {
                other: (theirs[name], count) for other, (theirs, count) in lowered.items() if name in theirs
            }
            changed[unit] = (groups, replicas)
            if not self._shelves[name].fits(changed):
                return False
        return True


class Budget:
    """GPUs of the fleet that may begin or end to be asked for within one cycle.

    Args:
        gpus: that may; None: no limit. An action that needs more than the whole of it is done alone.
    """

    def __init__(self, gpus: int | None) -> None:
        self._left = gpus
        self._used = False

    def most(self, gpus_each: int, wanted: int) -> int:
        """How many of so many steps of this size may be done now."""
        if self._left is None or gpus_each <= 0 or wanted <= 0:
            return max(0, wanted)
        able = self._left // gpus_each
        return min(wanted, able if able or self._used else 1)

    def take(self, gpus: int) -> None:
        """So many are used."""
        if gpus > 0:
            self._used = True
            if self._left is not None:
                self._left = max(0, self._left - gpus)
