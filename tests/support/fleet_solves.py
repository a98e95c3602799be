"""Fleet solves for tests that are about the operator and not about the solver: first come, first served, by hand.

Every request gets one replica of as many GPUs as its demand in requests per second says, on the cheapest of its shared
pools with a node that has room; a present plan that still fits stays, a held one whatever the demand. Ceilings refuse
what exceeds them.
"""

from collections.abc import Iterator, Mapping, Sequence

from placewright.core.fleet.components import report_of
from placewright.core.fleet.packing import Groups, fits
from placewright.core.identity import inputs_hash, plan_id
from placewright.core.model import (
    Decision,
    FleetDecision,
    Layout,
    Method,
    Move,
    MoveReason,
    Plan,
    PlanState,
    Pool,
    PoolUse,
    Present,
    Rejection,
    RejectionCode,
    Replicas,
    Request,
    Snapshot,
    SolveReport,
    SolveStatus,
    Stage,
)

Key = tuple[str, str]


def greedy(snapshot: Snapshot) -> FleetDecision:
    """Present plans first, then the others; higher priorities first, then by name."""
    present = {(entry.namespace, entry.name): entry for entry in snapshot.present}
    held: dict[str, list[Groups]] = {pool.name: [] for pool in snapshot.pools}
    spent = 0.0
    limit = min((ceiling.max_cost_per_hour for ceiling in snapshot.ceilings), default=float("inf"))
    decisions = []
    for request, standing in _in_turn(snapshot.requests, present):
        layouts = _layouts(request, held, limit - spent, standing)
        layout = standing.replicas[0].layout if standing is not None and standing.held else next(layouts, None)
        if layout is not None:
            held.setdefault(layout.stages[0].pool, []).append(((layout.gpus, 1),))
            spent += layout.cost_per_hour
        decisions.append(_decision(request, layout, standing))
    ordered = tuple(sorted(decisions, key=lambda each: _key(each.request)))
    return FleetDecision(
        decisions=ordered,
        assignments=(),
        pools=tuple(
            PoolUse(
                name=pool.name, capacity=pool.gpus, used=sum(s * n for groups in held[pool.name] for s, n in groups)
            )
            for pool in snapshot.pools
        ),
        report=report_of(ordered, 0.0, SolveStatus.OPTIMAL),
    )


def _in_turn(requests: Sequence[Request], present: Mapping[Key, Present]) -> Iterator[tuple[Request, Present | None]]:
    """Higher priorities first; then those whose present pool still has any Node, then by name."""

    def rank(request: Request) -> tuple[int, bool, Key]:
        standing = present.get(_key(request))
        pools = {pool.name for pool in request.pools if pool.gpus}
        stays = standing is not None and standing.replicas[0].layout.stages[0].pool in pools
        return -request.priority, not stays, _key(request)

    for request in sorted(requests, key=rank):
        yield request, present.get(_key(request))


def _key(request: Request) -> Key:
    return request.namespace, request.name


def _layouts(
    request: Request, held: dict[str, list[Groups]], left: float, standing: Present | None
) -> Iterator[Layout]:
    pools = [pool for pool in request.pools if pool.price_per_gpu_hour is not None]
    now = standing.replicas[0].layout.stages[0].pool if standing is not None else ""
    for pool in sorted(pools, key=lambda each: (each.name != now, each.price_per_gpu_hour, each.name)):
        layout = _layout(request, pool)
        if layout.cost_per_hour <= left and _fits(pool, held.get(pool.name, []) if pool.shared else (), layout.gpus):
            yield layout


def _fits(pool: Pool, held: Sequence[Groups], gpus: int) -> bool:
    return fits(pool, [*held, ((gpus, 1),)])


def _layout(request: Request, pool: Pool) -> Layout:
    gpus = min(8, max(1, round(request.workload.requests_per_second)))
    price = pool.price_per_gpu_hour or 0.0
    return Layout(
        stages=(Stage(pool=pool.name, gpu=pool.gpu.name, tensor_parallel=gpus, first_layer=0, last_layer=31),),
        precision="bf16",
        max_concurrency=8,
        cost_per_hour=gpus * price,
        tokens_per_second=1000.0,
        requests_per_second=float(gpus),
    )


def _decision(request: Request, layout: Layout | None, standing: Present | None) -> Decision:
    plan = None
    if layout is not None:
        replicas = (Replicas(layout=layout),)
        plan = Plan(id=plan_id(replicas, PlanState.APPROVED), state=PlanState.APPROVED, replicas=replicas)
    same = standing is not None and plan is not None and standing.plan_id == plan.id
    short = Rejection(code=RejectionCode.INSUFFICIENT_STOCK, count=1, pool="", message="no node has room")
    return Decision(
        request=request,
        inputs_hash=inputs_hash(request),
        plan=plan,
        report=SolveReport(method=Method.EXACT, status=SolveStatus.OPTIMAL, gap_percent=0.0),
        rejections=() if plan is not None else (short,),
        needs="" if plan is not None else "with 1 more node: feasible",
        move=None if same or (plan is None and standing is None) else _move(plan, standing),
    )


def _move(plan: Plan | None, standing: Present | None) -> Move:
    return Move(
        reason=_why(plan, standing),
        old_plan_id="" if standing is None else standing.plan_id,
        old_cost_per_hour=None if standing is None else standing.cost_per_hour,
        new_cost_per_hour=None if plan is None else plan.cost_per_hour,
        message="moved by a test",
    )


def _why(plan: Plan | None, standing: Present | None) -> MoveReason:
    """Another size is a change of the spec; the same elsewhere is for want of stock."""
    if standing is None:
        return MoveReason.FIRST_PLAN
    same = plan is None or plan.main.gpus == standing.replicas[0].layout.gpus
    return MoveReason.STOCK_GONE if same else MoveReason.SPEC_CHANGED
