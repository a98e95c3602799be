"""What a PlacementRequest is read with: the shared pools, policies and profiles of its cluster or its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final, Self

from placewright.api.hardware import LabelSelector, SelectorTerm
from placewright.api.performance_profile import PerformanceProfile
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.price_rows import LivePrice
from placewright.api.spec import Measurement
from placewright.core import model as core
from placewright.core.errors import InvalidRequestError


class SurroundingsError(InvalidRequestError):
    """A request wants something that is not there, and may be there later; it is read again when it comes."""


class NoPoolsError(SurroundingsError):
    """A pool selector takes no GPUPool that can be used."""


class DemandUnavailableError(SurroundingsError):
    """The demand is read live, and there never was a figure of it."""

    @classmethod
    def because(cls, why: str) -> Self:
        """The error for somebody who has asked in vain.

        Args:
            why: the fault of the live demand in one line.
        """
        got = f"no figure ({why.removeprefix('demand: ').removeprefix('missing: ')})"
        return cls("spec.workload.demandFrom", got=got, wants="requests per second from Prometheus")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPool:
    """A GPUPool that plans may use.

    Attributes:
        pool: its GPUs and their price, with `shared` set.
        labels: of the GPUPool, for selectors.
        price_as_of: since when the price holds; None: its source does not say.
        price_fault: why the price is stale, in one line; empty: it is not.
    """

    pool: core.Pool
    labels: Mapping[str, str]
    price_as_of: datetime | None = None
    price_fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusablePool:
    """A GPUPool that no plan may use, and why in a few words."""

    labels: Mapping[str, str]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Everything beside a request that its meaning depends on.

    Attributes:
        pools: usable GPUPools by name.
        policies: all PlacementPolicies, in any order.
        profiles: all PerformanceProfiles, in any order.
        unusable: GPUPools by name that exist and cannot be used, so that a selector's fault can name them.
        prices: what the policies' sources of prices give, for pools of requests' own.
    """

    pools: Mapping[str, SharedPool] = field(default_factory=dict)
    policies: tuple[PlacementPolicy, ...] = ()
    profiles: tuple[PerformanceProfile, ...] = ()
    unusable: Mapping[str, UnusablePool] = field(default_factory=dict)
    prices: tuple[LivePrice, ...] = ()

    @cached_property
    def rows_by_size(self) -> Mapping[str, Mapping[tuple[int, int], Sequence[Measurement]]]:
        """Rows of each profile by name, then by input and output tokens: requests look for few among thousands."""
        found: dict[str, dict[tuple[int, int], list[Measurement]]] = {}
        for profile in self.profiles:
            sizes = found.setdefault(profile.metadata.name, {})
            for row in profile.spec.rows:
                sizes.setdefault((row.input_tokens, row.output_tokens), []).append(row)
        return found


EMPTY: Final = Surroundings()


def selects(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Say whether a selector takes an object with these labels, by Kubernetes' rules.

    All terms must hold. An empty selector takes everything, None takes nothing. NotIn and DoesNotExist also take an
    object without the label.
    """
    if selector is None:
        return False
    wanted = selector.match_labels or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(term, labels) for term in selector.match_expressions or ()
    )


def _holds(term: SelectorTerm, labels: Mapping[str, str]) -> bool:
    values = term.values or ()
    match term.operator:
        case "In":
            return labels.get(term.key) in values
        case "NotIn":
            return term.key not in labels or labels[term.key] not in values
        case "Exists":
            return term.key in labels
    return term.key not in labels


def ceilings(policies: Sequence[PlacementPolicy]) -> tuple[core.Ceiling, ...]:
    """Return the limits on sums of costs that the policies set, ordered by policy and namespace."""
    found = []
    for policy in sorted(policies, key=lambda each: each.metadata.name):
        name, spec = policy.metadata.name, policy.spec
        if spec.max_cost_per_hour is not None:
            found.append(core.Ceiling(policy=name, namespace=None, max_cost_per_hour=spec.max_cost_per_hour))
        found.extend(
            core.Ceiling(policy=name, namespace=entry.name, max_cost_per_hour=entry.max_cost_per_hour)
            for entry in sorted(spec.namespaces or (), key=lambda each: each.name)
        )
    return tuple(found)
