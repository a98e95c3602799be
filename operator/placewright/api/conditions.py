"""The conditions of a PlacementRequest (api.md section 2), with kstatus's meaning of Reconciling and Stalled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from placewright.api.figures import cut, plan_text
from placewright.api.gate_text import EXCEEDED, blocking_reason, failed, gates_text, telling, unknown
from placewright.api.live import NOTHING_LIVE, LiveInput, LiveStatus
from placewright.core import figures, gates
from placewright.core.errors import InvalidRequestError, UnsupportedModelError
from placewright.core.model import Decision, OnViolation, PlanState, RejectionCode, SolveStatus

MAX_MESSAGE: Final = 1024

_SHORT_CODES: Final = {RejectionCode.INSUFFICIENT_STOCK, RejectionCode.HOURLY_BUDGET_GATE}
_SLO_CODES: Final = {RejectionCode.SLO_TTFT, RejectionCode.SLO_TPOT, RejectionCode.THROUGHPUT_SHORT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition before it gets its times."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str


def timestamp(moment: datetime) -> str:
    """Write a moment as Kubernetes does: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rendered(
    conditions: Sequence[Condition], *, generation: int, now: datetime, previous: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Return the conditions as data; a transition time stays while the status of its condition stays."""
    before = {entry.get("type"): entry for entry in (previous or {}).get("conditions") or ()}
    entries = []
    for condition in conditions:
        old = before.get(condition.type, {})
        same = old.get("status") == condition.status and "lastTransitionTime" in old
        entries.append(
            {
                "type": condition.type,
                "status": condition.status,
                "observedGeneration": generation,
                "lastTransitionTime": old["lastTransitionTime"] if same else timestamp(now),
                "reason": condition.reason,
                "message": cut(condition.message, MAX_MESSAGE),
            }
        )
    return entries


def of_decision(decision: Decision, *, change: str = "", live: LiveStatus = NOTHING_LIVE) -> list[Condition]:
    """Return the conditions of a decision.

    Args:
        decision: what was decided.
        change: why the plan is what it is, as its history says, for the message of Ready.
        live: what is known of its live inputs.
    """
    reason, message = _ready_reason(decision)
    message = f"{message}; {change}" if change else message
    if reason == "PlanCurrent":
        head = [Condition(type="Ready", status="True", reason=reason, message=message)]
    elif reason == "InputsStale":
        head = [waiting(message)]
    else:
        head = not_ready(reason, message)
    return [*head, _feasible(decision), _gates_passed(decision), _fresh(decision, live), *_spilled(decision)]


def waiting(message: str) -> Condition:
    """Return Ready False for a request whose live inputs are away: it goes on by itself when they come back."""
    return Condition(type="Ready", status="False", reason="InputsStale", message=message)


def of_missing_demand(error: InvalidRequestError) -> list[Condition]:
    """Return the conditions of a request whose live demand nobody has read yet."""
    unread = Condition(type="InputsFresh", status="False", reason=str(LiveInput.DEMAND), message=str(error))
    return [waiting(str(error)), unread]


def _fresh(decision: Decision, live: LiveStatus) -> Condition:
    if live.faults:
        order = list(LiveInput)
        faults = sorted(live.faults, key=lambda fault: order.index(fault.input))
        message = "; ".join(fault.message for fault in faults)
        return Condition(type="InputsFresh", status="False", reason=str(faults[0].input), message=message)
    shared = [pool.shared for pool in decision.request.pools]
    message = "prices are those of the spec"
    if all(shared):
        message = "prices and stock are those of the GPUPools"
    elif any(shared):
        message = "prices are those of the spec and the GPUPools, stock is that of the GPUPools"
    read = [name for name, known in (("demand", live.demand), ("revenue", live.revenue)) if known is not None]
    if read:
        message = f"{message}; {' and '.join(read)} {'is' if len(read) == 1 else 'are'} read live"
    return Condition(type="InputsFresh", status="True", reason="Fresh", message=message)


def _spilled(decision: Decision) -> list[Condition]:
    """Tell that the plan stands elsewhere than it would with all stock to itself; nothing to tell: no condition."""
    if decision.spill is None:
        return []
    return [Condition(type="Spilled", status="True", reason="PreferredPoolShort", message=decision.spill.message)]


def of_error(error: InvalidRequestError) -> list[Condition]:
    """Return the conditions of a request that the user must fix."""
    return not_ready("UnsupportedModel" if isinstance(error, UnsupportedModelError) else "InvalidSpec", str(error))


def not_ready(reason: str, message: str) -> list[Condition]:
    """Return Ready False and Stalled True: nothing more happens until somebody changes something."""
    return [
        Condition(type="Ready", status="False", reason=reason, message=message),
        Condition(type="Stalled", status="True", reason=reason, message=message),
    ]


def _ready_reason(decision: Decision) -> tuple[str, str]:
    plan = decision.plan
    if plan is None:
        if decision.report.status is SolveStatus.TIME_LIMIT:
            return "SolverTimeout", _timeout_text(decision)
        return "Infeasible", _with_hints(_infeasible_text(decision), decision)
    if decision.kept or plan.state is PlanState.APPROVED:
        reason, message = _kept_reason(decision)
        if reason:
            return reason, message
    else:
        reason = blocking_reason(decision.request, decision.gates) or "GateBlocked"
        return reason, _with_hints(f"{gates_text(decision.gates)}; best is {plan_text(plan)}", decision)
    gap = decision.report.gap_percent
    told = f"; at most {figures.percent(gap)} above the proved bound" if gap and decision.request.in_fleet else ""
    why = "; somebody went back to it, and it is kept" if decision.kept else ""
    return "PlanCurrent", f"{plan.id}: {plan_text(plan)}{told}{why}"


def _kept_reason(decision: Decision) -> tuple[str, str]:
    """Why a plan that serves does not pass, or nothing may take its place; empty: it passes, or somebody wants it."""
    assert decision.plan is not None, "only a plan is kept"
    kept = f"{decision.plan.id} is kept: {plan_text(decision.plan)}"
    outcomes = telling(decision)
    over = decision.blocked is None and failed(decision.blocked_gates)  # a ceiling leaves nothing
    blocked = blocking_reason(decision.request, outcomes) or ("GateBlocked" if over else "")
    if blocked:
        best = decision.blocked
        another = best is not None and best.replicas != decision.plan.replicas
        best_text = f"; best without the gates is {plan_text(best)}" if best is not None and another else ""
        return blocked, _with_hints(f"{gates_text(outcomes)}; {kept}{best_text}", decision)
    if not decision.kept:
        return "", ""
    if decision.report.status is SolveStatus.INFEASIBLE:
        return "Infeasible", _with_hints(f"{_infeasible_text(decision)}; {kept}", decision)
    if decision.report.status is SolveStatus.TIME_LIMIT:
        return "SolverTimeout", f"{_timeout_text(decision)}; {kept}"
    return "", ""


def _with_hints(text: str, decision: Decision) -> str:
    """Add what would help: a change of the spec, more stock."""
    relaxation = decision.relaxation.message if decision.relaxation is not None else ""
    return "; ".join(part for part in (text, relaxation, decision.needs) if part)


def _infeasible_text(decision: Decision) -> str:
    reasons = [f"{entry.code}: {entry.message}" for entry in decision.rejections[:3]]
    fleet = decision.request.in_fleet and bool(_SHORT_CODES & {entry.code for entry in decision.rejections})
    verdict = "there is no plan" if fleet else "no layout is possible"
    return f"{verdict}: {'; '.join(reasons)}" if reasons else verdict


def _timeout_text(decision: Decision) -> str:
    seconds = decision.request.solver.time_limit_seconds
    return f"nothing was found within solver.timeLimit ({seconds:g} s), and nothing is proved; raise it"


def _feasible(decision: Decision) -> Condition:
    report = decision.report
    nothing = decision.plan is None or (
        decision.kept and report.status in {SolveStatus.INFEASIBLE, SolveStatus.TIME_LIMIT}
    )
    if nothing and report.status is SolveStatus.TIME_LIMIT:
        return Condition(type="Feasible", status="Unknown", reason="SolverTimeout", message=_timeout_text(decision))
    if nothing:
        text = _infeasible_text(decision)
        return Condition(type="Feasible", status="False", reason=_infeasible_reason(decision), message=text)
    if report.status is SolveStatus.OPTIMAL:
        message = f"proved best of {report.layouts_considered} layouts" if report.layouts_considered else "proved best"
        return Condition(type="Feasible", status="True", reason="Optimal", message=message + _scope(decision))
    parts = [f"{report.method} found a valid {'plan' if decision.request.in_fleet else 'layout'}"]
    if report.gap_percent is not None:
        parts.append(f"at most {figures.percent(report.gap_percent)} above the proved bound{_scope(decision)}")
    if report.distance_to_exact_percent is not None:
        parts.append(f"{figures.percent(report.distance_to_exact_percent)} above the exact optimum")
    return Condition(type="Feasible", status="True", reason="WithinGap", message=", ".join(parts))


def _scope(decision: Decision) -> str:
    """What a proof speaks of: requests that share pools are decided together."""
    shared = any(pool.shared for pool in decision.request.pools)
    return ", together with all requests that share its pools" if shared else ""


def _infeasible_reason(decision: Decision) -> str:
    """A layout that misses an SLO fits, so an SLO is what is left to blame; stock comes next.

    Where more stock or money is known to help, that is what the request was refused for.
    """
    codes = {entry.code for entry in decision.rejections}
    exceeded = failed(telling(decision))
    if exceeded:
        return EXCEEDED[exceeded[0].name]
    if decision.needs and RejectionCode.INSUFFICIENT_STOCK in codes:
        return "StockExhausted"
    if codes & _SLO_CODES:
        return "SloUnreachable"
    return "StockExhausted" if RejectionCode.INSUFFICIENT_STOCK in codes else "NoFit"


def _gates_passed(decision: Decision) -> Condition:
    outcomes = telling(decision)
    exceeded = failed(outcomes)
    if not gates.limits(decision.request.gates) and not outcomes:
        return Condition(type="GatesPassed", status="True", reason="NoGates", message="the spec sets no gates")
    if decision.plan is None and not exceeded:
        return _gates_without_plan(decision)
    text = gates_text(outcomes)
    if exceeded:
        warned = decision.request.gates.on_violation is OnViolation.WARN and decision.plan is not None
        message = f"{text}; onViolation is Warn" if warned else text
        return Condition(type="GatesPassed", status="False", reason=EXCEEDED[exceeded[0].name], message=message)
    if unknown(outcomes):
        return Condition(type="GatesPassed", status="Unknown", reason="InputUnknown", message=text)
    return Condition(type="GatesPassed", status="True", reason="AllPassed", message=text)


def _gates_without_plan(decision: Decision) -> Condition:
    drift = next((entry for entry in decision.rejections if entry.code is RejectionCode.DRIFT_GATE), None)
    if drift is not None:
        return Condition(type="GatesPassed", status="False", reason="DriftExceeded", message=drift.message)
    message = "there is no plan to hold the gates against"
    return Condition(type="GatesPassed", status="Unknown", reason="InputUnknown", message=message)
