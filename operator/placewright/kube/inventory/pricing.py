"""What a GPU costs: by the spec, the policies' live prices and tables, the Node, the instance types, in that order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from placewright.api.placement_policy import PlacementPolicy
from placewright.api.price_rows import LivePrice
from placewright.api.prices import FoundPrice, moment, policy_price
from placewright.core import model as core
from placewright.kube.inventory.facts import Facts, price_of
from placewright.kube.inventory.observed import ObservedPrice

SPEC: Final = "Spec"
POLICY_TABLE: Final = "PolicyTable"
PRICE_SOURCE: Final = "PriceSource"
NODE_LABEL: Final = "NodeLabel"
INSTANCE_TYPES: Final = "InstanceTypes"

_ON_DEMAND: Final = "OnDemand"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPrice:
    """What the policies say of Nodes of a kind.

    Attributes:
        price: None: no entry speaks of them.
        held: what sources say of them that is not believed, one line each.
    """

    price: ObservedPrice | None
    held: tuple[str, ...] = ()


class PriceTables:
    """The price tables and live prices of all PlacementPolicies; each kind of Node is looked up once."""

    def __init__(self, policies: Sequence[PlacementPolicy], live: Sequence[LivePrice] = ()) -> None:
        """Keep the policies that have prices, and what their sources give."""
        self._policies = tuple(policy for policy in policies if policy.spec.prices)
        self._live = tuple(live)
        self._found: dict[tuple[str, str | None, str | None, str | None], ListedPrice] = {}

    def price(
        self,
        gpu: str,
        *,
        capacity_type: str | None = None,
        zone: str | None = None,
        instance_type: str | None = None,
    ) -> ListedPrice:
        """The price of a GPU kind on Nodes like this; None: what they are like is not known."""
        asked = (gpu, capacity_type, zone, instance_type)
        if asked not in self._found:
            self._found[asked] = self._price(*asked)
        return self._found[asked]

    def _price(self, gpu: str, capacity_type: str | None, zone: str | None, instance_type: str | None) -> ListedPrice:
        found = policy_price(
            self._policies,
            gpu,
            capacity_type=capacity_type,
            zone=zone,
            instance_type=instance_type,
            live=self._live,
        )
        return ListedPrice(price=_of_policy(found), held=found.held)


def _of_policy(found: FoundPrice) -> ObservedPrice | None:
    price = found.price
    if price is None:
        return None
    of_policy = f"PlacementPolicy {price.policy}"
    return ObservedPrice(
        per_gpu_hour=price.per_gpu_hour,
        source=PRICE_SOURCE if price.source else POLICY_TABLE,
        as_of=price.as_of,
        detail=f"{price.source} of {of_policy}" if price.source else of_policy,
        stale=price.stale,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What is known of the prices of a pool.

    Attributes:
        price: of the whole pool, the dearest when its Nodes differ; None: nobody knows one.
        unpriced: names of Nodes without a price, while others have one.
        ignored: prices on Nodes that are no positive numbers, as "node: text".
        differing: prices by Node where they differ, as "node: $2.49", the dearest first; empty when they agree.
        elsewhere: the region of the list price where it is not that of the Nodes; empty otherwise.
        held: what sources say of its Nodes that is not believed, one line each.
    """

    price: ObservedPrice | None
    unpriced: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    elsewhere: str = ""
    held: tuple[str, ...] = ()


def pricing(own: float | None, gpu: core.Accelerator, nodes: Sequence[Facts], tables: PriceTables) -> Pricing:
    """Find the price of a pool.

    Args:
        own: the spec's price.
        gpu: the kind of the pool.
        nodes: what it is made of, or like; empty for declared stock and for pools that never had a Node.
        tables: of the policies.
    """
    if own is not None:
        return Pricing(price=ObservedPrice(per_gpu_hour=own, source=SPEC))
    if not nodes:
        listed = tables.price(gpu.name)  # how its nodes are bought is not known
        return Pricing(price=listed.price, held=listed.held)
    by_node = {node.name: _listed(node, gpu.name, tables) for node in nodes}
    held = tuple(dict.fromkeys(line for listed in by_node.values() for line in listed.held))
    found = {
        node.name: price
        for node in nodes
        if (price := by_node[node.name].price or _own_price(node, gpu.name)) is not None
    }
    ignored = tuple(
        f"{node.name}: {node.price!r}" for node in nodes if node.price is not None and price_of(node.price) is None
    )
    if not found:
        return Pricing(price=None, ignored=ignored, held=held)
    dearest = max(found, key=lambda name: (found[name].per_gpu_hour, name))
    return Pricing(
        price=found[dearest],
        unpriced=frozenset(node.name for node in nodes if node.name not in found),
        ignored=ignored,
        differing=_differing(found),
        elsewhere=_elsewhere(found[dearest], nodes, dearest),
        held=held,
    )


def _listed(node: Facts, gpu: str, tables: PriceTables) -> ListedPrice:
    return tables.price(
        gpu,
        capacity_type=node.capacity_type,
        zone=node.zone or None,
        instance_type=node.instance_type or None,
    )


def _own_price(node: Facts, gpu: str) -> ObservedPrice | None:
    """What the Node itself says, or its instance type."""
    own = price_of(node.price) if node.price is not None else None
    if own is not None:
        return ObservedPrice(per_gpu_hour=own, source=NODE_LABEL, detail=f"Node {node.name}")
    instance = node.instance
    if instance is None or instance.price is None or instance.gpu != gpu or node.capacity_type != _ON_DEMAND:
        return None  # a list price is for on-demand Nodes; spot and reserved ones cost something else
    return ObservedPrice(
        per_gpu_hour=instance.price.per_gpu_hour,
        source=INSTANCE_TYPES,
        as_of=moment(instance.price.as_of),
        detail=f"{instance.name} in {instance.price.region}",
    )


def _differing(found: Mapping[str, ObservedPrice]) -> tuple[str, ...]:
    if len({price.per_gpu_hour for price in found.values()}) == 1:
        return ()
    ranked = sorted(found.items(), key=lambda entry: (-entry[1].per_gpu_hour, entry[0]))
    return tuple(f"{name}: ${price.per_gpu_hour:.6g}" for name, price in ranked)


def _elsewhere(price: ObservedPrice, nodes: Sequence[Facts], dearest: str) -> str:
    if price.source != INSTANCE_TYPES:
        return ""
    node = next(each for each in nodes if each.name == dearest)
    listed = node.instance.price.region if node.instance is not None and node.instance.price is not None else ""
    return listed if node.region and node.region.casefold() != listed.casefold() else ""
