"""From a request to an ask: its candidates as offers, its gates as limits, its present plan as what stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, gcd, inf

from placewright.core import gates
from placewright.core.fleet.candidate_base import OutOfTime
from placewright.core.fleet.candidates import Candidate, candidates
from placewright.core.fleet.packing import nodes_of_copies
from placewright.core.fleet.problem import Ask, Offer
from placewright.core.fleet.rows import PoolKey, Rows, by_pool, cost_of
from placewright.core.lattice import never
from placewright.core.model import (
    Billing,
    ObjectiveType,
    OnUnknown,
    OnViolation,
    Pool,
    Request,
    TrafficClass,
)

_ROUNDING = 1e-9
_GROUP_TIE = 1e-7  # of the cost, for each group after the first: decides ties, changes no price that is shown

REFUSAL_WEIGHT = 30.0  # of a request's own cheapest plan: being refused is worse than any price that others pay


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """So many copies of a candidate: what an offer stands for."""

    candidate: Candidate
    copies: int
    cost_per_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request that takes part in the fleet.

    Attributes:
        request: canonical.
        keys: the key of each of its pools, by name.
        pools: by name.
        candidates: all that it may run.
        complete: an optimum needs no other.
        bundles: what it may take, in the order of its ask's offers.
        max_cost_per_hour: of the gates that block; inf: none.
    """

    request: Request
    keys: Mapping[str, PoolKey]
    pools: Mapping[str, Pool]
    candidates: tuple[Candidate, ...]
    complete: bool
    bundles: tuple[Bundle, ...]
    max_cost_per_hour: float

    @property
    def key(self) -> str:
        """Sorts by namespace and name."""
        return f"{self.request.namespace}/{self.request.name}"

    @property
    def has_demand(self) -> bool:
        """Whether a demand decides how much it takes."""
        return bool(self.request.workload.classes)

    @property
    def copies(self) -> int:
        """Replicas of a request without demand."""
        return max(1, self.request.replicas.min)


def bare_case(request: Request) -> Case:
    """A canonical request without its candidates: enough to look at one plan of it."""
    return Case(
        request=request,
        keys={pool.name: ("", pool.name) if pool.shared else (_name(request), pool.name) for pool in request.pools},
        pools={pool.name: pool for pool in request.pools},
        candidates=(),
        complete=False,
        bundles=(),
        max_cost_per_hour=_cost_limit(request),
    )


def make_case(request: Request, out_of_time: OutOfTime = never) -> Case:
    """Candidates and bundles of a canonical request.

    Raises:
        InvalidRequestError: the request contradicts itself or its model.
    """
    found = candidates(request, out_of_time=out_of_time)
    case = replace(bare_case(request), candidates=found.entries, complete=found.complete)
    bundles = [
        Bundle(candidate=candidate, copies=copies, cost_per_hour=cost_of(case.pools, candidate.groups, copies))
        for candidate in found.entries
        for copies in _copies(case, candidate)
    ]
    return replace(case, bundles=tuple(bundle for bundle in bundles if _within_price(case, bundle)))


def _name(request: Request) -> str:
    return f"{request.namespace}/{request.name}"


def classes_of(request: Request) -> tuple[TrafficClass, ...]:
    """Traffic classes; one of the workload's size without rate when there are none."""
    load = request.workload
    if load.classes:
        return load.classes
    return (
        TrafficClass(
            name="", input_tokens=load.input_tokens, output_tokens=load.output_tokens, requests_per_second=0.0
        ),
    )


def tokens_per_second(request: Request, candidate: Candidate) -> float:
    """Of one replica on the only class of a request without demand."""
    return candidate.rates[0] * request.workload.tokens_per_request


def without_gates(case: Case) -> Case:
    """The case as if nothing limited its cost."""
    return make_case(replace(case.request, gates=gates.without_cost_gates(case.request.gates)))


def _copies(case: Case, candidate: Candidate) -> Sequence[int]:
    """How many copies are offered at once: several only where they share nodes that are paid for whole."""
    if not case.has_demand:
        return (case.copies,)
    own = by_pool(candidate.groups)
    name = next(iter(own))
    pool = case.pools[name]
    if len(own) > 1 or len(own[name]) > 1 or pool.billing is not Billing.PER_NODE:
        return (1,)
    size, count = own[name][0]
    per_node = pool.gpus_per_node // size
    period = per_node // gcd(per_node, count)
    bounds = case.request.replicas
    if bounds.max is not None or bounds.min:
        return range(1, period + 1)
    nodes = [nodes_of_copies(own[name], n, pool.gpus_per_node) for n in range(1, period + 2)]
    return [n for n in range(1, period + 1) if nodes[n] > nodes[n - 1]]


def _cost_limit(request: Request) -> float:
    """USD per hour that the gates which block leave to a plan; of a demand the price per token is such a limit too."""
    limits = request.gates
    if limits.on_violation is not OnViolation.BLOCK:
        return inf
    hourly_cap, price_cap = gates.cost_per_hour_cap(limits), gates.cost_per_million_tokens_cap(limits)
    most = inf if hourly_cap is None else hourly_cap
    if price_cap is not None and request.workload.classes:
        most = min(most, price_cap * request.workload.tokens_per_second * 3600.0 / 1e6)
    return most


def _within_price(case: Case, bundle: Bundle) -> bool:
    """Whether a bundle passes the gates that block. Of a request with demand sums are looked at by the solver."""
    limits = case.request.gates
    if limits.on_unknown is OnUnknown.BLOCK and gates.cost_is_unknown(limits):
        return False
    if case.has_demand or limits.on_violation is not OnViolation.BLOCK:
        return True
    if bundle.cost_per_hour > case.max_cost_per_hour:
        return False
    most = gates.cost_per_million_tokens_cap(limits)
    if most is None:
        return True
    tokens = tokens_per_second(case.request, bundle.candidate) * bundle.copies
    return bundle.cost_per_hour / (tokens * 3600.0) * 1e6 <= most


def reference_tokens_per_second(case: Case) -> float:
    """Tokens per second at which the layouts of a request without demand are compared.

    Such a request wants its best cost per token, not the smallest layout: the objective counts what serving as much
    as its best layout does would cost.
    """
    best = min(case.bundles, key=lambda each: (_price(case, each), each.cost_per_hour))
    return tokens_per_second(case.request, best.candidate) * best.copies


def values_of(case: Case, bundles: Sequence[Bundle]) -> list[float]:
    """What the objective counts for each bundle: the cost, or the price per token at one common rate.

    Of equals the one with fewer tensor-parallel groups is cheaper by a hair: less waiting between stages.
    """
    tie = [1.0 + _GROUP_TIE * (sum(count for _, _, count in bundle.candidate.groups) - 1) for bundle in bundles]
    if case.has_demand or case.request.objective.type is ObjectiveType.COST or not case.bundles:
        return [bundle.cost_per_hour * factor for bundle, factor in zip(bundles, tie, strict=True)]
    reference = reference_tokens_per_second(case)
    return [_price(case, bundle) * reference * factor for bundle, factor in zip(bundles, tie, strict=True)]


def _price(case: Case, bundle: Bundle) -> float:
    """USD per hour for each token per second."""
    return bundle.cost_per_hour / (tokens_per_second(case.request, bundle.candidate) * bundle.copies)


def copies_alone(case: Case, rates: Sequence[float]) -> int:
    """Replicas of one layout that serve everything; 0: it cannot, or not within the bounds."""
    if not case.has_demand:
        return case.copies
    if not all(rate > 0 for rate in rates):
        return 0
    load = sum(each.requests_per_second / rate for each, rate in zip(case.request.workload.classes, rates, strict=True))
    copies = max(case.request.replicas.min, ceil(load * (1 - _ROUNDING)), 1)
    most = case.request.replicas.max
    return 0 if most is not None and copies > most else copies


def copies_at_most(case: Case, rates: Sequence[float]) -> int:
    """More copies of a layout than any mix needs that serves the demand at least cost, with counts rounded up."""
    if not case.has_demand:
        return case.copies
    classes = case.request.workload.classes
    load = sum(each.requests_per_second / rate for each, rate in zip(classes, rates, strict=True) if rate > 0)
    return max(case.request.replicas.min, ceil(load)) + len(classes)


def make_ask(case: Case, rows: Rows, refusal_value: float) -> Ask:
    """The ask of a case without its present plan."""
    request = case.request
    values = values_of(case, case.bundles)
    offers = tuple(
        Offer(
            cost_per_hour=bundle.cost_per_hour,
            value=value,
            rates=tuple(rate * bundle.copies for rate in bundle.candidate.rates) if case.has_demand else (1.0,),
            uses=rows.uses(request.namespace, case.keys, bundle.candidate.groups, bundle.copies, bundle.cost_per_hour),
            copies=bundle.copies,
        )
        for bundle, value in zip(case.bundles, values, strict=True)
    )
    return Ask(
        key=case.key,
        demands=tuple(each.requests_per_second for each in request.workload.classes) or (1.0,),
        offers=offers,
        min_copies=request.replicas.min if case.has_demand else 0,
        max_copies=request.replicas.max if case.has_demand else case.copies,
        max_cost_per_hour=case.max_cost_per_hour if case.has_demand else inf,
        refusal_value=refusal_value,
        priority=request.priority,
    )
