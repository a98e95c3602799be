"""What a GPU costs by the PlacementPolicies: their price tables, and the live prices of their sources."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from placewright import catalog
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.price_rows import LivePrice
from placewright.api.surroundings import Surroundings
from placewright.core import model as core

_Known = tuple[str | None, str | None, str | None]  # capacity type, zone, instance type


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPrice:
    """A price that counts.

    Attributes:
        per_gpu_hour: USD.
        policy: whose it is.
        source: the policy's source that gives it; empty: its price table.
        as_of: since when it holds; None: nobody says.
        stale: why it is stale, in one line; empty: it is not.
    """

    per_gpu_hour: float
    policy: str
    source: str = ""
    as_of: datetime | None = None
    stale: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A price of a table or a source; None: none was ever believed."""

    price: PolicyPrice | None
    exactness: int
    held: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPrice:
    """What policies say of a GPU.

    Attributes:
        price: that counts; None: no entry speaks of it.
        held: what is held back of sources whose price counts, or would count were it believed, one line each.
    """

    price: PolicyPrice | None
    held: tuple[str, ...] = ()


def policy_price(
    policies: Sequence[PlacementPolicy],
    gpu: str,
    *,
    capacity_type: str | None = None,
    zone: str | None = None,
    instance_type: str | None = None,
    live: Sequence[LivePrice] = (),
) -> FoundPrice:
    """Return the price of a GPU by the policies.

    The entry that names most of what is known of the nodes counts; of equal ones a live price before a price table,
    then that of the policy whose name comes first, then the first. A live price that is stale still counts: an outage
    of its source must not move plans.

    Args:
        policies: all of them.
        gpu: key of the GPU catalog, or the name of an accelerator.
        capacity_type: OnDemand, Spot or Reserved; None: not known, so that no entry which names one applies.
        zone: zone of the nodes; None: not known.
        instance_type: of the nodes; None: not known.
        live: what the policies' sources give, those of one policy in the order of its sources.
    """
    known = (capacity_type, zone, instance_type)
    # Sorting is stable: what comes first counts first among equals.
    ranked = sorted([*_live(live, gpu, known), *_tables(policies, gpu, known)], key=lambda each: -each.exactness)
    held: list[str] = []
    for entry in ranked:
        if entry.held:
            held.append(entry.held)
        if entry.price is not None:
            return FoundPrice(price=entry.price, held=tuple(held))
    return FoundPrice(price=None, held=tuple(held))


def _live(live: Sequence[LivePrice], gpu: str, known: _Known) -> Iterator[_Entry]:
    for each in sorted(live, key=lambda one: one.policy):
        key = each.key
        exactness = _exactness((key.capacity_type or None, key.zone or None, key.instance_type or None), known)
        if exactness is None or not same_gpu(key.gpu, gpu):
            continue
        price = None
        if each.per_gpu_hour is not None:
            price = PolicyPrice(
                per_gpu_hour=each.per_gpu_hour,
                policy=each.policy,
                source=each.source,
                as_of=each.as_of,
                stale=each.stale,
            )
        held = f"{each.source} of PlacementPolicy {each.policy}, {key}: {each.held}" if each.held else ""
        yield _Entry(price=price, exactness=exactness, held=held)


def _tables(policies: Sequence[PlacementPolicy], gpu: str, known: _Known) -> Iterator[_Entry]:
    for policy in sorted(policies, key=lambda each: each.metadata.name):
        for entry in policy.spec.prices or ():
            exactness = _exactness((entry.capacity_type, entry.zone, entry.instance_type), known)
            if exactness is not None and same_gpu(entry.gpu, gpu):
                price = PolicyPrice(
                    per_gpu_hour=entry.price_per_gpu_hour, policy=policy.metadata.name, as_of=moment(entry.as_of)
                )
                yield _Entry(price=price, exactness=exactness, held="")


def stale_prices(decision: core.Decision, surroundings: Surroundings) -> tuple[str, ...]:
    """Say which prices of a plan are stale, one line each; without a plan, of the pools that it might stand on.

    A pool of the request's own has the price of a source when the spec gives it none; it is told by the figure.
    """
    plan, request = decision.plan, decision.request
    used = None if plan is None else {pool for entry in plan.replicas for pool in entry.layout.gpus_by_pool}
    lines = []
    for pool in request.pools:
        if used is not None and pool.name not in used:
            continue
        if pool.shared:
            shared = surroundings.pools.get(pool.name)
            fault = shared.price_fault if shared is not None else ""
        else:
            fault = _stale_of_own(pool, surroundings.prices)
        if fault:
            lines.append(f"price of pool {pool.name}: {fault}")
    return tuple(lines)


def _stale_of_own(pool: core.Pool, live: Sequence[LivePrice]) -> str:
    price = pool.price_per_gpu_hour
    return next(
        (
            each.stale
            for each in live
            if each.stale and each.per_gpu_hour == price and same_gpu(each.key.gpu, pool.gpu.name)
        ),
        "",
    )


def _exactness(asked: _Known, known: _Known) -> int | None:
    """How many facts of a pool an entry names; None: one of them is another, or is not known."""
    if any(want is not None and want != have for want, have in zip(asked, known, strict=True)):
        return None
    return sum(want is not None for want in asked)


def moment(text: str | None) -> datetime | None:
    """Read a time of RFC 3339 or an ISO date, in UTC when it names no zone; None for None."""
    if text is None:
        return None
    value = datetime.fromisoformat(text)
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def same_gpu(one: str, other: str) -> bool:
    """Say whether two names mean one GPU kind: the same text, or names of one row of the catalog."""
    return one == other or gpu_key(one) == gpu_key(other)


@lru_cache(maxsize=1024)
def gpu_key(name: str) -> str:
    """Return the catalog's key of a GPU by any of its names; the name itself when the catalog does not hold it."""
    try:
        return catalog.gpu(name).name
    except catalog.UnknownKeyError:
        return name
