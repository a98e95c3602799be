"""What stands in for a Prometheus in the demo: what the operator reads from its answers follows from what happened."""

import http.client
import json
import urllib.parse
from typing import Any

import pytest
import yaml

from demo.model_server import ModelServer, answer, is_activity
from demo.stand_in import StandIn
from demo.story import ROOT
from placewright.api.acting import idle_rules
from placewright.api.parse import parse
from placewright.api.policies import input_rules
from placewright.core.model import ServerHistory
from placewright.telemetry.prometheus.activity import ActivityWant, activity_of, activity_want
from placewright.telemetry.prometheus.answers import Answer, Series
from placewright.telemetry.prometheus.book import Entry, Query

NOW = 1_700_000_001.3
MODEL = "meta-llama/Llama-3.1-8B-Instruct"


def want(**idle: Any) -> ActivityWant:
    """What the operator asks of the demo's idle model."""
    body = yaml.safe_load((ROOT / "demo" / "idle" / "helpdesk.yaml").read_text(encoding="utf-8"))
    body["spec"]["idle"].update(idle)
    resource = parse(body)
    found = activity_want(resource, input_rules(()), idle_rules(resource.spec, ()))
    assert isinstance(found, ActivityWant)
    return found


def a_server(**more: Any) -> ModelServer:
    labels = {"namespace": "quiet", "pod": "helpdesk-0", "instance": "10.0.0.1:8000", "model": MODEL}
    return ModelServer(**{**labels, "began": NOW - 60.0, **more})


def histories(*servers: ModelServer, now: float = NOW) -> tuple[ServerHistory, ...]:
    """What the operator makes of the answer."""
    asked = want()
    told = [
        Series(labels=one["metric"], points=tuple((at, float(value)) for at, value in one["values"]))
        for one in answer(asked.window.expr, servers, now)
    ]
    clock = Answer(series=(Series(labels={}, points=((now, now),)),))
    entries = {
        query: Entry(answer=clock if query == Query(expr="time()") else Answer(series=tuple(told)), at=now)
        for query in asked.queries
    }
    return activity_of(asked, entries).servers


def test_the_operators_question_is_known() -> None:
    assert is_activity(want().window.expr)
    assert is_activity(want(gpuUtilizationBelowPercent=5).window.expr)
    assert not is_activity("sum(shop_revenue_usd_per_hour)")


def test_work_shows_in_the_steps_in_which_it_was() -> None:
    server = a_server()
    server.works(NOW - 60.0, NOW - 5.0)
    (history,) = histories(server)

    assert history.server == "helpdesk-0"
    assert all(slot.up is True and slot.waiting == 0.0 for slot in history.slots)
    worked = {slot.at: (slot.finished, (slot.running or 0.0) > 0.0) for slot in history.slots}
    rested = {at: told for at, told in worked.items() if at - 2.0 > NOW - 5.0}
    assert len(rested) >= 2
    assert all(not running for _, running in rested.values())
    assert worked[max(rested)] == (False, False)
    assert all(told == (True, True) for at, told in worked.items() if at <= NOW - 5.0)


def test_who_rests_from_now_on_rests_and_may_work_again() -> None:
    server = a_server()
    server.works(NOW - 60.0)
    server.rests(NOW - 30.0)
    (resting,) = histories(server)
    server.works(NOW - 3.0)
    (working,) = histories(server)

    assert [(slot.finished, slot.running) for slot in resting.slots] == [(False, 0.0)] * len(resting.slots)
    assert len(resting.slots) >= 6
    assert [slot.finished for slot in working.slots][-1] is True


def test_what_was_not_scraped_yet_is_no_idle_history() -> None:
    (history,) = histories(a_server(began=NOW - 3.0))
    assert [slot.running for slot in history.slots][:3] == [None, None, None]


@pytest.mark.parametrize("other", [{"namespace": "elsewhere"}, {"model": "another"}])
def test_servers_of_others_are_not_told(other: dict[str, str]) -> None:
    assert [each.server for each in histories(a_server(**other), a_server(pod="ours"))] == ["ours"]


def ask(stand_in: StandIn, expr: str, path: str = "/api/v1/query") -> tuple[int, Any]:
    connection = http.client.HTTPConnection(stand_in.url.removeprefix("http://"), timeout=30)
    try:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", path, urllib.parse.urlencode({"query": expr}), form)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_it_answers_what_it_has_and_refuses_all_else() -> None:
    with StandIn(12.5) as stand_in:
        stand_in.servers = (a_server(),)
        revenue = ask(stand_in, 'sum(shop_revenue_usd_per_hour{namespace="dollars"})')[1]["data"]["result"]
        assert revenue[0]["value"][1] == "12.5"
        at, text = ask(stand_in, "time()")[1]["data"]["result"]
        assert float(text) == at
        assert ask(stand_in, want().window.expr)[1]["data"]["resultType"] == "matrix"
        assert ask(stand_in, "vllm:num_requests_running")[0] == 400
        assert ask(stand_in, "time()", "/api/v1/query_range")[0] == 400
