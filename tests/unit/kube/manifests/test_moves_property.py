"""Any plan that renders can be acted unit by unit: the same objects, the GPUs of the plan, and names that stay."""

from collections import Counter
from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from placewright.core.decide import decide
from placewright.core.model import PlanState, Request, Runtime
from placewright.core.rollout import gpus_of
from placewright.kube.manifests import (
    Owner,
    RenderRefusedError,
    Route,
    Settings,
    Work,
    of_decision,
    render,
    render_move,
    units_of,
)
from placewright.kube.manifests.sites import sites_of
from placewright.kube.workloads import workload_of
from tests.property.strategies import analytic, measured

CHOSEN = Settings(image="example.com/engine:1", models={"": "example/model"}, route=Route(gateway="public"))
OWNER = Owner(name="any", uid="u-1")


def crowded(work: Work) -> Work:
    """The same plan where nodes have room for single stages only."""
    sites = {}
    for name, site in work.sites.items():
        stages = [
            stage.tensor_parallel
            for layout in work.layouts
            for stage in layout.stages * layout.replicas
            if stage.pool == name
        ]
        sites[name] = replace(site, rooms=tuple(sorted(stages, reverse=True)))
    return replace(work, sites=sites)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.one_of(analytic(runtimes=(Runtime.VLLM,)), measured()))
def test_any_plan_is_acted_as_it_is_rendered(request: Request) -> None:
    request = replace(request, parallelism=replace(request.parallelism, runtime=Runtime.VLLM))
    plan = decide(request, clock=lambda: 0.0).plan
    if plan is None or plan.state is PlanState.BLOCKED:
        return
    work = of_decision(request, plan, sites_of(request, ()))
    try:
        rendered = render(work, CHOSEN)
    except RenderRefusedError:
        return
    move = render_move(work, None, CHOSEN, owner=OWNER)
    specs = {(each["kind"], each["metadata"]["name"]): each["spec"] for each in rendered}
    acted = [move.shared({unit.name: unit.weight for unit in move.units})]
    for unit in move.units:
        workload = move.workload(unit.name, unit.replicas, {})
        acted += [workload, *move.rendered[unit.name].pieces]
        found = workload_of(workload["kind"], workload)
        assert found.runs(move.wanted(unit.name))
        assert found.pools == unit.pools
        assert found.gpus == gpus_of(unit.pools)
    shares = {each["name"]: each["weight"] for each in specs["HTTPRoute", move.entrance]["rules"][0]["backendRefs"]}
    assert {each["name"]: each["weight"] for each in acted[0]["spec"]["rules"][0]["backendRefs"]} == shares
    assert {(each["kind"], each["metadata"]["name"]): each["spec"] for each in acted[1:]} == {
        key: spec for key, spec in specs.items() if key[0] != "HTTPRoute"
    }
    held: Counter[str] = Counter()
    for unit in move.units:
        for pool, groups in unit.pools.items():
            held[pool] += unit.replicas * sum(gpus * pods for gpus, pods in groups)
    assert held == Counter(
        {
            pool: sum(
                entry.count * stage.tensor_parallel
                for entry in plan.replicas
                for stage in entry.layout.stages
                if stage.pool == pool
            )
            for pool in {stage.pool for entry in plan.replicas for stage in entry.layout.stages}
        }
    )
    # Nodes that fill up or empty change nothing of what stands.
    standing = [unit.name for unit in move.units]
    tight = crowded(work)
    apart = units_of(tight, CHOSEN)
    event("other Pods where nodes are full" if apart != move.units else "the same Pods")
    assert units_of(tight, CHOSEN, standing=standing) == move.units
    assert units_of(work, CHOSEN, standing=[unit.name for unit in apart]) == apart
