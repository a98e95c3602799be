"""All requests in one table."""

from collections.abc import Sequence

from placewright.cli import text
from placewright.cli.comparison import state_without_plan
from placewright.cli.planning import Planned
from placewright.cli.screen import Column, Screen
from placewright.core.model import Decision, GateResult, Plan, PlanState


def table(screen: Screen, results: Sequence[Planned]) -> None:
    """Write one row for each request, and what the approved ones cost together."""
    screen.table(
        [
            Column("name"),
            Column("state"),
            Column("prec"),
            Column("TP", "number"),
            Column("PP", "number"),
            Column("replicas", "number"),
            Column("GPUs", "number"),
            Column("pools"),
            Column("$/h", "number"),
            Column("$/M tokens", "number"),
            Column("tokens/s", "number"),
            Column("gates"),
        ],
        [_row(result) for result in results],
    )
    plans = [result.decision.plan for result in results if result.decision is not None]
    approved = [plan for plan in plans if plan is not None and plan.state is PlanState.APPROVED]
    cost = sum(plan.cost_per_hour for plan in approved)
    screen.text(f"{len(approved)} of {text.counted(len(results), 'request')} approved, {text.per_hour(cost)} in all")
    for result in results:
        if result.job.refusal is not None:
            screen.text(f"{result.job.title}: not planned, {result.job.refusal.error}")


def _row(result: Planned) -> list[str]:
    decision = result.decision
    if decision is None or decision.plan is None:
        return [result.job.title, _state(result), *["-"] * 10]
    plan, layout = decision.plan, decision.plan.main
    failed = [gate.name for gate in decision.gates if gate.result is not GateResult.PASS]
    return [
        result.job.title,
        "Kept" if decision.kept else str(plan.state),
        layout.precision,
        "/".join(str(degree) for degree in sorted({stage.tensor_parallel for stage in layout.stages})),
        str(len(layout.stages)),
        str(sum(entry.count for entry in plan.replicas)),
        str(sum(entry.count * entry.layout.gpus for entry in plan.replicas)),
        _pools(decision, plan),
        text.usd(plan.cost_per_hour),
        text.usd(plan.cost_per_million_tokens),
        text.rate(plan.tokens_per_second),
        ",".join(failed) if failed else "pass" if decision.gates else "-",
    ]


def _state(result: Planned) -> str:
    if result.job.refusal is not None:
        return "Invalid"
    return "Suspended" if result.decision is None else str(state_without_plan(result.decision))


def _pools(decision: Decision, plan: Plan) -> str:
    names = dict.fromkeys(pool for entry in plan.replicas for pool in entry.layout.gpus_by_pool)
    return "+".join(names) + (" (spill)" if decision.spill is not None else "")
