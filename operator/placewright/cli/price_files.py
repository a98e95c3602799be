"""Live prices without an operator: tables in files beside a policy, and what a cluster's operator has in force."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from placewright.api.placement_policy import PlacementPolicy
    from placewright.api.price_rows import LivePrice
    from placewright.api.price_sources import PriceSource

Opener = Callable[[str], tuple[bytes, str]]
"""From the path that a policy gives to the bytes of the file and its name in messages; raises PriceSourceError."""


def beside(name: str) -> Opener:
    """Files on disk; a relative path begins at the folder of this file, or at the current one for standard input."""

    def read(path: str) -> tuple[bytes, str]:
        from placewright.telemetry.prices.files import read_bytes  # noqa: PLC0415 - --help needs none of it

        found = Path(name).parent / path
        return read_bytes(found), str(found)

    return read


def read_prices(
    policies: "Sequence[tuple[PlacementPolicy, Opener]]",
    *,
    now: float,
    faults: list[object],
    notes: list[str],
    alone: bool,
) -> "tuple[LivePrice, ...]":
    """Read the files that policies name as sources of prices, and note which sources are not read here.

    A price that an operator would hold back when it first saw it is held back here too.

    Args:
        policies: each with how its files are opened.
        now: Unix time, for the age of prices.
        faults: gets one line for each thing that is wrong in a file.
        notes: gets one line for each source that only an operator reads, and for each price that does not count.
        alone: False when the policies lie over those of a cluster, which may know what only an operator reads.
    """
    if not any(policy.spec.price_sources for policy, _ in policies):
        return ()
    from placewright.api.live_prices import static_price  # noqa: PLC0415 - --help needs none of it
    from placewright.telemetry.prices.errors import PriceSourceError  # noqa: PLC0415
    from placewright.telemetry.prices.tables import form_of, read_table  # noqa: PLC0415
    from placewright.telemetry.prices.watch import SourceWatch  # noqa: PLC0415

    known = [policy for policy, _ in policies]
    found: list[LivePrice] = []
    for policy, opened in sorted(policies, key=lambda each: each[0].metadata.name):
        for source in policy.spec.price_sources or ():
            title = f"price source {source.name} of PlacementPolicy {policy.metadata.name}"
            if source.file is None:
                rest = "its prices are not used here" if alone else "its prices are those that the cluster has, if any"
                notes.append(f"{title} ({_kind(source)}) is read by the operator only; {rest}")
                continue
            try:
                data, name = opened(source.file.path)
                rows = read_table(data, name, form_of(source.file.path, source.file.format))
            except PriceSourceError as error:
                faults += error.lines
                continue
            watch = SourceWatch(policy.metadata.name, source, {}, now)
            watch.take(rows, now, reference=lambda key: static_price(known, key))
            prices = watch.prices(now)
            found += prices
            notes += [f"{title}, {price.key}: {text}" for price in prices for text in (price.held, price.stale) if text]
    return tuple(found)


def of_cluster(policies: "Iterable[PlacementPolicy]", *, now: float, notes: list[str]) -> "tuple[LivePrice, ...]":
    """What the operator of a cluster has in force, by the statuses of its policies.

    Args:
        policies: of the cluster, with their statuses.
        now: Unix time.
        notes: gets one line for each source of which no status tells any price.
    """
    from placewright.api.live_prices import in_force_of  # noqa: PLC0415 - --help needs none of it

    found: list[LivePrice] = []
    for policy in sorted(policies, key=lambda each: each.metadata.name):
        if not policy.spec.price_sources:
            continue
        prices = in_force_of(policy, now)
        found += prices
        told = {price.source for price in prices}
        notes += [
            f"price source {source.name} of PlacementPolicy {policy.metadata.name}: its status tells no price yet"
            for source in policy.spec.price_sources
            if source.name not in told
        ]
    return tuple(found)


def laid(
    under: "Sequence[LivePrice]", over: "Sequence[LivePrice]", policies: "Sequence[PlacementPolicy]"
) -> "tuple[LivePrice, ...]":
    """Lay prices over others: those of a policy that comes anew replace its old ones, source by source.

    A source that the new policy still has and that was not read with it keeps the old prices: a file laid over a
    cluster cannot say what OpenCost says there.

    Args:
        under: prices below.
        over: prices above.
        policies: those that come anew.
    """
    order = {
        (each.metadata.name, source.name): number
        for each in policies
        for number, source in enumerate(each.spec.price_sources or ())
    }
    replaced = {each.metadata.name for each in policies}
    read = {(each.policy, each.source) for each in over}
    kept = (
        each for each in under if each.policy not in replaced or ((each.policy, each.source) in order.keys() - read)
    )
    return tuple(sorted((*kept, *over), key=lambda each: order.get((each.policy, each.source), 0)))


def _kind(source: "PriceSource") -> str:
    kinds = {
        "configMap": source.config_map,
        "openCost": source.open_cost,
        "prometheus": source.prometheus,
    }
    return next((name for name, given in kinds.items() if given is not None), "of no kind")
