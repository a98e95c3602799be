"""A request that cannot be served is refused with a reason, and the others of its fleet are planned."""

import itertools
from dataclasses import replace

from placewright.core.fleet.decide import decide_fleet
from placewright.core.model import (
    Analytic,
    FleetDecision,
    Parallelism,
    PlanState,
    RejectionCode,
    Request,
    Slo,
    Snapshot,
    SolverOptions,
    SolveStatus,
)
from tests.support.builders import EIGHT_BILLION
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


def test_why_many_cannot_be_served_takes_no_time_from_who_can() -> None:
    """Each look at the clock takes 50 ms here, so that explaining 40 refusals without a limit takes 100 s."""
    ticks = itertools.count()
    limit = 20.0
    hopeless = tuple(
        replace(
            GOOD,
            name=f"bad-{number:02}",
            workload=replace(GOOD.workload, concurrency=number + 1),
            performance=Analytic(),
            architecture=EIGHT_BILLION,
            slo=Slo(tpot_seconds=1e-6),
            solver=SolverOptions(time_limit_seconds=limit),
        )
        for number in range(40)
    )
    good = replace(GOOD, solver=SolverOptions(time_limit_seconds=limit))
    snapshot = Snapshot(requests=(*hopeless, good), pools=(PAIRS,))
    decision = decide_fleet(snapshot, clock=lambda: next(ticks) * 0.05)
    *refused, served = decision.decisions
    assert all(each.plan is None and each.rejections for each in refused)
    assert served.plan is not None
    assert served.report.status is SolveStatus.OPTIMAL
    assert next(ticks) * 0.05 < 4 * limit


def test_one_gpu_is_proved_to_be_the_least_where_pools_may_be_mixed() -> None:
    """A demand far below what one GPU carries costs a whole GPU all the same."""
    dear = shared_pool("dear", gpu="A100", price_per_gpu_hour=3.0)
    small = replace(
        GOOD,
        pools=(PAIRS, dear),
        performance=Analytic(),
        architecture=EIGHT_BILLION,
        parallelism=Parallelism(allow_mixed_pools=True),
        workload=replace(GOOD.workload, classes=(traffic("chat", 0.5),)),
    )
    decision = decide_fleet(Snapshot(requests=(small,), pools=(PAIRS, dear)), clock=lambda: 0.0)
    assert decision.report.cost_per_hour == PAIRS.price_per_gpu_hour
    assert decision.report.status is SolveStatus.OPTIMAL
