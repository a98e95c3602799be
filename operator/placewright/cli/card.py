"""One decision as labelled lines and tables."""

from typing import Final

from placewright.cli import text
from placewright.cli.fleet_fields import fleet_proof, member_fields
from placewright.cli.gate_fields import blocked_fields, gate_fields
from placewright.cli.planning import Planned
from placewright.cli.progress import figure
from placewright.cli.running_fields import running_fields
from placewright.cli.screen import Column, Field, Screen, Tone
from placewright.core.model import (
    Decision,
    Layout,
    Method,
    ObjectiveType,
    Plan,
    PlanState,
    RejectionCode,
    SolveReport,
    SolveStatus,
)

_BEST_WORDS: Final = {
    ObjectiveType.COST_PER_TOKEN: "no layout is cheaper per token",
    ObjectiveType.THROUGHPUT: "no layout is faster",
    ObjectiveType.COST: "no layout that is fast enough is cheaper per hour",
    ObjectiveType.WEIGHTED: "no layout has a better weighted sum of cost and throughput",
}

_OF_WHOLE_LAYOUTS: Final = {
    RejectionCode.THROUGHPUT_SHORT,
    RejectionCode.INSUFFICIENT_STOCK,
    RejectionCode.SLO_TTFT,
    RejectionCode.SLO_TPOT,
    RejectionCode.COST_PER_TOKEN_GATE,
    RejectionCode.HOURLY_BUDGET_GATE,
    RejectionCode.DRIFT_GATE,
}

_OF_TARGETS: Final = (Method.ENUMERATION, Method.ITERATIVE)


def headline(result: Planned) -> tuple[str, Tone]:
    """What became of the request, in one line."""
    decision, title = result.decision, result.job.title
    if result.job.refusal is not None:
        return f"{title}: not planned, {result.job.refusal.error}", "bad"
    if decision is None:
        return f"{title}: suspended, the operator keeps the last plan", "warn"
    if decision.plan is None:
        if decision.report.status is SolveStatus.TIME_LIMIT:
            return f"{title}: nothing found within the time limit, and nothing is proved", "bad"
        return f"{title}: {'refused, stock or a ceiling is too short' if decision.needs else 'infeasible'}", "bad"
    return _plan_headline(title, decision, decision.plan)


def _plan_headline(title: str, decision: Decision, plan: Plan) -> tuple[str, Tone]:
    if plan.state is PlanState.BLOCKED:
        return f"{title}: blocked, plan {plan.id} may not be used", "bad"
    if decision.kept:
        return f"{title}: plan {plan.id} stays, {_why_kept(decision)}", "warn"
    return f"{title}: approved, plan {plan.id}", "good"


def _why_kept(decision: Decision) -> str:
    """Why nothing takes the place of a present plan."""
    if decision.blocked is not None:
        return "as gates block all others"
    if decision.blocked_gates:
        return "as a ceiling leaves nothing else"
    return "as nothing else can be had" if decision.rejections else "as somebody went back to it"


def show(screen: Screen, result: Planned, *, wide: bool) -> None:
    """Write everything about one request that a person wants to see at once."""
    headed, tone = headline(result)
    screen.title(headed, tone)
    decision = result.decision
    if decision is None:
        return
    entries = plan_fields(decision.plan, wide=wide) if decision.plan is not None else []
    entries += [*gate_fields(decision.gates), *blocked_fields(decision), *proof_fields(decision, result.seconds)]
    entries += [*member_fields(decision), *change_fields(decision)]
    if wide:
        entries += [*_input_fields(decision), *running_fields(result.job.previous)]
    screen.fields(entries)
    if wide and decision.plan is not None:
        layout_table(screen, decision)
        stage_table(screen, decision.plan.main)
    trial_table(screen, decision.report)
    alternative_table(screen, decision, most=5 if wide else 3)
    if decision.plan is None or decision.plan.state is PlanState.BLOCKED or wide:
        rejection_table(screen, decision)


def plan_fields(plan: Plan, *, wide: bool = False) -> list[Field]:
    """The plan: layouts, money, rate, latency."""
    layout, several = plan.main, len(plan.replicas) > 1
    entries = [
        Field("layout", text.stages(layout.stages)),
        Field("precision", f"{layout.precision}, {text.counted(layout.max_concurrency, 'sequence')} in flight"),
    ]
    count = sum(entry.count for entry in plan.replicas)
    if several:
        entries.append(Field("replicas", f"{count}: {text.plan_shape(plan)}"))
    elif count > 1:
        entries.append(Field("replicas", str(count)))
    entries += [
        Field("cost", f"{text.per_million(plan.cost_per_million_tokens)}, {text.per_hour(plan.cost_per_hour)}"),
        Field("throughput", f"{text.rate(plan.tokens_per_second)} tokens/s{_load(plan)}"),
        Field("GPUs", text.plan_gpus(plan)),
    ]
    latency = [
        f"{name} {text.seconds(value)}"
        for name, value in (("TTFT", layout.ttft_seconds), ("TPOT", layout.tpot_seconds))
        if value is not None
    ]
    if latency:
        entries.append(Field("latency", ", ".join(latency) + (" of the main layout" if several else "")))
    if wide:
        entries.append(Field("requests", f"{layout.requests_per_second:.4g} requests/s"))
    return entries


def _load(plan: Plan) -> str:
    """How much of the capacity the demand takes."""
    if plan.demand_tokens_per_second is None:
        return ""
    share = plan.demand_tokens_per_second / plan.tokens_per_second * 100.0
    return f", demand {text.rate(plan.demand_tokens_per_second)} ({text.percent(share)})"


def proof_fields(decision: Decision, seconds: float) -> list[Field]:
    """What is proved, how it was found, and how far other methods are from the best."""
    report = decision.report
    entries = [Field("proof", proof_text(decision), "good" if report.status is SolveStatus.OPTIMAL else "warn")]
    searched = f"{report.method.lower()}, {text.seconds(seconds)}"
    told_already = any(report.proves.startswith(line) for line in decision.warnings)
    if report.method is not Method.EXACT and report.proves and not told_already:
        searched += f": {report.proves}"
    entries.append(Field("method", searched))
    distance = report.distance_to_exact_percent
    if distance is not None:
        told = f"{text.percent(distance)} worse than exact" if distance > 0 else "none, it is as good as exact"
        entries.append(Field("distance", told, "good" if distance == 0 else "warn"))
    if report.competitive_range_per_hour is not None:
        low, high = report.competitive_range_per_hour
        told = f"{text.per_hour(low)} to {text.per_hour(high)} can reach the target price"
        saved = text.counted(report.budgets_saved, "budget")
        entries.append(Field("range", f"{told}; {saved} outside it saved"))
    elif report.budgets_saved:
        saved = text.counted(report.budgets_saved, "budget")
        entries.append(Field("range", f"none can reach the target price; {saved} saved"))
    if report.method in _OF_TARGETS and not report.trials:
        over = (entry for entry in decision.rejections if entry.code is RejectionCode.COST_PER_TOKEN_GATE)
        entries += [Field("target", entry.message, "warn") for entry in over]
    if report.confidence == "Lower":
        entries.append(Field("confidence", "lower: figures of mixture-of-experts models are less certain", "warn"))
    if report.confidence == "Fitted":
        entries.append(Field("confidence", "fitted: rows come from a model fitted to measurements", "warn"))
    entries += [Field("warning", line, "warn") for line in (*decision.request.notes, *decision.warnings)]
    return entries


def proof_text(decision: Decision) -> str:
    """`Optimal: proved, no layout is cheaper per token`, or how large the gap is."""
    return fleet_proof(decision) if decision.request.in_fleet else _own_proof(decision)


def _own_proof(decision: Decision) -> str:
    report, kind = decision.report, decision.request.objective.type
    match report.status:
        case SolveStatus.INFEASIBLE:
            return "Infeasible: proved, no layout fits"
        case SolveStatus.TIME_LIMIT:
            limit = text.seconds(decision.request.solver.time_limit_seconds)
            return f"TimeLimit: nothing found in {limit}, a layout may exist"
        case SolveStatus.OPTIMAL:
            within = " within the gates" if _gates_bind(decision) else ""
            return f"Optimal: proved, {_BEST_WORDS[kind]}{within}"
        case SolveStatus.FEASIBLE:
            if report.gap_percent is None:
                return "Feasible: fits and passes, how good it is was not proved"
            bound = _bound_text(report, kind)
            if report.gap_percent == 0:
                return f"Feasible: as good as the best possible{bound}, which only the comparison with exact shows"
            return f"Feasible: at most {text.percent(report.gap_percent)} from the best possible{bound}"


def _gates_bind(decision: Decision) -> bool:
    return decision.plan is not None and decision.plan.state is PlanState.APPROVED and bool(decision.gates)


def _bound_text(report: SolveReport, kind: ObjectiveType) -> str:
    bound, unit = {
        ObjectiveType.COST_PER_TOKEN: (report.bound_cost_per_million_tokens, "$/M tokens"),
        ObjectiveType.COST: (report.bound_cost_per_hour, "$/h"),
        ObjectiveType.THROUGHPUT: (report.bound_tokens_per_second, "tokens/s"),
        ObjectiveType.WEIGHTED: (None, ""),
    }[kind]
    return "" if bound is None else f" ({figure(bound, unit)})"


def change_fields(decision: Decision) -> list[Field]:
    """The smallest change that would help."""
    if decision.plan is not None and decision.plan.state is PlanState.APPROVED and not decision.kept:
        return []
    if decision.kept and decision.relaxation is None:
        return []
    if decision.relaxation is None and decision.needs:
        return []  # it is shown as such, and no change of the request is as small
    if decision.relaxation is None:
        return [Field("change", "no change of the request was found that would help", "warn")]
    return [Field("change", decision.relaxation.message, "warn")]


def _input_fields(decision: Decision) -> list[Field]:
    from placewright.core import runtime  # noqa: PLC0415 - not needed by every command

    entries = [Field("inputs", decision.inputs_hash)]
    bound = decision.report.bound_cost_per_million_tokens
    if bound is not None:
        entries.append(Field("bound", f"{text.per_million(bound)} is the least possible price"))
    entries.append(Field("considered", f"{decision.report.layouts_considered:,} solves"))
    entries.append(Field("frontier", f"{text.counted(len(decision.frontier), 'layout')} (see `placewright pareto`)"))
    if decision.plan is not None:
        layout = decision.plan.main
        args = runtime.engine_args(decision.request, layout)
        env = [f"{name}={value}" for name, value in runtime.engine_env(decision.request, layout)]
        if args:
            entries.append(Field("engine", " ".join(args)))
        if env:
            entries.append(Field("environment", " ".join(env)))
    return entries


def layout_table(screen: Screen, decision: Decision) -> None:
    """The layouts of a plan that has several, with their shares of the traffic."""
    plan, classes = decision.plan, sorted(each.name for each in decision.request.workload.classes)
    if plan is None or len(plan.replicas) == 1:
        return
    screen.blank()
    screen.table(
        [
            Column("replicas", "number"),
            Column("layout", "text"),
            Column("traffic", "number"),
            Column("classes", "text"),
            Column("$/h", "number"),
            Column("tokens/s", "number"),
        ],
        [
            [
                str(entry.count),
                layout_text(entry.layout),
                text.percent(entry.weight * 100.0),
                ", ".join(
                    f"{name} {text.percent(share * 100.0)}"
                    for name, share in zip(classes, entry.class_weights, strict=False)
                    if share > 0
                )
                or "-",
                text.usd(entry.count * entry.layout.cost_per_hour),
                text.rate(entry.count * entry.layout.tokens_per_second),
            ]
            for entry in plan.replicas
        ],
    )


def stage_table(screen: Screen, layout: Layout) -> None:
    """The stages, first to last."""
    screen.blank()
    screen.table(
        [
            Column("stage", "number"),
            Column("pool"),
            Column("GPU"),
            Column("TP", "number"),
            Column("layers"),
            Column("count", "number"),
        ],
        [
            [
                str(number),
                stage.pool,
                stage.gpu,
                str(stage.tensor_parallel),
                f"{stage.first_layer}-{stage.last_layer}",
                str(stage.layers),
            ]
            for number, stage in enumerate(layout.stages)
        ],
    )


def trial_table(screen: Screen, report: SolveReport) -> None:
    """Each budget that was tried."""
    if not report.trials:
        return
    rows: list[list[str]] = []
    for trial in report.trials:
        budget = text.usd(trial.budget_per_hour)
        if rows and rows[-1][0].removeprefix("below ") == budget:
            budget = f"below {budget}"  # what the trial before costs is ruled out by a hair
        price, speed = trial.cost_per_million_tokens, trial.tokens_per_second
        rows.append(
            [
                budget,
                "nothing fits" if price is None else text.usd(price),
                "-" if speed is None else text.rate(speed),
            ]
        )
    screen.blank()
    screen.text("Budgets tried")
    screen.table([Column("budget $/h", "number"), Column("$/M tokens", "number"), Column("tokens/s", "number")], rows)


def alternative_table(screen: Screen, decision: Decision, *, most: int) -> None:
    """What lost, and why."""
    shown = decision.alternatives[:most]
    if not shown:
        return
    screen.blank()
    screen.text("Alternatives that lost")
    screen.table(
        [
            Column("$/M tokens", "number"),
            Column("$/h", "number"),
            Column("tokens/s", "number"),
            Column("layout", "text"),
            Column("why it lost", "text"),
        ],
        [
            [
                text.usd(entry.layout.cost_per_million_tokens),
                text.usd(entry.layout.cost_per_hour),
                text.rate(entry.layout.tokens_per_second),
                layout_text(entry.layout),
                entry.reason,
            ]
            for entry in shown
        ],
    )


def layout_text(layout: Layout) -> str:
    """`fp8, 64: 2 x l40s TP4 (40 layers)`."""
    return f"{layout.precision}, {layout.max_concurrency}: {text.stages(layout.stages)}"


def rejection_table(screen: Screen, decision: Decision) -> None:
    """What was left out, and why."""
    if not decision.rejections:
        return
    # What only solving shows is about whole layouts, and so closer to the cause than sizes that do not fit.
    ordered = sorted(decision.rejections, key=lambda entry: entry.code not in _OF_WHOLE_LAYOUTS)
    screen.blank()
    screen.text("Left out")
    screen.table(
        [Column("reason"), Column("count", "number"), Column("pool"), Column("why", "text")],
        [[str(entry.code), f"{entry.count:,}", entry.pool or "-", entry.message] for entry in ordered],
    )
