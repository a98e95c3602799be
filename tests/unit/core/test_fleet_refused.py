"""A request that cannot be served is refused with a reason, and the others of its fleet are planned."""

from placewright.core.fleet.decide import decide_fleet
from placewright.core.model import FleetDecision, Parallelism, PlanState, RejectionCode, Request, Snapshot
from tests.support.fleets import a_fleet_request, row, shared_pool, traffic

PAIRS = shared_pool("pairs", gpus_per_node=2, nodes=4)
GOOD = a_fleet_request("good", (PAIRS,), (row("L40S", "chat", 4.0),), (traffic("chat", 4.0),))


def beside_a_good_one(bad: Request) -> FleetDecision:
    decision = decide_fleet(Snapshot(requests=(bad, GOOD), pools=(PAIRS,)), clock=lambda: 0.0)
    states = {each.request.name: each.plan.state if each.plan else None for each in decision.decisions}
    assert states == {bad.name: None, "good": PlanState.APPROVED}
    return decision


def test_groups_larger_than_every_node_refuse_one_request_alone() -> None:
    """No number of nodes helps here; that is said, and the fleet is not withheld for it."""
    bad = a_fleet_request(
        "bad",
        (PAIRS,),
        (row("L40S", "chat", 4.0, tensor=8),),
        (traffic("chat", 4.0),),
        parallelism=Parallelism(tensor=(8,)),
    )
    refused = beside_a_good_one(bad).decisions[0]
    assert RejectionCode.INSUFFICIENT_STOCK in {each.code for each in refused.rejections}
    assert refused.relaxation is not None or "no number of nodes" in refused.needs
