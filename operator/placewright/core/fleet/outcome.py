"""Decisions of a fleet in their public form: the plan with its proof, its move, or why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from placewright.core import figures, gates
from placewright.core.errors import InvalidRequestError
from placewright.core.fleet.alone import Taken, cost_of_taken, pools_of
from placewright.core.fleet.asks import Case, copies_alone, tokens_per_second
from placewright.core.fleet.packing import place
from placewright.core.fleet.plans import layout_of, make_plan
from placewright.core.fleet.refusals import Refusal
from placewright.core.fleet.rows import PoolKey, cost_of
from placewright.core.fleet.standing import Standing
from placewright.core.identity import inputs_hash
from placewright.core.model import (
    Alternative,
    Assignment,
    Decision,
    FrontierPoint,
    Layout,
    Method,
    Move,
    MoveReason,
    NodeValue,
    Plan,
    PlanState,
    Pool,
    PoolUse,
    Present,
    Rejection,
    RejectionCode,
    Replicas,
    Request,
    SolveReport,
    SolveStatus,
    Spill,
)
from placewright.core.performance.choose import model_for

_MOST_ALTERNATIVES = 5
_SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is proved of the component."""

    proved: bool
    gap_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request got: entries of a plan, or a refusal.

    Attributes:
        replicas: of the plan.
        proof: of the component that it is from.
        least: that any plan of the request can cost, whatever the stock (in the unit of the objective).
        preferred: what it would take with all stock to itself; None: not asked.
        refusal: in place of a plan.
    """

    replicas: tuple[Replicas, ...] = ()
    proof: Proof = Proof(proved=False, gap_percent=0.0)
    least: float = 0.0
    preferred: Taken | None = None
    refusal: Refusal | None = None


def decision_of(
    case: Case, original: Request, answer: Answer, present: Present | None, standing: Standing | None
) -> Decision:
    """The decision of one request.

    Args:
        case: of the request in its canonical form.
        original: the request as it was asked.
        answer: what it got.
        present: its present plan.
        standing: that plan looked at.
    """
    refusal = answer.refusal
    if refusal is not None:
        decision = Decision(
            request=original,
            inputs_hash=inputs_hash(original),
            plan=refusal.plan,
            report=_report(case, refusal.status, None if refusal.plan is None else 0.0, None),
            gates=refusal.gates,
            rejections=refusal.rejections,
            relaxation=refusal.relaxation,
            needs=refusal.needs,
        )
        return with_move(decision, present, standing)
    plan = make_plan(case, answer.replicas, blocked=False)
    held = gates.evaluate_replicas(case.request, answer.replicas)
    if gates.blocks(case.request, held):  # a gate without a figure, as the limits on cost are kept by the solver
        plan = make_plan(case, answer.replicas, blocked=True)
    status = SolveStatus.OPTIMAL if answer.proof.gap_percent == 0.0 else SolveStatus.FEASIBLE
    decision = Decision(
        request=original,
        inputs_hash=inputs_hash(original),
        plan=plan,
        report=_report(case, status, answer.proof.gap_percent, answer.least),
        gates=held,
        alternatives=_alternatives(case, plan),
        frontier=_frontier(case),
        spill=_spill(case, plan, answer.preferred),
        warnings=_foregone(case, plan, standing, answer.preferred),
    )
    return with_move(decision, present, standing)


def invalid(original: Request, error: InvalidRequestError, present: Present | None) -> Decision:
    """The decision of a request that contradicts itself or its model."""
    decision = Decision(
        request=original,
        inputs_hash=inputs_hash(original),
        plan=None,
        report=SolveReport(method=Method.EXACT, status=SolveStatus.INFEASIBLE, gap_percent=None),
        rejections=(Rejection(code=RejectionCode.NO_PROFILE, count=1, pool="", message=str(error)),),
    )
    return with_move(decision, present, None)


def _report(case: Case, status: SolveStatus, gap_percent: float | None, least: float | None) -> SolveReport:
    proves = {
        SolveStatus.OPTIMAL: "no plans of the requests that share these pools cost less together, by the same rules",
        SolveStatus.FEASIBLE: "plans of the requests that share these pools cost less together by the gap at most",
    }
    return SolveReport(
        method=Method.EXACT,
        status=status,
        gap_percent=gap_percent,
        bound_cost_per_hour=least if case.has_demand else None,
        proves=proves.get(status, ""),
        layouts_considered=len(case.candidates),
        confidence=model_for(case.request).confidence(case.request),
    )


# ------------------------------------------------------------------------------------------ moves and spills


def with_move(decision: Decision, present: Present | None, standing: Standing | None) -> Decision:
    """Say what changes against the present plan, and why."""
    plan = decision.plan if decision.plan is not None and decision.plan.state is PlanState.APPROVED else None
    if present is None:
        if plan is None:
            return decision
        cost = figures.per_hour(plan.cost_per_hour)
        move = Move(
            reason=MoveReason.FIRST_PLAN,
            old_plan_id="",
            old_cost_per_hour=None,
            new_cost_per_hour=plan.cost_per_hour,
            message=f"first plan, at {cost}",
        )
        return replace(decision, move=move)
    if plan is not None and plan.id == present.plan_id:
        return decision
    reason = _move_reason(decision, plan, present, standing)
    old = figures.per_hour(present.cost_per_hour)
    new = "no plan" if plan is None else figures.per_hour(plan.cost_per_hour)
    cause = _CAUSES.get(reason) or _saved(decision.request, present, plan)
    move = Move(
        reason=reason,
        old_plan_id=present.plan_id,
        old_cost_per_hour=present.cost_per_hour,
        new_cost_per_hour=None if plan is None else plan.cost_per_hour,
        message=f"{cause}: {old} before, {new} now",
    )
    return replace(decision, move=move)


_CAUSES = {
    MoveReason.SPEC_CHANGED: "the present plan is no candidate of the request any more",
    MoveReason.STOCK_GONE: "the nodes that are left do not hold the present plan",
    MoveReason.PREEMPTED: "a request of higher priority needs the stock",
    MoveReason.DEMAND_CHANGED: "the present plan does not serve the demand",
    MoveReason.SLO_BROKEN: "the present plan misses a latency target",
    MoveReason.GATE_FAILS: "the present plan fails a limit on cost",
    MoveReason.REPRICED: "the same layouts at other prices or figures",
}


def _saved(request: Request, present: Present, plan: Plan | None) -> str:
    """What a change that is made for its saving saves, against what is asked of it."""
    saving = None if plan is None else _saving_percent(present.cost_per_hour, plan.cost_per_hour)
    asked = request.stabilization.min_savings_percent
    if saving is None or saving < asked:
        return "another plan has a better price per token"
    return f"another plan saves {figures.percent(saving)}, at least {figures.percent(asked)} is asked"


def _saving_percent(present_per_hour: float, planned_per_hour: float) -> float | None:
    """What another plan saves of the present USD per hour, negative when dearer; None: the present one is free."""
    return (present_per_hour - planned_per_hour) / present_per_hour * 100.0 if present_per_hour > 0.0 else None


def _foregone(case: Case, plan: Plan, standing: Standing | None, preferred: Taken | None) -> tuple[str, ...]:
    """What another plan of a demand would save, where the present one stays because that is not enough."""
    if standing is None or standing.broken is not None or preferred is None or not case.has_demand:
        return ()
    saving = _saving_percent(plan.cost_per_hour, cost_of_taken(preferred))
    asked = case.request.stabilization.min_savings_percent
    if saving is None or not _LEAST_TOLD_PERCENT < saving < asked:
        return ()
    would, least = figures.percent(saving), figures.percent(asked)
    return (f"another plan would save {would}; this one stays, since a change has to save {least} at least",)


_LEAST_TOLD_PERCENT = 0.01


def _move_reason(decision: Decision, plan: Plan | None, present: Present, standing: Standing | None) -> MoveReason:
    if plan is not None and _shape(plan.replicas) == _shape(present.replicas):
        return MoveReason.REPRICED
    if standing is not None and standing.broken is not None:
        return standing.broken
    if decision.plan is not None and plan is None:
        return MoveReason.GATE_FAILS
    return MoveReason.CHEAPER if standing is not None and plan is not None else MoveReason.SPEC_CHANGED


def _shape(replicas: Sequence[Replicas]) -> list[tuple[object, ...]]:
    """What runs, whatever it costs and however the traffic is split."""
    return sorted(
        (repr(entry.layout.stages), entry.layout.precision, entry.layout.max_concurrency, entry.count)
        for entry in replicas
    )


def _spill(case: Case, plan: Plan, preferred: Taken | None) -> Spill | None:
    """Whether the plan stands elsewhere, and dearer, than with all stock to itself."""
    if preferred is None:
        return None
    wanted = pools_of(preferred)
    got = tuple(sorted({stage.pool for entry in plan.replicas for stage in entry.layout.stages}))
    if got == wanted:
        return None
    cost = cost_of_taken(preferred)
    if case.has_demand:
        show, mine, best = figures.per_hour, plan.cost_per_hour, cost
    else:
        tokens = sum(tokens_per_second(case.request, bundle.candidate) * bundle.copies for bundle, _ in preferred)
        show, mine, best = figures.per_million, plan.cost_per_million_tokens, cost / (tokens * 3600.0) * 1e6
    if mine <= best * (1 + _SAME):
        return None
    are = "is" if len(wanted) == 1 else "are"
    message = f"{', '.join(wanted)} {are} short: on {', '.join(got)} at {show(mine)}, {show(mine - best)} more"
    return Spill(preferred_pools=wanted, preferred_cost_per_hour=cost, message=message)


# ------------------------------------------------------------------------------------------ what lost, and the frontier


def _alternatives(case: Case, plan: Plan) -> tuple[Alternative, ...]:
    """Other layouts that alone would serve the request, by what that costs with all stock to itself."""
    taken = {(entry.layout.stages, entry.layout.precision, entry.layout.max_concurrency) for entry in plan.replicas}
    found: list[tuple[float, int, int]] = []
    for at, candidate in enumerate(case.candidates):
        if (candidate.stages, candidate.precision, candidate.max_concurrency) in taken:
            continue
        copies = copies_alone(case, candidate.rates)
        if copies:
            found.append((cost_of(case.pools, candidate.groups, copies), at, copies))
    result = []
    for cost, at, copies in sorted(found)[:_MOST_ALTERNATIVES]:
        layout = layout_of(case, case.candidates[at], copies, None)
        times = f"{copies} replicas" if copies > 1 else "one replica"
        result.append(Alternative(layout=layout, reason=f"{times} alone: {_against(case, layout, cost, plan)}"))
    return tuple(result)


def _against(case: Case, layout: Layout, cost: float, plan: Plan) -> str:
    if not case.has_demand:
        difference = layout.cost_per_million_tokens - plan.cost_per_million_tokens
        price = figures.per_million(layout.cost_per_million_tokens)
        return f"{price}, {figures.per_million(difference)} dearer" if difference > 0 else f"{price}, its pool is short"
    difference = cost - plan.cost_per_hour
    if difference > _SAME * plan.cost_per_hour:
        return f"{figures.per_hour(cost)}, {figures.per_hour(difference)} dearer"
    if difference > -_SAME * plan.cost_per_hour:
        return f"{figures.per_hour(cost)}, the same"
    return f"{figures.per_hour(cost)}, but its pool is short or the present plan is kept"


def _frontier(case: Case) -> tuple[FrontierPoint, ...]:
    """Candidates that no other beats in both cost per hour and tokens per second of one replica."""
    if not case.request.solver.frontier:
        return ()
    layouts = [layout_of(case, candidate, 1, None) for candidate in case.candidates]
    layouts.sort(key=lambda layout: (layout.cost_per_hour, -layout.tokens_per_second))
    kept: list[Layout] = []
    for layout in layouts:
        if not kept or layout.tokens_per_second > kept[-1].tokens_per_second * (1 + _SAME):
            kept.append(layout)
    return tuple(FrontierPoint(layout=layout) for layout in kept)


# ------------------------------------------------------------------------------------------ pools


def _approved(decisions: Sequence[Decision]) -> list[tuple[Request, Plan]]:
    return [
        (decision.request, decision.plan)
        for decision in decisions
        if decision.plan is not None and decision.plan.state is PlanState.APPROVED
    ]


def assignments_of(pools: Sequence[Pool], decisions: Sequence[Decision]) -> tuple[Assignment, ...]:
    """A node for each tensor-parallel group of the approved plans."""
    found: list[Assignment] = []
    for pool in pools:
        labels: list[list[tuple[Request, int, int, int]]] = []
        holdings: list[list[tuple[int, int]]] = []
        for request, plan in _approved(decisions):
            for index, entry in enumerate(plan.replicas):
                own = [
                    (copy, stage, each.tensor_parallel)
                    for copy in range(entry.count)
                    for stage, each in enumerate(entry.layout.stages)
                    if each.pool == pool.name
                ]
                if own:
                    labels.append([(request, index, copy, stage) for copy, stage, _ in own])
                    holdings.append([(size, 1) for _, _, size in own])
        nodes = place(pool, holdings)
        assert nodes is not None, "the solver's answer was packed before"
        for tags, groups, places in zip(labels, holdings, nodes, strict=True):
            for (request, entry_at, copy, stage), (size, _), node in zip(tags, groups, places, strict=True):
                found.append(
                    Assignment(
                        namespace=request.namespace,
                        name=request.name,
                        entry=entry_at,
                        copy=copy,
                        stage=stage,
                        pool=pool.name,
                        node=node,
                        gpus=size,
                    )
                )
    return tuple(sorted(found, key=lambda e: (e.namespace, e.name, e.entry, e.copy, e.stage)))


def pool_uses(
    pools: Sequence[Pool], decisions: Sequence[Decision], values: Mapping[PoolKey, NodeValue]
) -> tuple[PoolUse, ...]:
    """Capacity and use of the shared pools."""
    used: dict[str, int] = {}
    for _, plan in _approved(decisions):
        for entry in plan.replicas:
            for name, gpus in entry.layout.gpus_by_pool.items():
                used[name] = used.get(name, 0) + entry.count * gpus
    return tuple(
        PoolUse(
            name=pool.name,
            capacity=pool.gpus,
            used=used.get(pool.name, 0),
            one_more_node=None if pool.price_per_gpu_hour is None else values.get(("", pool.name)),
        )
        for pool in sorted(pools, key=lambda each: each.name)
    )
