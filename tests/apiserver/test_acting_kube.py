"""Writes of acting on a real API server: what each move writes, and that nothing is written twice."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from placewright.core.model import Remove, RolloutPhase, Scale, Weigh
from placewright.kube.act import CHECKPOINTS
from placewright.kube.outcomes import ActResult
from placewright.kube.workloads import workload_of
from tests.controlplane.server import ControlPlane
from tests.support.kube_moves import ROUTED, Scene, rendered_kinds, running, work
from tests.support.renders import a_layout, tolerant

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def routed_plane(control_plane: ControlPlane, crds: list[Path]) -> Iterator[ControlPlane]:
    """The shared API server with the CRDs of what is rendered, as long as this module runs."""
    assert crds
    with rendered_kinds(control_plane):
        yield control_plane


@pytest.fixture
def scene(routed_plane: ControlPlane) -> Iterator[Scene]:
    namespace = routed_plane.create_namespace("act")
    yield Scene(routed_plane, namespace)
    routed_plane.delete_namespace(namespace)


def test_a_unit_is_made_with_its_service_and_nothing_is_written_twice(scene: Scene) -> None:
    move = scene.move(work(scene))
    (unit,) = move.units
    outcome = scene.carry_out(scene.task(move), Scale(name=unit.name, replicas=2))
    assert outcome.result is ActResult.DONE
    assert scene.writes == [("apply", "services", "chat"), ("apply", "deployments", unit.name)]
    assert outcome.writes == 2
    deployment = scene.get("deployments", unit.name)
    assert deployment["spec"]["replicas"] == 2
    for stored in (deployment, scene.get("services", "chat")):
        (reference,) = stored["metadata"]["ownerReferences"]
        assert (reference["kind"], reference["uid"]) == ("PlacementRequest", scene.owner.uid)
        assert reference["controller"] is True
        assert not reference.get("blockOwnerDeletion")
    found = workload_of("Deployment", deployment)
    assert found.pools == unit.pools == {"l40s": ((2, 1),)}
    assert (found.template, found.essence) == move.wanted(unit.name)
    assert found.up_since is not None
    assert found.managed

    again = scene.carry_out(scene.task(move), Scale(name=unit.name, replicas=2), tend=True)
    assert (again.result, scene.writes) == (ActResult.DONE, [])
    assert scene.get("deployments", unit.name) == deployment


def test_a_step_without_actions_asks_nobody(scene: Scene) -> None:
    running(scene)
    outcome = scene.carry_out(scene.task(scene.move(work(scene))))
    assert (outcome.result, outcome.writes, scene.reads) == (ActResult.DONE, 0, 0)


def test_a_reap_is_one_write_that_remembers_and_a_wake_one_that_forgets(scene: Scene) -> None:
    name, move = running(scene, 3), scene.move(work(scene))
    assert scene.carry_out(scene.task(move), Scale(name=name, replicas=0)).result is ActResult.DONE
    assert scene.writes == [("apply", "deployments", name)]
    reaped = scene.seen()[name]
    assert (reaped.replicas, reaped.replicas_before) == (0, 3)

    assert scene.carry_out(scene.task(move), Scale(name=name, replicas=3)).result is ActResult.DONE
    assert scene.writes == [("apply", "deployments", name)]
    woken = scene.seen()[name]
    assert (woken.replicas, woken.replicas_before) == (3, None)
    assert woken.up_since is not None
    assert reaped.up_since is not None
    assert woken.up_since > reaped.up_since


def test_what_failed_is_not_remembered_as_what_ran(scene: Scene) -> None:
    name, move = running(scene, 3), scene.move(work(scene))
    scene.carry_out(scene.task(move), Scale(name=name, replicas=0), phase=RolloutPhase.FAILED)
    assert (scene.seen()[name].replicas, scene.seen()[name].replicas_before) == (0, None)


def test_what_gives_way_remembers_its_first_number_and_is_removed_with_its_service(scene: Scene) -> None:
    old = scene.move(work(scene), settings=ROUTED)
    (before,) = old.units
    scene.carry_out(scene.task(old), Scale(name=before.name, replicas=3), Weigh(shares={before.name: 1.0}))
    assert scene.writes == [
        ("apply", "services", f"{before.name}-http"),
        ("apply", "deployments", before.name),
        ("apply", "httproutes", "chat"),
    ]
    new = scene.move(work(scene, a_layout((16, 16))), settings=ROUTED)
    (after,) = new.units
    assert after.name != before.name

    scene.carry_out(scene.task(new), Scale(name=after.name, replicas=1))
    assert [plural for _, plural, _ in scene.writes] == ["services", "deployments"]
    shares = {before.name: 2 / 3, after.name: 1 / 3}
    outcome = scene.carry_out(scene.task(new), Weigh(shares=shares), Scale(name=before.name, replicas=2))
    assert outcome.result is ActResult.DONE
    assert scene.writes == [("apply", "httproutes", "chat"), ("patch", "deployments", before.name)]
    assert scene.task(new).route is not None
    assert scene.task(new).route.shares == pytest.approx(shares, abs=1e-4)  # type: ignore[union-attr]
    assert (scene.seen()[before.name].replicas, scene.seen()[before.name].replicas_before) == (2, 3)
    scene.carry_out(scene.task(new), Scale(name=before.name, replicas=1))
    assert (scene.seen()[before.name].replicas, scene.seen()[before.name].replicas_before) == (1, 3)

    task = scene.task(new)
    assert task.route is not None
    without = replace(task.route, shares={after.name: 1.0})  # as a decision may have seen it
    held = scene.carry_out(replace(task, route=without), Remove(name=before.name))
    assert (held.result, held.message) == (ActResult.CONFLICT, f"{before.name} gets traffic again")
    outcome = scene.carry_out(scene.task(new), Weigh(shares={after.name: 1.0}), Remove(name=before.name))
    assert outcome.result is ActResult.DONE
    assert scene.writes == [
        ("apply", "httproutes", "chat"),
        ("delete", "services", f"{before.name}-http"),
        ("delete", "deployments", before.name),
    ]
    assert scene.names("deployments") == [after.name]
    assert scene.names("services") == [f"{after.name}-http"]


def test_a_request_whose_gpus_are_gone_gives_back_all_whatever_its_route_says(scene: Scene) -> None:
    move = scene.move(work(scene), settings=ROUTED)
    name = move.units[0].name
    scene.carry_out(scene.task(move), Scale(name=name, replicas=1), Weigh(shares={name: 1.0}))
    task = replace(scene.task(move), move=None)
    assert scene.carry_out(task, Remove(name=name)).result is ActResult.DONE
    assert (scene.names("deployments"), scene.names("services")) == ([], [])
    # A plan that comes again takes the route over, and makes nothing for what is gone.
    again = scene.move(work(scene, a_layout((16, 16)), plan_id="p-2"), settings=ROUTED)
    (unit,) = again.units
    outcome = scene.carry_out(scene.task(again), Scale(name=unit.name, replicas=1), tend=True)
    assert outcome.result is ActResult.DONE
    assert scene.carry_out(scene.task(again), Weigh(shares={unit.name: 1.0})).writes == 1
    assert scene.names("services") == [f"{unit.name}-http"]


def test_a_group_is_made_scaled_and_changed_like_a_deployment(scene: Scene) -> None:
    move = scene.move(work(scene, a_layout((16, 16), degree=4)))
    (unit,) = move.units
    assert unit.pools == {"l40s": ((4, 2),)}
    scene.carry_out(scene.task(move), Scale(name=unit.name, replicas=1))
    assert scene.writes == [("apply", "services", "chat"), ("apply", "leaderworkersets", unit.name)]
    made = scene.seen()[unit.name]
    assert (made.shape, made.pools, made.replicas, made.generation) == (((1, 4), (1, 4)), unit.pools, 1, 1)
    assert made.runs(move.wanted(unit.name))
    assert scene.carry_out(scene.task(move), Scale(name=unit.name, replicas=1), tend=True).writes == 0
    scene.carry_out(scene.task(move), Scale(name=unit.name, replicas=3))
    assert scene.writes == [("apply", "leaderworkersets", unit.name)]

    renewed = scene.move(work(scene, a_layout((16, 16), degree=4), sites=[tolerant()]))
    scene.carry_out(scene.task(renewed), Scale(name=unit.name, replicas=3))
    changed = scene.seen()[unit.name]
    assert changed.runs(renewed.wanted(unit.name))
    assert (changed.replicas, changed.template_generation) == (3, changed.generation)
    scene.api.patch(
        scene.path("leaderworkersets", unit.name) + "/status",
        {"status": {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 3}},
    )
    assert scene.seen()[unit.name].ready == 0
    scene.api.patch(
        scene.path("leaderworkersets", unit.name) + "/status", {"status": {"observedGeneration": changed.generation}}
    )
    assert scene.seen()[unit.name].ready == 3
    assert scene.carry_out(scene.task(renewed), Remove(name=unit.name)).result is ActResult.DONE
    assert scene.names("leaderworkersets") == []


def test_a_new_plan_with_the_same_unit_changes_its_label_alone(scene: Scene) -> None:
    name = running(scene)
    before = scene.seen()[name]
    move = scene.move(work(scene, plan_id="p-fedcba9876"))
    assert scene.carry_out(scene.task(move)).result is ActResult.DONE
    assert scene.writes == [("apply", "deployments", name)]
    stored = scene.get("deployments", name)
    assert stored["metadata"]["labels"]["placewright.dev/plan"] == "p-fedcba9876"
    after = workload_of("Deployment", stored)
    assert (after.template_generation, after.template, after.up_since) == (1, before.template, before.up_since)


def told_writes() -> dict[str, int]:
    """The table of docs/acting.md: writes by move."""
    lines = (ROOT / "docs/acting.md").read_text(encoding="utf-8").splitlines()
    begin = lines.index("| move | writes | which |") + 2
    rows = [line.split("|")[1:3] for line in lines[begin:] if line.startswith("|")]
    return {move.strip(): int(writes) for move, writes in rows}


def test_each_move_costs_the_writes_that_the_docs_tell(scene: Scene, routed_plane: ControlPlane) -> None:
    measured: dict[str, int] = {}

    def carry_out(title: str, move: Any, *actions: Any, **given: Any) -> None:
        outcome = scene.carry_out(scene.task(move, **given), *actions)
        assert (outcome.result, outcome.writes) == (ActResult.DONE, len(scene.writes))
        measured[title] = outcome.writes

    plain = scene.move(work(scene))
    name = plain.units[0].name
    carry_out("first rollout of a layout", plain, Scale(name=name, replicas=2))
    carry_out("another number of replicas", plain, Scale(name=name, replicas=3))
    carry_out("nothing to do", plain)
    carry_out("reap", plain, Scale(name=name, replicas=0))
    carry_out("wake", plain, Scale(name=name, replicas=3))
    tainted = scene.move(work(scene, sites=[tolerant()]))
    carry_out("another toleration of the pool", tainted, Scale(name=name, replicas=3))
    again = scene.move(work(scene, plan_id="p-2", sites=[tolerant()]))
    carry_out("another plan with the same layout and replicas", again)

    scene = Scene(routed_plane, scene.namespace, "routed")
    old = scene.move(work(scene), settings=ROUTED)
    before = old.units[0].name
    carry_out(
        "first rollout of a layout with a route", old, Scale(name=before, replicas=2), Weigh(shares={before: 1.0})
    )
    new = scene.move(work(scene, a_layout((16, 16)), plan_id="p-2"), work(scene), ROUTED)
    after = new.units[0].name
    carry_out("begin", new, Scale(name=after, replicas=2))
    carry_out("ramp step", new, Weigh(shares={after: 0.1, before: 0.9}))
    carry_out("end", new, Weigh(shares={after: 1.0}))
    final = scene.move(work(scene, a_layout((16, 16)), plan_id="p-2"), settings=ROUTED)
    carry_out("each old replica that gives way before", final, Scale(name=before, replicas=1))
    carry_out("gone", final, Remove(name=before))
    measured["another layout, where old and new have room"] = sum(
        measured.pop(each) for each in ("begin", "end", "gone")
    )
    other = replace(ROUTED, image="example.com/engine:2")
    renewed = scene.move(work(scene, a_layout((16, 16)), plan_id="p-2"), settings=other)
    fresh = renewed.units[0].name
    carry_out("begin", renewed, Scale(name=fresh, replicas=2), Weigh(shares={fresh: 1.0}))
    carry_out("gone", renewed, Remove(name=after))
    measured["another image, where old and new have room"] = measured.pop("begin") + measured.pop("gone")

    scene = Scene(routed_plane, scene.namespace, "mixed")
    mixed = scene.move(work(scene, a_layout(weight=0.5), a_layout((16, 16), weight=0.5)), settings=ROUTED)
    begin = [Scale(name=unit.name, replicas=1) for unit in mixed.units]
    shares = {unit.name: unit.weight for unit in mixed.units}
    carry_out("first rollout of two layouts with a route", mixed, *begin, Weigh(shares=shares))

    target = next(each for each in scene.seen().values() if each.kind == "Deployment")
    stored = scene.get("deployments", target.name)
    del stored["metadata"]["ownerReferences"]
    target = workload_of("Deployment", scene.replaced("deployments", stored))
    carry_out(
        "workloadRef scaled", None, Scale(name=target.name, replicas=5), seen={target.name: target}, target=target.key
    )
    measured["the request is deleted"] = 0  # shown with real controllers in test_acting_kube_run.py
    assert measured == told_writes()


class KilledError(BaseException):
    """The process ends here: nothing may catch it."""


@pytest.mark.parametrize("moment", range(10))
def test_whatever_moment_it_is_killed_at_the_next_look_ends_it_without_orphans(scene: Scene, moment: int) -> None:
    old = scene.move(work(scene), settings=ROUTED)
    before = old.units[0].name
    scene.carry_out(scene.task(old), Scale(name=before, replicas=1), Weigh(shares={before: 1.0}))
    new = scene.move(work(scene, a_layout((16, 16))), settings=ROUTED)
    after = new.units[0].name
    passed: list[str] = []

    def kill(name: str) -> None:
        passed.append(name)
        if len(passed) == moment + 1:
            raise KilledError(name)

    def actions() -> list[Any]:
        gone = [Remove(name=before)] if before in scene.seen() else []
        return [Scale(name=after, replicas=1), Weigh(shares={after: 1.0}), *gone]

    with pytest.raises(KilledError):
        scene.carry_out(scene.task(new), *actions(), checkpoint=kill)
    assert passed[-1] == (
        ["before-", "after-"][moment % 2] + ["apply", "apply", "weigh", "remove", "remove"][moment // 2]
    )
    assert scene.carry_out(scene.task(new), *actions()).result is ActResult.DONE
    assert scene.names("deployments") == [after]
    assert scene.names("services") == [f"{after}-http"]
    assert scene.names("httproutes") == ["chat"]
    route = scene.task(new).route
    assert route is not None
    assert route.shares == {after: 1.0}
    assert scene.carry_out(scene.task(new), *actions(), tend=True).writes == 0


def test_checkpoints_stand_around_every_write(scene: Scene) -> None:
    move = scene.move(work(scene), settings=ROUTED)
    (unit,) = move.units
    passed: list[str] = []

    def carry_out(*actions: Any) -> list[str]:
        passed.clear()
        scene.carry_out(scene.task(move), *actions, checkpoint=passed.append)
        return list(passed)

    two = ["before-apply", "after-apply"] * 2
    made = carry_out(Scale(name=unit.name, replicas=1), Weigh(shares={unit.name: 1.0}))
    assert made == [*two, "before-weigh", "after-weigh"]
    assert carry_out(Scale(name=unit.name, replicas=0)) == ["before-scale", "after-scale"]
    gone = scene.carry_out(scene.task(move), Weigh(shares={"chat-00000000": 1.0}), checkpoint=passed.append)
    assert gone.result is ActResult.DONE
    assert carry_out(Remove(name=unit.name)) == ["before-remove", "after-remove"] * 2
    assert set(passed) | set(made) <= set(CHECKPOINTS)
