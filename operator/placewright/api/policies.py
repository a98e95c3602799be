"""What PlacementPolicies say of requests: limits that gates may only be stricter than, and live inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from placewright.api import spec as api
from placewright.api.base import duration_seconds
from placewright.api.figures import optional_figure
from placewright.api.placement_policy import PlacementPolicy, PolicyGates
from placewright.api.policy_inputs import PrometheusServer, RequestQueries
from placewright.core import gates
from placewright.core import model as core

# Least strict first.
_ON_VIOLATION: Final = (core.OnViolation.WARN, core.OnViolation.BLOCK)
_ON_UNKNOWN: Final = (core.OnUnknown.PASS, core.OnUnknown.WARN, core.OnUnknown.BLOCK)


def by_name(policies: Sequence[PlacementPolicy]) -> list[PlacementPolicy]:
    """Return policies in the one order in which they count."""
    return sorted(policies, key=lambda policy: policy.metadata.name)


# The gates that have a limit: name, field of the spec, of the policy and of the core.
_LIMITS: Final = (
    (gates.COST_PER_MILLION_TOKENS, "max_cost_per_million_tokens"),
    (gates.COST_PER_HOUR, "max_cost_per_hour"),
    (gates.COST_TO_REVENUE_RATIO, "max_cost_to_revenue_ratio"),
    (gates.QUANTIZATION_DRIFT, "max_quantization_drift_percent"),
    (gates.OBSERVED_COST_DRIFT, "max_observed_cost_drift_percent"),
)


def effective_gates(
    given: api.Gates, policies: Sequence[PlacementPolicy], revenue_per_hour: float | None = None
) -> core.Gates:
    """Return a request's gates with every policy's laid over them: the stricter limit counts, whoever sets it.

    Args:
        given: of the request.
        policies: all of them.
        revenue_per_hour: observed, in force; None: not known. It counts where the request has a query for it.
    """
    named = [(each.metadata.name, each.spec.gates) for each in by_name(policies) if each.spec.gates is not None]
    limits: dict[str, float | None] = {}
    owners: list[tuple[str, str]] = []
    for gate, field in _LIMITS:
        limits[field], owner = _strictest(getattr(given, field), [(name, getattr(each, field)) for name, each in named])
        owners.append((gate, owner))
    on_unknown, unknown_policy = _on_unknown(given, named)
    owners.append((gates.ON_UNKNOWN, unknown_policy))
    return core.Gates(
        max_cost_per_million_tokens=limits["max_cost_per_million_tokens"],
        max_cost_per_hour=limits["max_cost_per_hour"],
        max_quantization_drift_percent=limits["max_quantization_drift_percent"],
        max_cost_to_revenue_ratio=limits["max_cost_to_revenue_ratio"],
        max_observed_cost_drift_percent=limits["max_observed_cost_drift_percent"],
        revenue=_revenue(given, revenue_per_hour),
        on_violation=_on_violation(given, [each for _, each in named]),
        on_unknown=on_unknown,
        policies=tuple((gate, policy) for gate, policy in owners if policy),
    )


def _revenue(given: api.Gates, per_hour: float | None) -> core.Revenue | None:
    if given.revenue_per_hour_query is not None:
        return core.Revenue(observed=True, per_hour=optional_figure(per_hour))
    stated = given.revenue_per_million_tokens
    return core.Revenue(per_million_tokens=stated) if stated is not None else None


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


# ------------------------------------------------------------------------------------------------ live inputs

DEFAULT_MAX_AGE_SECONDS: Final = 300.0

# Strictest first.
_REQUEST_QUERIES: Final[tuple[RequestQueries, ...]] = ("Forbidden", "OwnNamespace", "Any")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRules:
    """What all policies together say of live inputs.

    Attributes:
        server: the Prometheus server of a policy; None: the operator's own counts, if it has one.
        server_policy: the policy whose server it is; empty: none.
        request_queries: which queries of requests are asked.
        queries_policy: the policy that says so; empty: no policy says anything.
        max_age_seconds: oldest figure that counts.
    """

    server: PrometheusServer | None = None
    server_policy: str = ""
    request_queries: RequestQueries = "Forbidden"
    queries_policy: str = ""
    max_age_seconds: float = DEFAULT_MAX_AGE_SECONDS


def input_rules(policies: Sequence[PlacementPolicy]) -> InputRules:
    """Return what holds for live inputs: the first server by name, the strictest rule, the shortest age."""
    named = [(each.metadata.name, each.spec.inputs) for each in by_name(policies) if each.spec.inputs is not None]
    servers = ((name, each.prometheus) for name, each in named if each.prometheus is not None)
    server_policy, server = next(servers, ("", None))
    said = [(each.request_queries, name) for name, each in named if each.request_queries is not None]
    queries, queries_policy = min(
        said, key=lambda one: _REQUEST_QUERIES.index(one[0]), default=(_REQUEST_QUERIES[0], "")
    )
    ages = [
        duration_seconds(each.max_age, field=f"PlacementPolicy {name}: spec.inputs.maxAge")
        for name, each in named
        if each.max_age is not None
    ]
    return InputRules(
        server=server,
        server_policy=server_policy,
        request_queries=queries,
        queries_policy=queries_policy,
        max_age_seconds=min(ages, default=DEFAULT_MAX_AGE_SECONDS),
    )
