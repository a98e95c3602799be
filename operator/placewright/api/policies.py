"""What PlacementPolicies say of one request: limits that its gates may only be stricter than, and prices."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from placewright import catalog
from placewright.api import spec as api
from placewright.api.placement_policy import PlacementPolicy, PolicyGates, Price
from placewright.core import gates
from placewright.core import model as core

# Least strict first.
_ON_VIOLATION: Final = (core.OnViolation.WARN, core.OnViolation.BLOCK)
_ON_UNKNOWN: Final = (core.OnUnknown.PASS, core.OnUnknown.WARN, core.OnUnknown.BLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPrice:
    """An entry of a policy's price table: USD per GPU and hour, whose it is, and since when it holds (RFC 3339)."""

    per_gpu_hour: float
    policy: str
    as_of: str | None


def by_name(policies: Sequence[PlacementPolicy]) -> list[PlacementPolicy]:
    """Return policies in the one order in which they count."""
    return sorted(policies, key=lambda policy: policy.metadata.name)


def effective_gates(given: api.Gates, policies: Sequence[PlacementPolicy]) -> core.Gates:
    """Return a request's gates with every policy's laid over them: the stricter limit counts, whoever sets it."""
    named = [(each.metadata.name, each.spec.gates) for each in by_name(policies) if each.spec.gates is not None]
    tokens, tokens_policy = _strictest(
        given.max_cost_per_million_tokens, [(name, each.max_cost_per_million_tokens) for name, each in named]
    )
    hour, hour_policy = _strictest(given.max_cost_per_hour, [(name, each.max_cost_per_hour) for name, each in named])
    drift, drift_policy = _strictest(
        given.max_quantization_drift_percent, [(name, each.max_quantization_drift_percent) for name, each in named]
    )
    on_unknown, unknown_policy = _on_unknown(given, named)
    owners = (
        (gates.COST_PER_MILLION_TOKENS, tokens_policy),
        (gates.COST_PER_HOUR, hour_policy),
        (gates.QUANTIZATION_DRIFT, drift_policy),
        (gates.ON_UNKNOWN, unknown_policy),
    )
    return core.Gates(
        max_cost_per_million_tokens=tokens,
        max_cost_per_hour=hour,
        max_quantization_drift_percent=drift,
        on_violation=_on_violation(given, [each for _, each in named]),
        on_unknown=on_unknown,
        policies=tuple((gate, policy) for gate, policy in owners if policy),
    )


def _strictest(own: float | None, others: Sequence[tuple[str, float | None]]) -> tuple[float | None, str]:
    """The least limit and the policy that sets it; a limit of the request itself has no policy, also when equal."""
    limit, owner = own, ""
    for name, other in others:
        if other is not None and (limit is None or other < limit):
            limit, owner = other, name
    return limit, owner


def _on_violation(own: api.Gates, others: Sequence[PolicyGates]) -> core.OnViolation:
    said = [core.OnViolation(each) for each in (own.on_violation, *(one.on_violation for one in others)) if each]
    return max(said, key=_ON_VIOLATION.index)


def _on_unknown(own: api.Gates, others: Sequence[tuple[str, PolicyGates]]) -> tuple[core.OnUnknown, str]:
    """The strictest that anybody says, and the policy that says it; empty: the request itself."""
    found, owner = core.OnUnknown(own.on_unknown), ""
    for name, other in others:
        said = core.OnUnknown(other.on_unknown) if other.on_unknown is not None else found
        if _ON_UNKNOWN.index(said) > _ON_UNKNOWN.index(found):
            found, owner = said, name
    return found, owner


# ------------------------------------------------------------------------------------------------------ prices


def policy_price(
    policies: Sequence[PlacementPolicy],
    gpu: str,
    *,
    capacity_type: str | None = None,
    zone: str | None = None,
    instance_type: str | None = None,
) -> PolicyPrice | None:
    """Return the price of a GPU by the policies' tables, or None.

    Args:
        policies: all of them; of equally exact entries the first counts, policies in the order of their names.
        gpu: key of the GPU catalog, or the name of an accelerator.
        capacity_type: OnDemand, Spot or Reserved; None: not known, so that no entry which names one applies.
        zone: zone of the nodes; None: not known.
        instance_type: of the nodes; None: not known.
    """
    known = (capacity_type, zone, instance_type)
    best: tuple[int, PolicyPrice] | None = None
    for policy in by_name(policies):
        for entry in policy.spec.prices or ():
            exactness = _exactness(entry, known)
            if exactness is None or not same_gpu(entry.gpu, gpu) or (best is not None and exactness <= best[0]):
                continue
            price = PolicyPrice(per_gpu_hour=entry.price_per_gpu_hour, policy=policy.metadata.name, as_of=entry.as_of)
            best = (exactness, price)
    return best[1] if best is not None else None


def _exactness(entry: Price, known: tuple[str | None, str | None, str | None]) -> int | None:
    """How many facts of a pool an entry names; None: one of them is another, or is not known."""
    asked = (entry.capacity_type, entry.zone, entry.instance_type)
    if any(want is not None and want != have for want, have in zip(asked, known, strict=True)):
        return None
    return sum(want is not None for want in asked)


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
