"""Any plan of the planner is rendered as it is, or refused in one line; the Pods of a fleet fit its nodes together."""

import time
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from placewright.core.decide import decide
from placewright.core.fleet.decide import decide_fleet
from placewright.core.model import Assignment, Plan, PlanState, Request, Runtime, Snapshot
from placewright.kube.manifests import ENGINES, Manifest, RenderRefusedError, Route, Settings, Work, of_decision, render
from placewright.kube.manifests.sites import sites_of
from tests.property.fleet_strategies import snapshots
from tests.property.strategies import analytic, measured, requests
from tests.support.renders import check_objects, gpus_of, templates, workloads

CHOSEN = Settings(image="example.com/engine:1", models={"": "example/model"}, route=Route(gateway="public"))


def rendered(work: Work, chosen: Settings) -> tuple[Manifest, ...] | None:
    """The objects, checked; None when they are refused."""
    objects, refused = attempt(work, chosen)
    if refused is not None:
        assert (refused.fault != "", refused.change != "", "\n" in str(refused)) == (True, True, False)
        event(f"refused: {refused.change}")
        return None
    check_objects(work, objects, verbatim=chosen.runtime == "vllm")
    assert render(work, chosen) == objects
    event(f"rendered: {' '.join(sorted({each['kind'] for each in objects}))}")
    return objects


def attempt(work: Work, chosen: Settings) -> tuple[tuple[Manifest, ...], RenderRefusedError | None]:
    try:
        return render(work, chosen), None
    except RenderRefusedError as refused:
        return (), refused


def of(request: Request, plan: Plan, assignments: Iterable[Assignment] = ()) -> Work:
    return of_decision(request, plan, sites_of(request, (), assignments))


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(requests(), st.sampled_from(sorted(ENGINES)))
def test_any_plan_renders_or_is_refused(request: Request, runtime: str) -> None:
    plan = decide(request, clock=lambda: 0.0).plan
    if plan is not None:
        rendered(of(request, plan), replace(CHOSEN, runtime=runtime))


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.one_of(analytic(runtimes=(Runtime.VLLM,)), measured()))
def test_every_approved_plan_for_vllm_renders(request: Request) -> None:
    """What the planner plans for vLLM starts on vLLM; replicas over more than two pools are the one exception."""
    request = replace(request, parallelism=replace(request.parallelism, runtime=Runtime.VLLM))
    plan = decide(request, clock=lambda: 0.0).plan
    if plan is None or plan.state is PlanState.BLOCKED:
        return
    objects = rendered(of(request, plan), CHOSEN)
    assert objects is not None or len({stage.pool for stage in plan.main.stages[1:]}) > 1


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(snapshots(demandless=True))
def test_the_pods_of_a_fleet_find_room_together(snapshot: Snapshot) -> None:
    fleet = decide_fleet(snapshot, clock=time.monotonic)
    for decision in fleet.decisions:
        plan = decision.plan
        if plan is None or plan.state is PlanState.BLOCKED:
            continue
        request = decision.request
        objects = rendered(of(request, plan, fleet.assignments), CHOSEN)
        assert objects is not None
        own = [each for each in fleet.assignments if (each.namespace, each.name) == (request.namespace, request.name)]
        for pool in {each.pool for each in own}:
            rooms: dict[int, int] = {}
            for each in own:
                if each.pool == pool:
                    rooms[each.node] = rooms.get(each.node, 0) + each.gpus
            assert fits(pods_in(objects, plan, pool), list(rooms.values()))


def pods_in(objects: Iterable[Manifest], plan: Plan, pool: str) -> list[int]:
    """GPUs of each Pod of the layouts that stand in a pool; here each stands in one."""
    layouts = sorted(plan.replicas, key=lambda one: one.weight, reverse=True)
    return [
        gpus_of(template)
        for entry, workload in zip(layouts, workloads(list(objects)), strict=True)
        if entry.layout.stages[0].pool == pool
        for count, template in templates(workload)
        for _ in range(count * entry.count)
    ]


def fits(sizes: list[int], rooms: list[int]) -> bool:
    """Whether every size finds a room, by trying all."""
    if not sizes:
        return True
    size, *rest = sorted(sizes, reverse=True)
    tried = set()
    for index, room in enumerate(rooms):
        if room >= size and room not in tried:
            tried.add(room)
            if fits(rest, [*rooms[:index], room - size, *rooms[index + 1 :]]):
                return True
    return False
