from dataclasses import replace
from typing import Any

import pytest

from placewright.core.model import Unit
from placewright.kube.manifests import Owner, RenderRefusedError, Route, Settings, Work, render, render_move, units_of
from placewright.kube.manifests.moves import Move
from tests.support.renders import SETTINGS, a_layout, a_site, a_work, tolerant

Json = dict[str, Any]

OWNER = Owner(name="chat", uid="u-1")
ROUTED = replace(SETTINGS, route=Route(gateway="public", hostnames=("chat.example.com",)))
POOLED = replace(SETTINGS, route=Route(gateway="public", inference_pools=True))
TWO = (a_layout(weight=0.75, replicas=3), a_layout((16, 16), weight=0.25))


def a_move(work: Work, settings: Settings = SETTINGS, before: Work | None = None, **given: Any) -> Move:
    return render_move(work, before, settings, owner=OWNER, **given)


def objects_of(move: Move) -> list[Json]:
    """All objects of a move as they are applied."""
    found: dict[tuple[str, str], Json] = {}
    for unit in move.units:
        for body in (*move.rendered[unit.name].pieces, move.workload(unit.name, unit.replicas, {})):
            found[body["kind"], body["metadata"]["name"]] = body
    if move.route is not None:
        body = move.shared({unit.name: unit.weight for unit in move.units})
        found[body["kind"], body["metadata"]["name"]] = body
    return list(found.values())


def ordered(bodies: list[Json]) -> list[Json]:
    """By kind and name; a route lists its backends in the order of layouts, or of names."""
    for body in bodies:
        for rule in body["spec"].get("rules") or ():
            rule["backendRefs"].sort(key=lambda each: str(each["name"]))
    return sorted(bodies, key=lambda body: (body["kind"], body["metadata"]["name"]))


def bare(body: Json) -> Json:
    """Without what acting adds: whose it is, and digests."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in ("annotations", "ownerReferences")}
    labels = {key: value for key, value in metadata["labels"].items() if key != "placewright.dev/plan"}
    return {**body, "metadata": {**metadata, "labels": labels}}


@pytest.mark.parametrize("settings", [SETTINGS, ROUTED, POOLED, replace(SETTINGS, runtime="sglang")])
@pytest.mark.parametrize("layouts", [(a_layout(),), (a_layout((16, 16), degree=4, replicas=2),), TWO])
def test_what_is_acted_is_what_is_rendered(settings: Settings, layouts: Any) -> None:
    if len(layouts) > 1 and settings.route is None:
        settings = replace(settings, route=ROUTED.route)
    work = a_work(*layouts)
    rendered = render(work, settings)
    move = a_move(work, settings)
    assert ordered([bare(body) for body in objects_of(move)]) == ordered([bare(body) for body in rendered])
    for body in objects_of(move):
        assert body["metadata"]["ownerReferences"] == [OWNER.reference]
        assert body["metadata"]["annotations"]["placewright.dev/applied"]
    assert objects_of(a_move(work, settings)) == objects_of(move)


def test_files_are_a_piece_of_their_unit() -> None:
    move = a_move(a_work(), replace(SETTINGS, runtime="triton"))
    (unit,) = move.units
    assert [body["kind"] for body in move.rendered[unit.name].pieces] == ["ConfigMap", "Service"]


@pytest.mark.parametrize(
    ("layout", "sites", "pools"),
    [
        (a_layout(), [a_site()], {"l40s": ((2, 1),)}),
        (a_layout((16, 16)), [a_site()], {"l40s": ((4, 1),)}),
        (a_layout((16, 16), degree=4), [a_site()], {"l40s": ((4, 2),)}),
        (
            a_layout((16, 16), degree=4, pools=("l40s", "a10")),
            [a_site(), a_site("a10", gpu="A10")],
            {"l40s": ((4, 1),), "a10": ((4, 1),)},
        ),
    ],
)
def test_units_tell_their_pods_by_pool(layout: Any, sites: Any, pools: Any) -> None:
    work = a_work(layout, sites=sites)
    (unit,) = units_of(work, SETTINGS)
    (rendered, *_) = [each for each in render(work, SETTINGS) if each["kind"] in ("Deployment", "LeaderWorkerSet")]
    assert unit == Unit(name=rendered["metadata"]["name"], replicas=1, weight=1.0, pools=unit.pools)
    assert unit.pools == pools
    assert (unit,) == a_move(work).units


def test_a_unit_that_stands_keeps_its_pods_when_nodes_fill_up() -> None:
    layout = a_layout((8, 8, 8, 8))
    roomy, full = a_work(layout, sites=[a_site(rooms=(4, 4))]), a_work(layout, sites=[a_site(rooms=(2, 2, 2, 2))])
    (together,), (apart,) = units_of(roomy, SETTINGS), units_of(full, SETTINGS)
    assert (together.pools, apart.pools) == ({"l40s": ((4, 2),)}, {"l40s": ((2, 4),)})
    assert units_of(full, SETTINGS, standing=[together.name, "chat-other"]) == (together,)
    assert a_move(full, standing={together.name}).units == (together,)
    assert units_of(roomy, SETTINGS, standing={apart.name}) == (apart,)
    both = {apart.name, together.name}  # always the same of the two, whatever room there is
    assert units_of(roomy, SETTINGS, standing=both) == units_of(full, SETTINGS, standing=both) == (together,)


def test_a_ramp_has_the_units_of_both_plans() -> None:
    now, before = a_work(a_layout((16, 16))), a_work(plan_id="p-before")
    move = a_move(now, ROUTED, before)
    (new,), (old,) = move.units, move.before
    assert set(move.rendered) == {new.name, old.name}
    body = move.shared({new.name: 0.1, old.name: 0.9})
    weights = {each["name"]: each["weight"] for each in body["spec"]["rules"][0]["backendRefs"]}
    assert weights == {f"{new.name}-http": 1000, f"{old.name}-http": 9000}
    labels = move.rendered[old.name].workload["metadata"]["labels"]
    assert labels["placewright.dev/plan"] == "p-before"


def test_a_ramp_without_a_route_is_refused() -> None:
    with pytest.raises(RenderRefusedError) as caught:
        a_move(a_work(a_layout((16, 16))), SETTINGS, a_work())
    assert str(caught.value) == (
        "a ramp shares the traffic between two plans by weight, which a Service cannot do:"
        " give spec.render.route with the name of a Gateway, or leave out spec.ramp"
    )


def test_a_unit_of_both_plans_is_rendered_for_the_present_one() -> None:
    move = a_move(a_work(a_layout(replicas=3)), ROUTED, a_work(a_layout(replicas=2), plan_id="p-before"))
    (unit,), (before,) = move.units, move.before
    assert (unit.name, unit.replicas, before.name, before.replicas) == (unit.name, 3, unit.name, 2)
    assert move.rendered[unit.name].workload["metadata"]["labels"]["placewright.dev/plan"] == "p-0123456789"


def test_digests_tell_what_has_to_be_done() -> None:
    move = a_move(a_work(), ROUTED)
    name = move.units[0].name

    def differs(**given: Any) -> tuple[bool, bool, bool]:
        other = a_move(**{"work": a_work(), "settings": ROUTED, **given})
        rendered, mine = other.rendered[name], move.rendered[name]
        return (rendered.template != mine.template, rendered.applied != mine.applied, other.routed != move.routed)

    assert differs() == (False, False, False)
    assert differs(work=a_work(a_layout(replicas=7))) == (False, False, False)
    assert differs(work=a_work(plan_id="p-2")) == (False, True, False)
    assert differs(work=a_work(sites=(tolerant(),))) == (True, True, False)
    assert differs(settings=replace(ROUTED, route=Route(gateway="other"))) == (False, False, True)
    assert differs(settings=SETTINGS) == (False, True, True)


@pytest.mark.parametrize(
    "changed",
    [
        {"image": "example.com/engine:2"},
        {"models": {"bf16": "own/weights"}},
        {"cache_claim": "models"},
        {"token_secret": "hugging-face"},
        {"start_seconds": 60.0},
    ],
)
def test_what_the_user_starts_pods_with_makes_another_unit(changed: dict[str, Any]) -> None:
    (old,), (new,) = a_move(a_work(), ROUTED).units, a_move(a_work(), replace(ROUTED, **changed)).units
    assert new.name != old.name
    assert replace(new, name=old.name) == old


def test_a_number_that_something_else_sets_is_left_out() -> None:
    move = a_move(a_work())
    name = move.units[0].name
    assert "replicas" not in move.workload(name, None, {})["spec"]
    body = move.workload(name, 0, {"placewright.dev/replicas-before": "3"})
    assert body["spec"]["replicas"] == 0
    assert body["metadata"]["annotations"]["placewright.dev/replicas-before"] == "3"
    assert body["metadata"]["annotations"]["placewright.dev/pools"] == '{"l40s": [[2, 1]]}'


@pytest.mark.parametrize(("settings", "kind"), [(ROUTED, "Service"), (POOLED, "InferencePool")])
def test_a_unit_that_is_no_longer_rendered_has_its_backend(settings: Settings, kind: str) -> None:
    move, old = a_move(a_work(), settings), a_move(a_work(a_layout((16, 16))), settings)
    name = old.units[0].name
    assert name not in move.rendered
    (piece,) = old.rendered[name].pieces
    assert piece["kind"] == kind
    assert move.backend(name) == piece
    assert a_move(a_work()).backend(name) is None


def test_shares_of_nobody_are_no_route() -> None:
    with pytest.raises(ValueError, match="no shares"):
        a_move(a_work(), ROUTED).shared({"chat-00000000": 0.0})
    with pytest.raises(ValueError, match="no route"):
        a_move(a_work()).shared({"chat-00000000": 1.0})
