"""Everything that a fleet is decided from, as it was read: requests, pools, policies, profiles, Nodes, Pods."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from placewright.cli.price_files import laid
from placewright.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from placewright.api.gpu_pool import GPUPool
    from placewright.api.performance_profile import PerformanceProfile
    from placewright.api.placement_policy import PlacementPolicy
    from placewright.api.price_rows import LivePrice
    from placewright.api.resource import PlacementRequest

Json = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A request and where it was read. Its namespace is filled in.

    `of_cluster` tells a request that the API server has accepted: what is wrong with it is its own, and no reason to
    plan none of the others.
    """

    place: str
    resource: "PlacementRequest"
    of_cluster: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.resource.metadata.namespace or "", self.resource.metadata.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A request of the cluster that this version cannot read; the others are planned all the same."""

    body: Json
    error: InvalidRequestError

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return key_of(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What was read.

    Attributes:
        requests: in the order in which they were read.
        pools: GPUPools.
        policies: PlacementPolicies.
        profiles: PerformanceProfiles.
        nodes: Nodes as the API server holds them.
        pods: Pods that may hold GPUs of the Nodes.
        unreadable: requests of the cluster that are invalid.
        prices: what the policies' sources of prices give.
        notes: what the user should know, one line each.
    """

    requests: tuple[Asking, ...] = ()
    pools: "tuple[GPUPool, ...]" = ()
    policies: "tuple[PlacementPolicy, ...]" = ()
    profiles: "tuple[PerformanceProfile, ...]" = ()
    nodes: tuple[Json, ...] = ()
    pods: tuple[Json, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    prices: "tuple[LivePrice, ...]" = ()
    notes: tuple[str, ...] = ()

    def under(self, other: "Scene") -> "Scene":
        """Lay another scene over this one: an object of the same kind, namespace and name replaces this one's."""
        replaced = {each.key for each in other.requests}
        return Scene(
            requests=_laid(self.requests, other.requests, lambda each: each.key),
            pools=_laid(self.pools, other.pools, lambda each: each.metadata.name),
            policies=_laid(self.policies, other.policies, lambda each: each.metadata.name),
            profiles=_laid(self.profiles, other.profiles, lambda each: each.metadata.name),
            nodes=_laid(self.nodes, other.nodes, key_of),
            pods=_laid(self.pods, other.pods, key_of),
            unreadable=(*(each for each in self.unreadable if each.key not in replaced), *other.unreadable),
            prices=laid(self.prices, other.prices, other.policies),
            notes=(*self.notes, *other.notes),
        )

    def with_pool(self, pool: "GPUPool") -> "Scene":
        """The same with one pool changed."""
        return self.under(Scene(pools=(pool,)))

    def with_request(self, request: Asking) -> "Scene":
        """The same with one request changed."""
        return self.under(Scene(requests=(request,)))

    def with_nodes(self, nodes: Iterable[Json]) -> "Scene":
        """The same with these Nodes."""
        return replace(self, nodes=tuple(nodes))


def key_of(body: Json) -> tuple[str, str]:
    """Namespace and name of an object; the namespace is empty for what lives in none."""
    meta = body.get("metadata") or {}
    return str(meta.get("namespace") or ""), str(meta.get("name") or "")


def _laid(under: Iterable[T], over: Iterable[T], key: Callable[[T], Hashable]) -> tuple[T, ...]:
    found = {key(each): each for each in under}
    found.update((key(each), each) for each in over)
    return tuple(found.values())
