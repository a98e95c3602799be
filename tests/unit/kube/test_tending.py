from dataclasses import replace
from typing import Any

import pytest

from placewright.kube.manifests import Owner, Route, render_move
from placewright.kube.routes import route_of
from placewright.kube.tending import needs_tending, same_request, strays_of
from placewright.kube.workloads import workload_of
from tests.support.renders import SETTINGS, a_work

Json = dict[str, Any]

OWNER = Owner(name="chat", uid="u-1")
ROUTED = replace(SETTINGS, route=Route(gateway="public"))
MOVE = render_move(a_work(), None, ROUTED, owner=OWNER)
NAME = MOVE.units[0].name
STANDS = {NAME: workload_of("Deployment", MOVE.workload(NAME, 1, {}))}
SHARED = route_of(MOVE.shared({NAME: 1.0}))


def test_what_stands_as_wanted_needs_nothing() -> None:
    assert not needs_tending(MOVE, STANDS, SHARED, ())
    assert not needs_tending(MOVE, {}, None, ())
    assert not needs_tending(None, STANDS, SHARED, ())


def test_labels_and_pieces_are_brought_up_to_date_unless_an_action_does_or_pods_would_start_anew() -> None:
    label = render_move(a_work(plan_id="p-2"), None, ROUTED, owner=OWNER)
    assert needs_tending(label, STANDS, SHARED, ())
    assert not needs_tending(label, STANDS, SHARED, {NAME})
    assert not needs_tending(label, {NAME: replace(STANDS[NAME], going=True)}, SHARED, ())
    image = render_move(a_work(), None, replace(ROUTED, image="example.com/engine:2"), owner=OWNER)
    assert not needs_tending(image, STANDS, SHARED, ())


def test_a_route_that_changed_or_is_not_wanted_is_tended() -> None:
    other = render_move(a_work(), None, replace(ROUTED, route=Route(gateway="other")), owner=OWNER)
    assert needs_tending(other, STANDS, SHARED, ())
    none = render_move(a_work(), None, SETTINGS, owner=OWNER)
    assert needs_tending(none, {}, SHARED, ())


@pytest.mark.parametrize(
    ("route", "strays"),
    [
        (None, [("HTTPRoute", "chat"), ("Service", f"{NAME}-http"), ("InferencePool", NAME)]),
        (Route(gateway="public"), [("Service", "chat"), ("InferencePool", NAME)]),
        (Route(gateway="public", inference_pools=True), [("Service", "chat"), ("Service", f"{NAME}-http")]),
    ],
)
def test_each_way_in_leaves_what_the_others_do_not_want(route: Route | None, strays: list[tuple[str, str]]) -> None:
    move = render_move(a_work(), None, replace(SETTINGS, route=route), owner=OWNER)
    assert strays_of(move, STANDS) == strays


def request(**changes: Any) -> Json:
    annotations = {"placewright.dev/wake": "1", "other": "x", **changes.pop("annotations", {})}
    metadata = {"uid": "u-1", "generation": 2, "resourceVersion": "1", "annotations": annotations}
    status = {
        "plan": {"id": "p-1", "state": "Approved"},
        "ramp": {"planId": "p-1", "phase": "Progressing", "percent": 10},
    }
    return {"metadata": metadata | changes.pop("metadata", {}), "status": status | changes.pop("status", {})}


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": {"uid": "u-2"}},
        {"metadata": {"generation": 3}},
        {"metadata": {"deletionTimestamp": "2026-11-21T10:00:00Z"}},
        {"annotations": {"placewright.dev/pause": "why"}},
        {"annotations": {"placewright.dev/wake": "2"}},
        {"status": {"plan": {"id": "p-2", "state": "Approved"}}},
        {"status": {"ramp": {"planId": "p-1", "phase": "Progressing", "percent": 50}}},
        {"status": {"plan": None}},
    ],
)
def test_what_a_decision_depends_on_makes_it_another_request(changes: Json) -> None:
    assert not same_request(request(), request(**changes))


def test_what_no_decision_depends_on_does_not() -> None:
    changed = request(metadata={"resourceVersion": "9"}, annotations={"other": "y"}, status={"idle": {"state": "Idle"}})
    assert same_request(request(), changed)
