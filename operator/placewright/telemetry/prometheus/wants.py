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
from placewright.telemetry.prometheus.promql import bounded, in_namespace, quote

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


class Figure(StrEnum):
    """The parts of the one instant query of a request: the value of the label PART of their series."""

    DEMAND_SEEN = "demand-seen"  # Unix time of the newest sample behind the rate of requests
    INPUT_BUCKETS = "input-buckets"  # requests per second by bucket, and tokens per second
    INPUT_TOTAL = "input-total"
    OUTPUT_BUCKETS = "output-buckets"
    OUTPUT_TOTAL = "output-total"
    TOKENS = "tokens"  # served per second
    TOKENS_SEEN = "tokens-seen"
    TTFT = "ttft"
    TPOT = "tpot"


PART: Final = "placewright_part"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandWant:
    """The requests per second over the window; with a preset their sizes and when a sample came last, in `figures`."""

    rate: Query
    figures: Query | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedWant:
    """What the model really serves, in `figures`: tokens per second, when a sample came last, and what latencies."""

    figures: Query
    latencies: tuple[Figure, ...] = ()


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
        """Everything that is asked, at most three queries; equal ones of several requests are one question."""
        demand = () if self.demand is None else (self.demand.rate, self.demand.figures)
        observed = () if self.observed is None else (self.observed.figures,)
        return tuple(dict.fromkeys(each for each in (*demand, self.revenue, *observed) if each is not None))


NO_WANTS: Final = Wants()


def wants_of(resource: PlacementRequest, rules: QueryRules) -> Wants:
    """What a request wants to know, within what the policies allow. Never raises for what a request says.

    Args:
        resource: a request that its schema accepts.
        rules: of all policies (`api.policies.input_rules`).
    """
    spec, faults = resource.spec, dict[Input, str]()
    given, asked = spec.workload.demand_from, spec.gates.revenue_per_hour_query
    namespace = resource.metadata.namespace or ""
    rate, revenue = None, None
    if given is not None:
        rate = _or_fault(lambda: _rate(given, resource, rules), Input.DEMAND, faults)
    if asked is not None:
        revenue = _or_fault(
            lambda: Query(expr=own_query(asked, namespace, rules, _REVENUE_FIELD)), Input.REVENUE, faults
        )
    sizes = {} if given is None else _sizes(given, resource)
    served = _served(resource)
    # One query for all of them: a thousand requests must not mean ten thousand round trips.
    figures = _joined({**sizes, **served}) if sizes or served else None
    own_age = None if given is None else given.max_age
    return Wants(
        demand=None if rate is None else DemandWant(rate=rate, figures=figures if sizes else None),
        revenue=revenue,
        observed=None if figures is None or not served else ObservedWant(figures=figures, latencies=_latencies(served)),
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


def _joined(parts: Mapping[Figure, str]) -> Query:
    """One query whose series say by a label what they are."""
    named = (f'label_replace({expr}, "{PART}", {quote(part)}, "", "")' for part, expr in parts.items())
    return Query(expr=" or ".join(named))


def _rate(given: DemandFrom, resource: PlacementRequest, rules: QueryRules) -> Query:
    window = _seconds(given.window, "window")
    points = _FORECAST_POINTS if given.statistic == "Forecast" else _POINTS
    over = Span(seconds=window, step_seconds=max(window / points, _LEAST_STEP_SECONDS))
    if given.preset is None:
        namespace = resource.metadata.namespace or ""
        return Query(expr=own_query(given.prometheus_query or "", namespace, rules, _DEMAND_FIELD), span=over)
    # A mean over less than the time between two points would miss what happens between them.
    mean = max(min(window, OBSERVED_SECONDS), over.step_seconds)
    return Query(expr=_target(resource, given.preset, given.model_name).request_rate(mean), span=over)


def _sizes(given: DemandFrom, resource: PlacementRequest) -> dict[Figure, str]:
    if given.preset is None:
        return {}
    whose, window = _target(resource, given.preset, given.model_name), _seconds(given.window, "window")
    input_buckets, input_total = whose.sizes(whose.preset.input_sizes, window)
    output_buckets, output_total = whose.sizes(whose.preset.output_sizes, window)
    return {
        Figure.DEMAND_SEEN: whose.last_seen(whose.preset.requests),
        Figure.INPUT_BUCKETS: input_buckets,
        Figure.INPUT_TOTAL: input_total,
        Figure.OUTPUT_BUCKETS: output_buckets,
        Figure.OUTPUT_TOTAL: output_total,
    }


def _served(resource: PlacementRequest) -> dict[Figure, str]:
    """What is observed: by observeFrom, else by the preset of the demand; nothing where neither is there."""
    spec = resource.spec
    demand, observe = spec.workload.demand_from, spec.observe_from
    seconds = OBSERVED_SECONDS if demand is None else min(OBSERVED_SECONDS, _seconds(demand.window, "window"))
    if observe is not None:
        whose = _target(resource, observe.preset, observe.model_name)
    elif demand is not None and demand.preset is not None:
        whose = _target(resource, demand.preset, demand.model_name)
    else:
        return {}
    found, output_alone = whose.preset, TokenBasis(spec.workload.token_basis) is TokenBasis.OUTPUT
    latencies = {Figure.TTFT: found.ttft, Figure.TPOT: found.tpot}
    return {
        Figure.TOKENS: whose.token_rate(seconds, output_alone=output_alone),
        Figure.TOKENS_SEEN: whose.last_seen(found.output_tokens),
        **{part: whose.latency(names, LATENCY_QUANTILE, seconds) for part, names in latencies.items() if names},
    }


def _latencies(served: Mapping[Figure, str]) -> tuple[Figure, ...]:
    return tuple(part for part in (Figure.TTFT, Figure.TPOT) if part in served)


def _target(resource: PlacementRequest, preset: str, model_name: str | None) -> Target:
    return target(
        preset,
        namespace=resource.metadata.namespace or "",
        model=model_name or resource.spec.model.name,
        model_given=model_name is not None,
    )


def own_query(query: str, namespace: str, rules: QueryRules, field_path: str) -> str:
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
