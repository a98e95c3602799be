"""The whole fleet under the table of its requests: cost and proof, pools, and who was refused."""

from collections.abc import Iterable, Sequence
from typing import Final

from placewright.cli import text
from placewright.cli.comparison import reason_of, state_without_plan
from placewright.cli.planning import Answer
from placewright.cli.screen import Column, Field, Screen
from placewright.core.model import (
    Decision,
    FleetReport,
    NodeValue,
    PlanState,
    Pool,
    PoolUse,
    Request,
    SolveStatus,
)

_MOST_REFUSED: Final = 20


def show(screen: Screen, given: Answer, *, wide: bool = False) -> None:
    """Write the summary of a fleet; nothing when every request was decided by itself."""
    if given.fleet is None:
        return
    report = given.fleet.report
    screen.fields([Field("proof", proof_text(report), "good" if report.status is SolveStatus.OPTIMAL else "warn")])
    pool_table(screen, uses_of(given))
    refused_table(screen, given.fleet.decisions, most=None if wide else _MOST_REFUSED)


def proof_text(report: FleetReport) -> str:
    """`Optimal: proved, no set of plans costs less`, or how large the gap is."""
    if report.placed == 0:
        return f"{report.status}: no request has a plan"
    bound = f"bound {text.per_hour(report.bound_cost_per_hour)}"
    if report.status is SolveStatus.OPTIMAL:
        return f"Optimal: proved, no plans for the same requests cost less ({bound})"
    return f"{report.status}: at most {text.percent(report.gap_percent)} above the least possible ({bound})"


def uses_of(given: Answer) -> list[tuple[Pool, PoolUse]]:
    """Every usable shared pool with what the plans take of it, also one that no request may use."""
    uses = {use.name: use for use in given.fleet.pools} if given.fleet is not None else {}
    stock = given.inputs.stock
    return [(pool, uses.get(pool.name, PoolUse(name=pool.name, capacity=pool.gpus, used=0))) for pool in stock]


def pool_table(screen: Screen, uses: Sequence[tuple[Pool, PoolUse]]) -> None:
    """Write what each pool has and what one more node of it is worth."""
    screen.blank()
    screen.table(
        [
            Column("pool"),
            Column("GPU"),
            Column("GPUs", "number"),
            Column("used", "number"),
            Column("free", "number"),
            Column("$/GPU h", "number"),
            Column("one more node", "text"),
        ],
        [
            [
                pool.name,
                pool.gpu.name,
                f"{use.capacity:,}",
                f"{use.used:,}",
                f"{use.capacity - use.used:,}",
                "-" if pool.price_per_gpu_hour is None else text.usd(pool.price_per_gpu_hour),
                value_text(use.one_more_node),
            ]
            for pool, use in uses
        ],
    )


def value_text(value: NodeValue | None) -> str:
    """`places serving/chat, saves the others $1.20/h`; `nothing` when it changes nothing."""
    if value is None:
        return "-"
    told = []
    if value.places:
        names = ["/".join(part for part in name if part) for name in value.places[:3]]
        more = f" and {len(value.places) - 3} more" if len(value.places) > 3 else ""
        told.append(f"places {', '.join(names)}{more}")
    if text.per_hour(value.saving_cost_per_hour) != "$0.00/h":
        told.append(f"saves {'' if value.exact else 'up to '}{text.per_hour(value.saving_cost_per_hour)}")
    return ", ".join(told) or "nothing"


def refused_table(screen: Screen, decisions: Iterable[Decision], *, most: int | None = None) -> None:
    """Write who has no plan that may be used, why, and what each needs; the most important first."""
    refused = [each for each in decisions if each.plan is None or each.plan.state is PlanState.BLOCKED]
    refused.sort(key=lambda each: -each.request.priority)
    if not refused:
        return
    screen.blank()
    screen.text("Without a plan that may be used")
    screen.table(
        [Column("name"), Column("state"), Column("why and what it needs", "text")],
        [[_title(each.request), _state(each), _needs(each)] for each in refused[:most]],
    )
    if most is not None and len(refused) > most:
        screen.text(f"and {len(refused) - most:,} more (-o wide shows all)")


def _title(request: Request) -> str:
    return "/".join(part for part in (request.namespace, request.name) if part)


def _state(decision: Decision) -> str:
    return str(state_without_plan(decision)) if decision.plan is None else str(decision.plan.state)


def _needs(decision: Decision) -> str:
    told = [reason_of(decision)]
    if decision.relaxation is not None:
        told.append(decision.relaxation.message)
    return "; ".join(part for part in told if part) or "nothing was found that would help"
