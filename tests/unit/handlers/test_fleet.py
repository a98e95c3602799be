"""What happens to requests, Nodes, Pods and policies, and what the fleet makes of it."""

import asyncio
import copy

from placewright.core.model import MoveReason
from tests.support.fleet_api import REQUESTS, FakeApi, fleet_request, node, pod, policy, pool
from tests.support.fleet_subject import CHEAP, DEAR, NAMESPACE, Subject, play, rest, running, until, wanting
from tests.support.placements import reason


def test_many_requests_are_one_solve_and_one_write_each() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert [subject.where(name) for name in ("a", "b", "c")] == [{"cheap": 4}, {"cheap": 4}, {"dear": 4}]
        assert subject.solver.parts == [("a", "b", "c")]
        assert sorted(subject.request_writes()) == ["a", "b", "c"]
        assert reason(subject.api.request("a")) == "PlanCurrent"
        assert subject.moves == [MoveReason.FIRST_PLAN] * 3

    play(scenario, CHEAP, DEAR, wanting("a", 4), wanting("b", 4), wanting("c", 4))


def test_a_component_that_did_not_change_is_not_solved_again() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        first = len(subject.solver.parts)
        assert first == 2
        subject.apply(fleet_request("c", 2, poolSelector={"matchLabels": {"tier": "other"}}))
        await rest(subject)
        assert [sorted(part) for part in subject.solver.parts[first:]] == [["b", "c"]]
        assert subject.request_writes().count("a") == 1

    other = pool("other", stock=(1, 8))
    other["metadata"]["labels"] = {"tier": "other"}
    apart = fleet_request("b", 2, poolSelector={"matchLabels": {"tier": "other"}})
    play(scenario, CHEAP, ("gpupools", other), wanting("a", 4), (REQUESTS, apart))


def test_a_request_whose_plan_stays_is_not_written_again_for_its_neighbours() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        before = copy.deepcopy(subject.api.request("a"))
        subject.apply(fleet_request("b", 2))
        await rest(subject)
        assert subject.where("b") == {"cheap": 2}
        assert subject.api.request("a") == before

    play(scenario, CHEAP, wanting("a", 4))


def test_a_restart_writes_nothing_and_solves_each_part_once() -> None:
    async def again(api: FakeApi) -> None:
        subject = Subject(api)
        before = copy.deepcopy(api.objects)
        async with running(subject):
            await rest(subject)
        assert len(subject.solver.parts) == 1
        assert api.objects == before

    async def scenario(subject: Subject) -> None:
        await rest(subject)

    first = play(scenario, CHEAP, DEAR, wanting("a", 4), wanting("b", 8), wanting("c", 8))
    asyncio.run(again(first.api))


def test_a_refused_request_gets_what_a_deleted_one_gives_back() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert subject.where("b") == {}
        assert reason(subject.api.request("b")) == "Infeasible"
        subject.delete("a")
        await rest(subject)
        assert subject.where("b") == {"cheap": 8}

    play(scenario, CHEAP, wanting("a", 8), wanting("b", 8))


def test_a_suspended_request_keeps_its_gpus() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        subject.apply(fleet_request("a", 8, suspend=True))
        subject.apply(fleet_request("b", 8))
        await rest(subject)
        assert subject.where("a") == {"cheap": 8}
        assert subject.where("b") == {}
        assert subject.members.get((NAMESPACE, "a")) is None

    play(scenario, CHEAP, wanting("a", 8))


def test_nodes_that_come_go_and_are_cordoned_change_the_plans() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert subject.where("a") == {}
        subject.api.put("nodes", node("n-1", pool="found"))
        await until(lambda: subject.where("a") == {"found": 8}, "the first plan")
        subject.api.put("nodes", node("n-2", pool="found"))
        subject.apply(fleet_request("b", 8))
        await until(lambda: subject.where("b") == {"found": 8}, "the second plan")
        subject.overshoot.add("found")
        subject.api.put("nodes", node("n-1", pool="found", unschedulable=True))
        await until(lambda: sorted(map(bool, (subject.where("a"), subject.where("b")))) == [False, True], "one plan")
        subject.api.remove("nodes", "n-2")
        await until(lambda: not subject.where("a") and not subject.where("b"), "no plan")

    play(scenario, ("gpupools", pool("found")), wanting("a", 8))


def test_a_node_that_vanished_in_a_gap_of_the_watch_is_noticed() -> None:
    async def scenario(subject: Subject) -> None:
        await until(lambda: subject.where("a") == {"found": 8}, "a plan")
        subject.overshoot.add("found")
        subject.api.silent.add("nodes")
        subject.api.remove("nodes", "n-1")
        await until(lambda: subject.where("a") == {}, "the plan to go")

    play(scenario, ("gpupools", pool("found")), ("nodes", node("n-1", pool="found")), wanting("a", 8))


def test_gpus_that_pods_of_others_hold_are_not_planned_with() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert subject.where("a") == {"dear": 8}
        subject.api.remove("pods", "foreign", namespace=NAMESPACE)
        subject.apply(fleet_request("b", 8))
        await until(lambda: subject.where("b") == {"found": 8}, "the GPUs of the Pod")

    play(
        scenario,
        ("gpupools", pool("found")),
        DEAR,
        ("nodes", node("n-1", pool="found")),
        ("pods", pod("foreign", on="n-1", gpus=1)),
        wanting("a", 8),
    )


def test_a_pod_that_nobody_told_of_is_seen_before_a_plan_takes_its_gpus() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        subject.api.silent.add("pods")
        subject.api.put("pods", pod("foreign", on="n-1", gpus=1), namespace=NAMESPACE)
        subject.apply(fleet_request("a", 8))
        await until(lambda: subject.where("a") == {"dear": 8}, "a plan elsewhere")
        assert ("pods", "spec.nodeName=n-1") in subject.api.lists
        assert subject.request_writes() == ["a"]

    play(scenario, ("gpupools", pool("found")), DEAR, ("nodes", node("n-1", pool="found")))


def test_two_that_change_places_never_stand_on_the_same_gpus() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert (subject.where("a"), subject.where("b")) == ({"cheap": 8}, {"dear": 8})
        subject.apply(fleet_request("a", 8, poolSelector={"matchLabels": {"tier": "serving", "side": "dear"}}))
        subject.apply(fleet_request("b", 8, poolSelector={"matchLabels": {"tier": "serving", "side": "cheap"}}))
        await rest(subject)
        assert (subject.where("a"), subject.where("b")) == ({"dear": 8}, {"cheap": 8})
        assert len(subject.request_writes()) == 5  # one of them stood without a plan for a moment

    sides = []
    for plural, body in (CHEAP, DEAR):
        labelled = copy.deepcopy(body)
        labelled["metadata"]["labels"]["side"] = body["metadata"]["name"]
        sides.append((plural, labelled))
    play(scenario, *sides, wanting("a", 8), wanting("b", 8))


def test_a_ceiling_makes_requests_one_problem_and_is_kept() -> None:
    private = [{"name": "own", "gpu": "L40S", "nodes": 1, "gpusPerNode": 8, "pricePerGPUHour": 1.0}]

    async def scenario(subject: Subject) -> None:
        await rest(subject)
        planned = [name for name in ("a", "b") if subject.where(name)]
        assert len(planned) == 1
        status = subject.api.objects["placementpolicies"]["", "limits"]["status"]
        assert status["costPerHour"] == 4.0
        assert status["namespaces"] == [{"name": NAMESPACE, "costPerHour": 4.0}]
        subject.api.put(
            "placementpolicies", policy("limits", namespaces=[{"name": NAMESPACE, "maxCostPerHour": 100.0}])
        )
        await until(lambda: subject.where("a") and subject.where("b"), "both plans")

    limits = policy("limits", namespaces=[{"name": NAMESPACE, "maxCostPerHour": 5.0}])
    requests = [wanting(name, 4, pools=private) for name in ("a", "b")]
    for _, body in requests:
        del body["spec"]["poolSelector"]
    play(scenario, ("placementpolicies", limits), *requests)


def test_a_change_of_policies_has_the_other_requests_judged_again() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert subject.rejudged == []
        subject.api.put("placementpolicies", policy("gates", gates={"maxCostPerHour": 3.0}))
        await until(lambda: subject.rejudged, "a new judgement")
        await rest(subject)
        assert subject.rejudged == [frozenset({(NAMESPACE, "a")})]

    play(scenario, CHEAP, wanting("a", 4))


def test_pool_statuses_tell_what_plans_take_and_are_written_once() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        status = subject.api.objects["gpupools"]["", "cheap"]["status"]
        assert (status["capacity"], status["allocated"], status["free"]) == (8, 6, 2)
        assert status["allocations"] == [
            {"namespace": NAMESPACE, "name": "a", "gpus": 4},
            {"namespace": NAMESPACE, "name": "b", "gpus": 2},
        ]
        writes = len(subject.api.writes)
        subject.fleet.trigger()
        await rest(subject)
        assert len(subject.api.writes) == writes

    play(scenario, CHEAP, wanting("a", 4), wanting("b", 2))


def test_a_policy_on_observed_costs_has_every_request_planned_with_its_present_plan_in_view() -> None:
    private = [{"name": "own", "gpu": "L40S", "nodes": 1, "gpusPerNode": 8, "pricePerGPUHour": 1.0}]
    alone = fleet_request("alone", 1, pools=private, workload={"inputTokens": 512, "outputTokens": 128})
    del alone["spec"]["poolSelector"]

    async def scenario(subject: Subject) -> None:
        subject.apply(alone)
        await rest(subject)
        assert subject.members.get((NAMESPACE, "alone")) is None
        subject.api.put("placementpolicies", policy("drift", gates={"maxObservedCostDriftPercent": 20}))
        await until(lambda: subject.rejudged, "a new judgement")
        subject.tell(copy.deepcopy(subject.api.request("alone")))
        await until(lambda: subject.where("alone") == {"own": 1}, "a plan")
        (gate,) = subject.api.request("alone")["status"]["gates"]
        assert (gate["name"], gate["result"]) == ("ObservedCostDrift", "Unknown")
        assert "nothing observes it" in gate["fault"]

    play(scenario, CHEAP)
