"""What is asked of a model's activity, and how answers of every kind become a history; doubt is never idle."""

from dataclasses import replace
from math import nan
from typing import Any

import promql_parser
import pytest

from placewright.api.policies import InputRules
from placewright.core.model import Activity, IdlePolicy, IdleRules, Slot
from placewright.telemetry.prometheus.activity import CLOCK, ActivityWant, activity_of, activity_want
from placewright.telemetry.prometheus.answers import Answer, Series
from placewright.telemetry.prometheus.book import Entry, Query
from placewright.telemetry.prometheus.faults import FaultKind, QueryError
from tests.support.live_requests import ANY_QUERY, FORBIDDEN, OWN_NAMESPACE, asking

RULES = IdleRules(policy=IdlePolicy.SCALE_TO_ZERO, after_seconds=300.0, announce_seconds=60.0)
STEP = RULES.step_seconds
NOW = 6_000_010.0
GRID = tuple(5_999_580.0 + index * STEP for index in range(8))  # the newest step began ten seconds ago
STRANGE = 'a "quoted" \\ model\nof {two} lines'


def want(rules: InputRules = FORBIDDEN, idle_rules: IdleRules = RULES, **spec: Any) -> ActivityWant:
    found = activity_want(asking(**spec), rules, idle_rules)
    assert isinstance(found, ActivityWant), found
    return found


def series(
    part: str, value: float = 0.0, *, without: tuple[float, ...] = (), pod: str = "chat-0", **more: Any
) -> Series:
    labels = {"placewright_part": part, "instance": f"{pod}:8000", **({} if part == "up" else {"pod": pod})} | more
    return Series(labels=labels, points=tuple((at, value) for at in GRID if at not in without))


def server(**more: Any) -> list[Series]:
    return [
        series("changes", **more),
        series("finished", 7.0, **more),
        series("running", **more),
        series("waiting", **more),
        series("up", 1.0, **more),
    ]


CLOCKS = Series(labels={"placewright_part": "grid"}, points=tuple((at, at) for at in GRID))


def told(*found: Series, asked: ActivityWant | None = None, **more: Any) -> Activity:
    asked = asked or want()
    clock = Answer(series=(Series(labels={}, points=((NOW, NOW),)),))
    entries = {
        CLOCK: Entry(answer=clock, at=NOW - 3.0),  # the operator's clock is three seconds behind
        asked.window: Entry(answer=Answer(series=found, **more), at=NOW - 3.0),
    }
    return activity_of(asked, entries)


def slots(*found: Series) -> dict[float, Slot]:
    (history,) = told(CLOCKS, *found).servers
    return {slot.at: slot for slot in history.slots}


# ------------------------------------------------------------------------------------------------------ what is asked


@pytest.mark.parametrize("model", ["own/model", STRANGE])
@pytest.mark.parametrize("preset", ["vllm", "sglang", "tgi"])
def test_names_of_people_are_quoted(preset: str, model: str) -> None:
    found = want(namespace="serving", idle={"preset": preset, "modelName": model})
    tree = promql_parser.parse(found.window.expr)
    assert isinstance(tree, promql_parser.SubqueryExpr)
    nodes: list[Any] = []
    promql_parser.walk(tree, pre_visit=nodes.append)
    selectors = [node for node in nodes if isinstance(node, promql_parser.VectorSelector)]
    values = {(each.name, each.value) for node in selectors for each in node.matchers.matchers}
    names = {name for name, _ in values}
    assert names <= {"namespace", "exported_namespace", "model_name"}
    assert {value for name, value in values if name == "model_name"} == {model}
    assert {value for name, value in values if name == "namespace"} == {"serving"}


def metrics(found: ActivityWant) -> str:
    return found.window.expr


ASKED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "vllm:num_requests_running{", 'model_name="own/model"'),
    ({"idle": {}, "render": {"runtime": "sglang"}}, "sglang:num_queue_reqs{", 'model_name="own/model"'),
    ({"render": {"runtime": "triton"}}, "trtllm_num_requests_waiting{", 'model_name="own/model"'),
    ({"idle": {"preset": "vllm"}, "render": {"runtime": "sglang"}}, "vllm:request_success_total{", ""),
    ({"demand_from": {"preset": "sglang", "modelName": "m"}}, "sglang_num_requests_total{", 'model_name="m"'),
    ({"observe_from": {"preset": "tgi"}}, "tgi_queue_size{", ""),
    ({"demand_from": {"preset": "gateway", "modelName": "m"}}, "vllm:request_success_total{", 'model_name="own/model"'),
]


@pytest.mark.parametrize(("spec", "metric", "model"), ASKED)
def test_the_servers_are_those_that_the_request_names(spec: dict[str, Any], metric: str, model: str) -> None:
    given = {"observeFrom" if name == "observe_from" else name: value for name, value in spec.items()}
    expr = metrics(want(model={"name": "own/model"} | _architecture(), **given))
    assert metric in expr
    assert model in expr


def _architecture() -> dict[str, Any]:
    return {
        name: value
        for name, value in asking().spec.model.model_dump(by_alias=True).items()
        if value is not None and name != "name"
    }


def test_gpus_and_queues_are_asked_where_they_are_wanted() -> None:
    assert "DCGM" not in want().window.expr
    assert "DCGM_FI_DEV_GPU_UTIL" in want(idle_rules=replace(RULES, gpu_utilization_below_percent=20.0)).window.expr
    plain = want()
    assert (plain.queue, plain.queries, plain.wake_queries) == (None, (CLOCK, plain.window), ())
    gateway = want(idle={"queue": {"preset": "gateway"}})
    assert gateway.queue is not None
    assert "llm_d_epp_flow_control_queue_size" in gateway.queue.expr
    assert "inference_extension_flow_control_queue_size" in gateway.window.expr
    assert gateway.wake_queries == (CLOCK, gateway.queue)


def test_a_query_of_the_request_is_held_to_what_policies_allow() -> None:
    own = {"queue": {"prometheusQuery": "sum(waiting)"}}
    fault = activity_want(asking(namespace="serving", idle=own), FORBIDDEN, RULES)
    assert isinstance(fault, str)
    assert fault.startswith("spec.idle.queue.prometheusQuery: got a query, which no PlacementPolicy allows")
    assert activity_of(fault, {}) == Activity(as_of=None, fault=fault)
    held = want(OWN_NAMESPACE, namespace="serving", idle=own)
    assert held.queue is not None
    assert 'namespace="serving"' in held.queue.expr
    free = want(ANY_QUERY, namespace="serving", idle=own)
    assert free.queue == Query(expr="sum(waiting)")
    assert free.queue_steps is not None
    assert (free.queue_steps.expr, free.queue_steps.span is None) == ("sum(waiting)", False)


# --------------------------------------------------------------------------------------------------- what is answered


def test_a_whole_answer_is_a_history_of_every_step() -> None:
    found = told(CLOCKS, *server(), *server(pod="chat-1"))
    assert (found.as_of, found.fault) == (NOW, "")
    assert [each.server for each in found.servers] == ["chat-0", "chat-1"]
    ends = [slot.at for slot in found.servers[0].slots]
    assert ends == [*(at + STEP for at in GRID[:-1]), NOW]  # the newest step ends with the answer
    assert all(
        (slot.finished, slot.running, slot.waiting, slot.up) == (False, 0.0, 0.0, True)
        for slot in found.servers[0].slots
    )


def test_a_step_that_has_only_begun_may_be_empty_and_no_other() -> None:
    newest = slots(*server(without=(GRID[-1],)))
    assert len(newest) == len(GRID) - 1
    earlier = slots(*server(without=(GRID[3],)))
    assert earlier[GRID[3] + STEP] == Slot(at=GRID[3] + STEP)


@pytest.mark.parametrize("part", ["changes", "finished", "running", "waiting", "up"])
def test_what_one_metric_does_not_tell_is_not_known(part: str) -> None:
    whole = server()
    index = ["changes", "finished", "running", "waiting", "up"].index(part)
    value = whole[index].points[0][1]
    whole[index] = series(part, value, without=(GRID[2],))
    slot = slots(*whole)[GRID[2] + STEP]
    name = "finished" if part in ("changes", "finished") else part
    assert getattr(slot, name) is None


def test_a_change_a_new_series_and_a_reset_are_finished_requests() -> None:
    def finished(*points: tuple[str, int, float]) -> set[int]:
        whole = server()
        for part, at, value in points:
            index = 0 if part == "changes" else 1
            moved = tuple((time, value if time == GRID[at] else old) for time, old in whole[index].points)
            whole[index] = replace(whole[index], points=moved)
        return {index for index, at in enumerate(GRID) if slots(*whole)[min(at + STEP, NOW)].finished}

    assert finished(("changes", 3, 1.0)) == {3}
    assert finished(("finished", 3, 8.0)) == {3, 4}  # more, and less again
    assert finished(("changes", 2, nan)) == {2}
    assert finished() == set()


def test_one_pod_at_two_addresses_must_tell_everything_twice() -> None:
    other = {"instance": "chat-0:9000"}
    both = slots(*server(), *server(**other, without=(GRID[2],)))[GRID[2] + STEP]
    assert (both.finished, both.running, both.up) == (None, None, None)
    busy = [*server(), *server(**other)]
    busy[7] = series("running", 2.0, **other)
    assert slots(*busy)[GRID[2] + STEP].running == 2.0
    failing = [*server(), *server(**other)]
    failing[9] = series("up", 0.0, **other)
    assert slots(*failing)[GRID[2] + STEP].up is False


def test_a_server_without_a_pod_is_known_by_its_address() -> None:
    nameless = [replace(each, labels={k: v for k, v in each.labels.items() if k != "pod"}) for each in server()]
    (history,) = told(CLOCKS, *nameless).servers
    assert history.server == "chat-0:8000"
    assert all(slot.finished is False for slot in history.slots)


def test_gpus_are_those_of_the_pod() -> None:
    found = told(CLOCKS, *server(), *server(pod="chat-1"), series("gpu", 35.0))
    assert [each.slots[0].gpu_utilization_percent for each in found.servers] == [35.0, None]


BROKEN = QueryError(FaultKind.TIMEOUT, "no answer in 10 s")


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (Entry(answer=Answer(series=(CLOCKS,)), at=NOW, fault=BROKEN), "Timeout: no answer in 10 s"),
        (Entry(fault=BROKEN), "Timeout: no answer in 10 s"),
        (Entry(), "not asked yet"),
        (
            Entry(answer=Answer(series=(CLOCKS,), warnings=("store x is away",)), at=NOW),
            "the answer may not be whole: store x is away",
        ),
    ],
)
@pytest.mark.parametrize("which", ["window", "clock"])
def test_an_answer_that_is_not_whole_or_of_another_cycle_is_none(entry: Entry, fault: str, which: str) -> None:
    good = Entry(answer=Answer(series=(CLOCKS,)), at=NOW)
    asked = want()
    entries = {asked.window: good, CLOCK: good} | {asked.window if which == "window" else CLOCK: entry}
    assert activity_of(asked, entries) == Activity(as_of=None, fault=fault)


def test_a_hint_on_the_query_is_no_warning() -> None:
    assert told(CLOCKS, *server(), warnings=("PromQL info: metric might not be a counter",)).fault == ""


def test_an_answer_without_its_own_times_tells_nothing() -> None:
    assert told(*server()).fault == "the answer does not tell its own times"
    assert told().servers == ()


@pytest.mark.parametrize("points", [(), ((NOW, nan),)])
def test_a_server_without_a_clock_tells_nothing(points: tuple[tuple[float, float], ...]) -> None:
    asked = want()
    clock = Answer(series=(Series(labels={}, points=points),))
    entries = {CLOCK: Entry(answer=clock, at=NOW), asked.window: Entry(answer=Answer(series=(CLOCKS,)), at=NOW)}
    assert activity_of(asked, entries) == Activity(as_of=None, fault="the metrics server's time is no number")


def test_a_picker_without_a_waiting_request_is_an_empty_queue() -> None:
    asked = want(idle={"queue": {"preset": "gateway"}})
    assert asked.queue is not None

    def queue(now: tuple[Series, ...], *found: Series) -> tuple[tuple[float, float], ...] | None:
        entries = {
            query: Entry(answer=Answer(series=each), at=NOW)
            for query, each in (
                (CLOCK, (Series(labels={}, points=((NOW, NOW),)),)),
                (asked.window, (CLOCKS, *server(), *found)),
                (asked.queue, now),
            )
            if query is not None
        }
        assert activity_of(asked, entries, reaped=True).queue == (((NOW, now[0].points[0][1]),) if now else None)
        return activity_of(asked, entries).queue

    zero, three = ((Series(labels={}, points=((NOW, value),)),) for value in (0.0, 3.0))
    picker = Series(labels={"placewright_part": "picker"}, points=tuple((at, 1.0) for at in GRID))
    waited = Series(labels={"placewright_part": "queue"}, points=((GRID[4], 2.0),))
    found = queue(zero, picker, waited)
    assert found is not None
    assert dict(found)[GRID[4] + STEP] == 2.0
    assert {value for at, value in found if at != GRID[4] + STEP} == {0.0}
    assert queue(three, picker) is not None
    assert (NOW, 3.0) in (queue(three, picker) or ())
    assert queue(zero) is None  # nobody was there to tell
    assert queue((), picker) is None


def test_a_queue_in_several_numbers_is_none() -> None:
    asked = want(ANY_QUERY, idle={"queue": {"prometheusQuery": "waiting"}})
    assert asked.queue is not None
    several = Answer(series=tuple(Series(labels={"pod": pod}, points=((NOW, 0.0),)) for pod in ("a", "b")))
    clock = Answer(series=(Series(labels={}, points=((NOW, NOW),)),))
    entries = {CLOCK: Entry(answer=clock, at=NOW), asked.queue: Entry(answer=several, at=NOW)}
    assert activity_of(asked, entries, reaped=True) == Activity(as_of=NOW)
