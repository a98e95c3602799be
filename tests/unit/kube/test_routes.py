from dataclasses import replace
from typing import Any

import pytest

from placewright.kube.manifests import Owner, Route, render_move
from placewright.kube.routes import route_of
from tests.support.renders import SETTINGS, a_layout, a_work

Json = dict[str, Any]


@pytest.mark.parametrize("pools", [False, True])
def test_shares_are_read_back_by_unit(pools: bool) -> None:  # noqa: FBT001 - a parameter of the test
    settings = replace(SETTINGS, route=Route(gateway="public", inference_pools=pools))
    work = a_work(a_layout(weight=0.75), a_layout((16, 16), weight=0.25))
    move = render_move(work, None, settings, owner=Owner(name="chat", uid="u-1"))
    one, two = (unit.name for unit in move.units)
    found = route_of(move.shared({one: 0.75, two: 0.25, "chat-00000000": 0.0}))
    assert found.shares == {one: 0.75, two: 0.25}
    assert (found.name, found.owner_uid, found.applied) == ("chat", "u-1", move.routed)


def test_a_route_of_others_is_read_too() -> None:
    references = [{"name": "a", "weight": 0}, {"name": "b"}]
    found = route_of({"metadata": {"name": "x"}, "spec": {"rules": [{"backendRefs": references}, {}]}})
    assert (found.shares, found.owner_uid, found.applied) == ({"b": 1.0}, "", "")
    assert route_of({"metadata": {"name": "x"}}).shares == {}
