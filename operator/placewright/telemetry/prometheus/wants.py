"""What a request wants to know of Prometheus: its expressions, or why one may not be asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from placewright.api.base import duration_seconds
from placewright.api.demand_spec import DemandFrom
from placewright.api.policies import InputRules
from placewright.api.resource import PlacementRequest
from placewright.core.errors import InvalidRequestError
from placewright.core.model import TokenBasis
from placewright.telemetry.prometheus.book import Query, Span
from placewright.telemetry.prometheus.presets import Target, target
from placewright.telemetry.prometheus.promql import bounded, in_namespace

T = TypeVar("T")

QueryRules = InputRules  # what policies say of live inputs

OBSERVED_SECONDS: Final = 300.0  # rates are means over the last five minutes, or over a shorter window
LATENCY_QUANTILE: Final = 0.95
_POINTS: Final = 120
_FORECAST_POINTS: Final = 720
_LEAST_STEP_SECONDS: Final = 1.0
_DEMAND_FIELD: Final = "spec.workload.demandFrom.prometheusQuery"
_REVENUE_FIELD: Final = "spec.gates.revenuePerHourQuery"


class Input(StrEnum):
    """The live figures of a request, as label values of metrics and in messages."""

    DEMAND = "Demand"
    REVENUE = "Revenue"
    TOKENS = "Tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizesWant:
    """A histogram of sizes: requests per second by bucket, and tokens per second."""

    buckets: Query
    total: Query

    @property
    def queries(self) -> tuple[Query, ...]:
        """What is asked."""
        return (self.buckets, self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandWant:
    """The requests per second over the window and, with a preset, their sizes and when a sample came last."""

    rate: Query
    input: SizesWant | None = None
    output: SizesWant | None = None
    last_seen: Query | None = None

    @property
    def queries(self) -> tuple[Query, ...]:
        """What is asked."""
        sizes = [query for each in (self.input, self.output) if each is not None for query in each.queries]
        return (self.rate, *sizes, *(() if self.last_seen is None else (self.last_seen,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedWant:
    """What the model really serves: tokens per second, quantiles of latencies, and when a sample came last."""

    tokens: Query
    last_seen: Query
    ttft: Query | None = None
    tpot: Query | None = None

    @property
    def queries(self) -> tuple[Query, ...]:
        """What is asked."""
        return (self.tokens, self.last_seen, *(each for each in (self.ttft, self.tpot) if each is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """What a request wants to know. None: it does not; or it may not, and then `faults` says why in one line.

    Attributes:
        demand: of workload.demandFrom.
        revenue: of gates.revenuePerHourQuery.
        observed: of observeFrom, else of workload.demandFrom.preset.
        demand_max_age_seconds: older figures of the demand do not count.
        max_age_seconds: older figures of the others do not count.
        faults: why an input that the request asks for is not asked.
    """

    demand: DemandWant | None = None
    revenue: Query | None = None
    observed: ObservedWant | None = None
    demand_max_age_seconds: float = 300.0
    max_age_seconds: float = 300.0
    faults: Mapping[Input, str] = field(default_factory=dict)

    @property
    def queries(self) -> tuple[Query, ...]:
        """Everything that is asked; equal queries of several requests are one question."""
        demand = () if self.demand is None else self.demand.queries
        observed = () if self.observed is None else self.observed.queries
        return (*demand, *(() if self.revenue is None else (self.revenue,)), *observed)


NO_WANTS: Final = Wants()


def wants_of(resource: PlacementRequest, rules: QueryRules) -> Wants:
    """What a request wants to know, within what the policies allow. Never raises for what a request says.

    Args:
        resource: a request that its schema accepts.
        rules: of all policies (`api.policies.input_rules`).
    """
    spec, faults = resource.spec, dict[Input, str]()
    namespace = resource.metadata.namespace or ""
    given = spec.workload.demand_from
    demand, revenue = None, None
    if given is not None:
        demand = _or_fault(lambda: _demand(given, resource, rules), Input.DEMAND, faults)
    asked = spec.gates.revenue_per_hour_query
    if asked is not None:
        revenue = _or_fault(
            lambda: Query(expr=_own_query(asked, namespace, rules, _REVENUE_FIELD)), Input.REVENUE, faults
        )
    own_age = None if given is None or given.max_age is None else given.max_age
    return Wants(
        demand=demand,
        revenue=revenue,
        observed=_or_fault(lambda: _observed(resource), Input.TOKENS, faults),
        demand_max_age_seconds=rules.max_age_seconds if own_age is None else _seconds(own_age, "maxAge"),
        max_age_seconds=rules.max_age_seconds,
        faults=faults,
    )


def _or_fault(make: Callable[[], T], which: Input, faults: dict[Input, str]) -> T | None:
    try:
        return make()
    except InvalidRequestError as error:
        faults[which] = str(error)
        return None


def _demand(given: DemandFrom, resource: PlacementRequest, rules: QueryRules) -> DemandWant:
    window = _seconds(given.window, "window")
    points = _FORECAST_POINTS if given.statistic == "Forecast" else _POINTS
    over = Span(seconds=window, step_seconds=max(window / points, _LEAST_STEP_SECONDS))
    if given.preset is None:
        namespace = resource.metadata.namespace or ""
        return DemandWant(
            rate=Query(expr=_own_query(given.prometheus_query or "", namespace, rules, _DEMAND_FIELD), span=over)
        )
    whose = _target(resource, given.preset, given.model_name)
    preset = whose.preset
    # A mean over less than the time between two points would miss what happens between them.
    rate = whose.request_rate(max(min(window, OBSERVED_SECONDS), over.step_seconds))
    return DemandWant(
        rate=Query(expr=rate, span=over),
        input=_sizes(whose, preset.input_sizes, window),
        output=_sizes(whose, preset.output_sizes, window),
        last_seen=Query(expr=whose.last_seen(preset.requests)),
    )


def _sizes(whose: Target, metrics: tuple[str, ...], window: float) -> SizesWant:
    buckets, total = whose.sizes(metrics, window)
    return SizesWant(buckets=Query(expr=buckets), total=Query(expr=total))


def _observed(resource: PlacementRequest) -> ObservedWant | None:
    spec = resource.spec
    demand = spec.workload.demand_from
    preset, model, seconds = None, None, OBSERVED_SECONDS
    if demand is not None:
        preset, model = demand.preset, demand.model_name
        seconds = min(seconds, _seconds(demand.window, "window"))
    if spec.observe_from is not None:
        preset, model = spec.observe_from.preset, spec.observe_from.model_name
    if preset is None:
        return None
    whose = _target(resource, preset, model)
    found = whose.preset
    tokens = whose.token_rate(seconds, output_alone=TokenBasis(spec.workload.token_basis) is TokenBasis.OUTPUT)
    return ObservedWant(
        tokens=Query(expr=tokens),
        last_seen=Query(expr=whose.last_seen(found.output_tokens)),
        ttft=Query(expr=whose.latency(found.ttft, LATENCY_QUANTILE, seconds)) if found.ttft else None,
        tpot=Query(expr=whose.latency(found.tpot, LATENCY_QUANTILE, seconds)) if found.tpot else None,
    )


def _target(resource: PlacementRequest, preset: str, model_name: str | None) -> Target:
    return target(
        preset,
        namespace=resource.metadata.namespace or "",
        model=model_name or resource.spec.model.name,
        model_given=model_name is not None,
    )


def _own_query(query: str, namespace: str, rules: QueryRules, field_path: str) -> str:
    """A query that a request brings along, as it may be sent.

    Raises:
        InvalidRequestError: it may not be sent at all.
    """
    if rules.request_queries == "Forbidden":
        whose = (
            f"PlacementPolicy {rules.queries_policy} forbids" if rules.queries_policy else "no PlacementPolicy allows"
        )
        wants = "a preset, or inputs.requestQueries of a policy that allows queries"
        raise InvalidRequestError(field_path, got=f"a query, which {whose}", wants=wants)
    if rules.request_queries == "OwnNamespace":
        return in_namespace(query, namespace, field=field_path)
    return bounded(query, field=field_path)


def _seconds(text: str, name: str) -> float:
    return duration_seconds(text, field=f"spec.workload.demandFrom.{name}")
