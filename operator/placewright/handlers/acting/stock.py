"""What of each pool is free for new replicas: all of it, less what every request may have or still has.

A request counts with what its plan wants or what runs of it, whichever is more: what somebody else may come back to,
also after a reap, is no room for a move.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from placewright.core.model import Pool, Running, Unit
from placewright.core.stock import Stock
from placewright.handlers.ledger import Holding
from placewright.telemetry.views import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a request may have and has.

    Attributes:
        units: of its plan, with all their replicas.
        before: of the plan before, while a ramp runs.
        running: what runs of it.
    """

    units: tuple[Unit, ...] = ()
    before: tuple[Unit, ...] = ()
    running: tuple[Running, ...] = field(default=(), hash=False)


class Book:
    """The stock of one cycle.

    Args:
        pools: shared ones with the GPUs that nobody else holds, by name.
        claims: of the requests that are acted for.
        holdings: what the stored plans of all requests take.
        waiting: who waited for GPUs of which pool in the cycle before.
    """

    def __init__(
        self,
        pools: Mapping[str, Pool],
        claims: Mapping[Key, Claim],
        holdings: Iterable[tuple[Key, Holding]],
        waiting: Collection[tuple[Hashable, str]] = (),
    ) -> None:
        self._stock = Stock(pools.values(), waiting)
        for key, holding in holdings:
            if key not in claims or not claims[key].units:  # what nobody could read or render holds its GPUs, too
                for name, entries in holding.pools.items():
                    for number, groups in enumerate(entries):
                        self._stock.hold((key, number), {name: groups}, 1)
        for key, claim in claims.items():
            _enter(self._stock, key, claim)

    @property
    def waits(self) -> frozenset[tuple[Hashable, str]]:
        """Who waits for GPUs of which pool in this cycle."""
        return frozenset(self._stock.waits)

    def open(self, key: Key, claim: Claim, private: Iterable[Pool]) -> Stock:
        """The stock as one request finds it: it counts with what runs of it alone.

        Args:
            key: of the request.
            claim: of the request.
            private: its own pools.
        """
        stock = self._stock.beside(private)
        running = {each.name: each for each in claim.running}
        for unit in (*claim.units, *claim.before):
            present = running.get(unit.name)
            stock.hold((key, unit.name), unit.pools, 0 if present is None else present.replicas)
        for each in claim.running:
            stock.hold((key, each.name), each.pools, each.replicas)
        return stock

    def close(self, key: Key, claim: Claim) -> None:
        """Enters what a request may have again, after a decision that has taken of the stock."""
        _enter(self._stock, key, claim)


def _enter(stock: Stock, key: Key, claim: Claim) -> None:
    asked: dict[str, tuple[Mapping[str, tuple[tuple[int, int], ...]], int]] = {}
    for unit in (*claim.units, *claim.before):
        _, before = asked.get(unit.name, (unit.pools, 0))
        asked[unit.name] = (unit.pools, max(before, unit.replicas))
    for each in claim.running:
        pools, planned = asked.get(each.name, (each.pools, 0))
        asked[each.name] = (each.pools or pools, max(planned, each.replicas))
    for name, (pools, replicas) in asked.items():
        stock.hold((key, name), pools, max(replicas, stock.held((key, name), pools) if replicas else 0))


def leftover(wanted: Collection[str], running: Iterable[Running]) -> tuple[Running, ...]:
    """What still runs and is not of these units."""
    return tuple(each for each in running if each.name not in wanted and each.replicas > 0)
