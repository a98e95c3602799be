"""The decision for many requests on shared pools, start to end.

snapshot -> components -> each one decided -> joined where a ceiling binds -> verify
"""

from collections.abc import Callable

from placewright.core import decide as single
from placewright.core.errors import InternalError
from placewright.core.fleet.components import combine, components, joined, report_of
from placewright.core.fleet.keeping import keep_alone
from placewright.core.fleet.part import Part
from placewright.core.identity import canonical
from placewright.core.model import FleetDecision, Progress, Snapshot
from placewright.core.verification.fleet import verify_fleet

OnProgress = Callable[[Progress], None]


def decide_fleet(
    snapshot: Snapshot, *, clock: Callable[[], float], on_progress: OnProgress | None = None
) -> FleetDecision:
    """Decide all requests of a snapshot.

    Args:
        snapshot: everything the decision depends on.
        clock: monotonic seconds, for the time limit alone; it changes nothing else.
        on_progress: told about cost, bound and gap while a component is solved.

    Raises:
        InternalError: a plan failed the independent check; nothing of the fleet must be used.
    """
    parts = [_decide_part(part, clock, on_progress) for part in components(snapshot)]
    whole = combine(snapshot, parts)
    for _ in snapshot.ceilings:  # each round joins what a broken ceiling connects
        again = joined(snapshot, whole)
        if not again:
            break
        parts.extend(_decide_part(part, clock, on_progress) for part in again)
        whole = combine(snapshot, parts)
    violations = verify_fleet(snapshot, whole)
    if violations:
        raise InternalError("the fleet failed the independent check and is withheld: " + "; ".join(violations[:5]))
    return whole


def _decide_part(snapshot: Snapshot, clock: Callable[[], float], on_progress: OnProgress | None) -> FleetDecision:
    """Decide requests that are connected."""
    request = snapshot.requests[0]
    if len(snapshot.requests) > 1 or snapshot.ceilings or request.in_fleet:
        return Part(snapshot, clock, on_progress).decide()
    decided = single.decide(request, clock=clock, on_progress=on_progress)
    decision = keep_alone(canonical(request), decided, next(iter(snapshot.present), None))
    gap = decision.report.gap_percent
    cost = decision.plan.cost_per_hour if decision.plan is not None else 0.0
    report = report_of([decision], cost if gap is None else cost * gap / 100.0, decision.report.status)
    return FleetDecision(decisions=(decision,), assignments=(), pools=(), report=report)
