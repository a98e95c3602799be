"""Gates of the plans in force with live figures: what statuses show of them, and when that changes."""

from dataclasses import dataclass, replace

from placewright.core import gates
from placewright.core.model import Decision, GateOutcome, Observation, Plan, Request
from placewright.handlers.bands import banded, outcomes_of, plain
from placewright.handlers.members import Member
from placewright.telemetry.views import Key


def is_live(request: Request) -> bool:
    """Whether a gate of the request looks at something that is observed."""
    revenue = request.gates.revenue
    observes_revenue = revenue is not None and revenue.observed and request.gates.max_cost_to_revenue_ratio is not None
    return observes_revenue or request.gates.max_observed_cost_drift_percent is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What was decided of a request last, and what is told of its gates."""

    request: Request
    plan: Plan
    blocked: Plan | None
    shown: tuple[GateOutcome, ...]


class GateWatch:
    """The decided plans with their gates; of requests with live gates alone the gates move by themselves."""

    def __init__(self) -> None:
        self._known: dict[Key, _Known] = {}

    def decided(self, key: Key, member: Member, decision: Decision, observation: Observation) -> Decision:
        """Takes in a decision; returns it with the gates as they are to be told."""
        # The member's own request, not the copy that came back from the solver: there are thousands.
        request, plan = member.request or decision.request, decision.plan
        if plan is None:
            self._known.pop(key, None)
            return decision
        shown = decision.gates
        if is_live(request):
            live = {outcome.name: outcome for outcome in gates.evaluate_live(request, plan, observation)}
            others = tuple(outcome for outcome in decision.gates if outcome.name not in live)
            shown = banded(self._told(key, member, plan), (*live.values(), *others))
        self._known[key] = _Known(request=request, plan=plan, blocked=decision.blocked, shown=shown)
        return replace(decision, gates=shown)

    def _told(self, key: Key, member: Member, plan: Plan) -> tuple[GateOutcome, ...]:
        """What was told of the gates of this plan before; a status is read once, after a start."""
        known = self._known.get(key)
        if known is not None:
            return known.shown if known.plan.id == plan.id else ()
        status = member.resource.get("status") or {}
        return outcomes_of(status.get("gates")) if (status.get("plan") or {}).get("id") == plan.id else ()

    def has_news(self, key: Key, observation: Observation) -> bool:
        """Whether the gates with these figures would be told otherwise than they are."""
        known = self._known.get(key)
        if known is None or not is_live(known.request):
            return False
        live = gates.evaluate_live(known.request, known.plan, observation)
        names = {outcome.name for outcome in live}
        before = tuple(outcome for outcome in known.shown if outcome.name in names)
        return plain(banded(before, live)) != plain(before)

    def flips(self, key: Key, in_force: Observation, exact: Observation) -> bool:
        """Whether the ratio of cost to revenue passes with one figure and fails with the other.

        Also of the better plan that gates keep from being used: it may pass now.
        """
        known = self._known.get(key)
        if known is None or not is_live(known.request):
            return False
        plans = [known.plan] if known.blocked is None else [known.plan, known.blocked]
        return any(_ratio(known.request, plan, in_force) != _ratio(known.request, plan, exact) for plan in plans)

    def request(self, key: Key) -> Request | None:
        """The request as it was decided last."""
        known = self._known.get(key)
        return None if known is None else known.request

    def plan(self, key: Key) -> Plan | None:
        """The plan that was decided last, also a blocked one."""
        known = self._known.get(key)
        return None if known is None else known.plan

    def exact(self, key: Key, observation: Observation) -> tuple[GateOutcome, ...]:
        """All gates of the plan with the live figures as they are."""
        known = self._known.get(key)
        return () if known is None else gates.evaluate_live(known.request, known.plan, observation)

    def forget(self, key: Key) -> None:
        """The request is gone, or is not planned here any more."""
        self._known.pop(key, None)


def _ratio(request: Request, plan: Plan, observation: Observation) -> object:
    outcomes = gates.evaluate_live(request, plan, observation)
    return next((outcome.result for outcome in outcomes if outcome.name == gates.COST_TO_REVENUE_RATIO), None)
