"""What a model does: one query for the steps of its whole window, and how the answer becomes a history of each server.

The query is a subquery, so that the server's own clock counts, and its series say by the label PART what they are. A
point at time t tells of the step from t to t + step: each expression looks one step ahead of its time, so that the
newest step, which is not over yet, tells of everything until now. No expression fills a gap: a step without a sample
has no point. docs/idle.md tells it in full.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

from placewright.api.policies import InputRules
from placewright.api.resource import PlacementRequest
from placewright.core import model as core
from placewright.core.errors import InvalidRequestError
from placewright.telemetry.prometheus.activity_steps import Part, Steps
from placewright.telemetry.prometheus.answers import Answer
from placewright.telemetry.prometheus.book import UNASKED, Entry, Query, Span
from placewright.telemetry.prometheus.power import power_of, power_query
from placewright.telemetry.prometheus.presets import (
    ACTIVITY,
    GPU_UTILIZATION,
    PICKERS,
    QUEUES,
    ActivityNames,
    span,
)
from placewright.telemetry.prometheus.promql import quote, selector
from placewright.telemetry.prometheus.wants import PART, own_query

CLOCK: Final = Query(expr="time()")
"""The server's own time: one question of all requests."""

_NAME: Final = "placewright_name"
_QUEUE_FIELD: Final = "spec.idle.queue.prometheusQuery"
_HARMLESS: Final = "PromQL info:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityWant:
    """What is asked about one model.

    Attributes:
        window: the steps of all servers, and of a gateway's queue.
        queue: the requests that wait in front now; None: nobody watches.
        queue_steps: those of the window, where a query of the request tells them; None: `window` does, or nobody.
        power: what its GPUs drew, for a suggestion alone; None: nobody asks.
        step_seconds: of the steps.
    """

    window: Query
    queue: Query | None
    queue_steps: Query | None
    step_seconds: float
    power: Query | None = None

    @property
    def queries(self) -> tuple[Query, ...]:
        """Everything that is asked while the model runs."""
        return self.needed if self.power is None else (*self.needed, self.power)

    @property
    def needed(self) -> tuple[Query, ...]:
        """What must be answered."""
        return tuple(each for each in (CLOCK, self.window, self.queue, self.queue_steps) if each is not None)

    @property
    def wake_queries(self) -> tuple[Query, ...]:
        """What is asked while it is reaped: only what may wake it."""
        return () if self.queue is None else (CLOCK, self.queue)


def activity_want(
    resource: PlacementRequest, rules: InputRules, idle: core.IdleRules, *, power: bool = False
) -> ActivityWant | str:
    """Return what is asked about a request's model, or in one line why it may not be asked. Never raises.

    Args:
        resource: a request that its schema accepts.
        rules: of all policies (`api.policies.input_rules`).
        idle: when it idles (`api.acting.idle_rules`).
        power: whether somebody wants to know what its GPUs draw: where electricity has a price.
    """
    try:
        return _want(resource, rules, idle, power=power)
    except InvalidRequestError as error:
        return str(error)


def activity_of(want: ActivityWant | str, entries: Mapping[Query, Entry], *, reaped: bool = False) -> core.Activity:
    """Return what the answers tell. The caller knows the rest: replicas, their Pods, their age and owner, the traffic.

    Args:
        want: what was asked, or why nothing was.
        entries: from the book, of one cycle; what failed in it is missing, whatever was known before.
        reaped: only `wake_queries` were asked.
    """
    if isinstance(want, str):
        return core.Activity(as_of=None, fault=want)
    asked = want.wake_queries if reaped else want.needed
    fault = next((each for each in (_fault(query, entries) for query in asked) if each), "")
    as_of = None if fault or not asked else _time_of(CLOCK if reaped else want.window, entries)
    if as_of is None:
        return core.Activity(as_of=None, fault=fault or ("" if reaped else "the metrics server's time is no number"))
    now = _queue_now(want.queue, entries, as_of)
    if reaped:
        return core.Activity(as_of=as_of, queue=now)
    answer = _answer(want.window, entries)
    steps = Steps(answer, want.step_seconds, as_of)
    queue = steps.queue if want.queue_steps is None else _own_queue(_answer(want.queue_steps, entries))
    return core.Activity(
        as_of=as_of,
        servers=steps.servers,
        # The steps hold the most of each step, and the newest may be empty: what waits now stands beside them.
        queue=None if want.queue is None or queue is None or now is None else (*queue, *now),
        fault=steps.fault,
        power=None if want.power is None else power_of(want.power, entries),
    )


# ------------------------------------------------------------------------------------------------- what is asked


def _want(resource: PlacementRequest, rules: InputRules, idle: core.IdleRules, *, power: bool) -> ActivityWant:
    namespace = resource.metadata.namespace or ""
    names, model = _server(resource)
    asked = _Expressions(names=names, namespace=namespace, model=model, step=idle.step_seconds)
    parts = asked.servers()
    if idle.gpu_utilization_below_percent is not None:
        parts[Part.GPU] = asked.gpus()
    queue = None if resource.spec.idle is None else resource.spec.idle.queue
    now, steps = None, None
    if queue is not None and queue.prometheus_query is not None:
        own = own_query(queue.prometheus_query, namespace, rules, _QUEUE_FIELD)
        now, steps = Query(expr=own), Query(expr=own, span=_span(idle))
    elif queue is not None:
        parts[Part.QUEUE], parts[Part.PICKER] = asked.queue(), asked.picker()
        now = Query(expr=f"{asked.queue_now()} or {asked.picker_now()}")
    named = (f'label_replace({expr}, "{PART}", {quote(part)}, "", "")' for part, expr in parts.items())
    over = f"[{span(idle.window_seconds + 2.0 * idle.step_seconds)}:{span(idle.step_seconds)}]"
    return ActivityWant(
        window=Query(expr=f"({' or '.join(named)}){over}"),
        queue=now,
        queue_steps=steps,
        step_seconds=idle.step_seconds,
        power=power_query(namespace, asked.present_now(), idle) if power else None,
    )


def _span(idle: core.IdleRules) -> Span:
    return Span(seconds=idle.window_seconds + idle.step_seconds, step_seconds=idle.step_seconds)


def _server(resource: PlacementRequest) -> tuple[ActivityNames, str | None]:
    """The metrics' names of the model's servers, and its name in them; None: they carry none.

    Where nothing is said of idling, what is said of the demand or of what is observed counts: they ask the same
    servers.
    """
    spec = resource.spec
    preset: str | None = None if spec.idle is None else spec.idle.preset
    model = None if spec.idle is None else spec.idle.model_name
    for other in (spec.workload.demand_from, spec.observe_from):
        if other is not None and other.preset is not None and other.preset in ACTIVITY:
            preset = preset or other.preset
            model = model or (other.model_name if other.preset == preset else None)
    runtime = None if spec.render is None else spec.render.runtime
    names = ACTIVITY[preset or runtime or "vllm"]
    return names, model or (spec.model.name if names.names_model else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expressions:
    """PromQL for one point: the step that begins at the time of evaluation."""

    names: ActivityNames
    namespace: str
    model: str | None
    step: float

    def servers(self) -> dict[Part, str]:
        names = self.names
        return {
            Part.GRID: "vector(time())",
            # Two steps, so that no two samples that follow each other are looked at apart.
            Part.CHANGES: self._by_server("max", "changes", names.finished, steps=2),
            Part.FINISHED: self._finished(names.finished),
            Part.RUNNING: self._by_server("max", "max_over_time", names.running),
            Part.WAITING: self._by_server("max", "max_over_time", names.waiting),
            Part.UP: f"(min by (instance) ({self._up()}) and on (instance) ({self._present()}))",
        }

    def gpus(self) -> str:
        """The most used GPU of each Pod that serves. The exporter is a Pod too, so that labels get other names."""
        own, renamed = self._ranges([GPU_UTILIZATION], model=False)
        moved = f'label_replace(max_over_time({renamed}), "pod", "$1", "exported_pod", "(.*)")'
        most = f"(max by (pod) (max_over_time({own})) or max by (pod) ({moved}))"
        return f"({most} and on (pod) ({self._present()}))"

    def queue(self) -> str:
        return f"sum({self._tagged('max_over_time', self._queues(ranged=True))})"

    def picker(self) -> str:
        return f"max({self._tagged('max_over_time', self._ranges(PICKERS, model=False))})"

    def queue_now(self) -> str:
        return f"sum({self._tagged('', self._queues(ranged=False))})"

    def picker_now(self) -> str:
        pickers = [selector(name, labels) for name in PICKERS for labels in self._namespaces()]
        return f"0 * max({self._tagged('', pickers)})"

    def _by_server(self, aggregate: str, function: str, names: Sequence[str], steps: int = 1) -> str:
        found = self._ranges(names, model=True, steps=steps)
        return f"{aggregate} by (pod, instance) ({self._tagged(function, found)})"

    def _finished(self, names: Sequence[str]) -> str:
        """Finished requests so far, by the name that counts most of them: a new name alone is no new request."""
        found = self._tagged("last_over_time", self._ranges(names, model=True))
        return f"max by (pod, instance) (sum by (pod, instance, {_NAME}) ({found}))"

    def _up(self) -> str:
        return f"min_over_time({self._range('up', [('namespace', self.namespace)])})"

    def _present(self) -> str:
        return self._tagged("present_over_time", self._ranges(self.names.running, model=True))

    def present_now(self) -> str:
        more = [] if self.model is None else [("model_name", self.model)]
        return self._tagged(
            "", [selector(name, [*labels, *more]) for name in self.names.running for labels in self._namespaces()]
        )

    def _queues(self, *, ranged: bool) -> list[str]:
        """Of this model, or of all where the picker does not tell models apart."""
        models: list[list[tuple[str, str]]] = [[("model_name", "")]]
        if self.model is not None:
            models += [[("model_name", self.model)], [("target_model_name", self.model)]]
        found = [(name, [*labels, *more]) for name in QUEUES for labels in self._namespaces() for more in models]
        return [self._range(*each) if ranged else selector(*each) for each in found]

    def _ranges(self, names: Sequence[str], *, model: bool, steps: int = 1) -> list[str]:
        more = [("model_name", self.model)] if model and self.model is not None else []
        return [self._range(name, [*labels, *more], steps) for name in names for labels in self._namespaces()]

    def _range(self, name: str, labels: Iterable[tuple[str, str]], steps: int = 1) -> str:
        return f"{selector(name, labels)}[{span(steps * self.step)}] offset -{span(self.step)}"

    def _namespaces(self) -> list[list[tuple[str, str]]]:
        own = [("namespace", self.namespace), ("exported_namespace", "")]
        return [own, [("exported_namespace", self.namespace)]]

    @staticmethod
    def _tagged(function: str, found: Sequence[str]) -> str:
        """All of them: a tag keeps series apart that differ by the metric's name alone, of which `or` drops one."""
        return " or ".join(
            f'label_replace({function}({each}), "{_NAME}", "{index}", "", "")' for index, each in enumerate(found)
        )


# ----------------------------------------------------------------------------------------------- what is answered


def _fault(query: Query, entries: Mapping[Query, Entry]) -> str:
    """Why a query of this cycle has no whole answer; empty: it has."""
    entry = entries.get(query, UNASKED)
    if entry.fault is not None:
        return str(entry.fault)
    if entry.answer is None or entry.at is None:
        return "not asked yet"
    # A server that asks others, as Thanos does, warns when some of them did not answer.
    warning = next((each for each in entry.answer.warnings if not each.startswith(_HARMLESS)), "")
    return f"the answer may not be whole: {warning}" if warning else ""


def _answer(query: Query, entries: Mapping[Query, Entry]) -> Answer:
    answer = entries[query].answer
    assert answer is not None, "a query without an answer is a fault"
    return answer


def _time_of(query: Query, entries: Mapping[Query, Entry]) -> float | None:
    """When a query was answered, by the server's clock."""
    clock, at, clock_at = _answer(CLOCK, entries), entries[query].at, entries[CLOCK].at
    assert at is not None, "an answer has a time"
    assert clock_at is not None, "an answer has a time"
    if len(clock.series) != 1 or not clock.series[0].points:
        return None
    seen = clock.series[0].points[-1][1] + at - clock_at
    return seen if isfinite(seen) else None


def _queue_now(
    query: Query | None, entries: Mapping[Query, Entry], as_of: float
) -> tuple[tuple[float, float], ...] | None:
    """How many requests wait now; None: nobody tells, or not in one number."""
    if query is None:
        return None
    series = _answer(query, entries).series
    if len(series) != 1 or not series[0].points:
        return None
    return ((as_of, series[0].points[-1][1]),)


def _own_queue(answer: Answer) -> tuple[tuple[float, float], ...] | None:
    return answer.series[0].points if len(answer.series) == 1 else None
