"""What models do now, asked of a Prometheus: also of requests that no idle policy looks after. Nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from placewright.cli.idle_sources import Found, Subject
from placewright.cli.live import answers
from placewright.telemetry.lenient import entries, mapping, number

if TYPE_CHECKING:
    from placewright.core.idle_suggestions import Suggestion
    from placewright.core.model import Activity, IdleRules, IdleVerdict
    from placewright.handlers.acting.observing import Server as Pod
    from placewright.telemetry.prometheus.activity import ActivityWant
    from placewright.telemetry.prometheus.server import Server

_IDLE: Final = "Idle"
_AWAY: Final = ("Reaped", "Waking")  # nothing of it is up that could tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was found.

    Attributes:
        idle: as `status.idle` holds it, by the request's title; of those that could be asked.
        now: Unix time of the answers.
    """

    idle: Mapping[str, Mapping[str, Any]]
    now: float


def ask(server: "Server", found: Found) -> Asked:
    """Ask for the activity of all requests with a plan, by their rules or the defaults, each question once.

    Raises:
        FaultsError: the certificates of the server cannot be read. A server that does not answer is no such fault:
            then nobody can tell whether anything idles.
    """
    from placewright.telemetry.prometheus.activity import ActivityWant, activity_of  # noqa: PLC0415 - heavy

    wanting = [_Asking.of(each, found) for each in found.subjects if _can_tell(each)]
    queries = [query for each in wanting if isinstance(each.want, ActivityWant) for query in each.want.queries]
    answered, now = answers(server, tuple(dict.fromkeys(queries)))
    told = {}
    for each in wanting:
        activity = each.completed(activity_of(each.want, answered))
        told[each.subject.title] = each.data(activity, now)
    return Asked(idle=told, now=now)


def _can_tell(subject: Subject) -> bool:
    """Whether it has a plan that may run, this version can read it, and it is up."""
    plan = mapping(subject.status, "plan")
    if subject.resource is None or not plan or plan.get("state", "Approved") != "Approved":
        return False
    return mapping(subject.status, "idle").get("state") not in _AWAY


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    subject: Subject
    rules: "IdleRules"
    want: "ActivityWant | str"
    pods: "tuple[Pod, ...]"  # of its replicas; empty: not known
    usd_per_kwh: float | None

    @classmethod
    def of(cls, subject: Subject, found: Found) -> "_Asking":
        from placewright.api.acting import electricity_price, idle_rules  # noqa: PLC0415 - --help needs no pydantic
        from placewright.api.policies import input_rules  # noqa: PLC0415
        from placewright.core.model import IdlePolicy  # noqa: PLC0415
        from placewright.telemetry.prometheus.activity import activity_want  # noqa: PLC0415

        assert subject.resource is not None, "only what can be read is asked for"
        pods, own = found.servers.get(subject.title, ()), idle_rules(subject.resource.spec, found.policies)
        # Here nothing is reaped. Without Pods, a server that was scraped for the whole window is no younger than that.
        young = own.warmup_seconds if pods else min(own.warmup_seconds, own.after_seconds)
        rules = replace(own, policy=IdlePolicy.REPORT, warmup_seconds=young)
        allowed = input_rules(found.policies)
        if not allowed.queries_policy:  # whoever calls has written the URL, and it is his own token that is sent
            allowed = replace(allowed, request_queries="Any")
        price = electricity_price(found.policies)
        want = activity_want(subject.resource, allowed, rules, power=price is not None)
        return cls(subject=subject, rules=rules, want=want, pods=pods, usd_per_kwh=price)

    def completed(self, activity: "Activity") -> "Activity":
        """The activity with what Prometheus does not tell: the replicas by Pods, else the status, else the plan."""
        status = self.subject.status
        planned = int(number(mapping(status, "plan").get("replicas")) or 0)
        if self.pods:
            started = [each.started_at for each in self.pods if each.started_at is not None]
            return replace(
                activity,
                replicas=len(self.pods),
                plan_replicas=planned,
                serving=sum(each.ready for each in self.pods),
                pods=tuple(each.name for each in self.pods),
                youngest_at=max(started) if len(started) == len(self.pods) else None,
            )
        running = entries(mapping(status, "rollout"), "workloads")
        return replace(
            activity,
            replicas=_sum(running, "replicas") if running else planned,
            plan_replicas=planned,
            serving=_sum(running, "readyReplicas") if running else planned,
            youngest_at=None if activity.as_of is None else activity.as_of - self.rules.after_seconds,
        )

    def data(self, activity: "Activity", now: float) -> dict[str, Any]:
        """What follows, as the status would hold it."""
        from placewright.api.acting import idle_memory_of, wishes_of  # noqa: PLC0415 - --help needs no pydantic
        from placewright.api.acting_status import idle_data  # noqa: PLC0415
        from placewright.core.idle import decide  # noqa: PLC0415

        status = self.subject.status
        verdict = decide(
            activity,
            self.rules,
            replace(wishes_of(dict(self.subject.body), now), wake=""),  # the operator obeys it, nobody else does
            idle_memory_of(status),
            now,
            cost_per_hour=number(mapping(status, "plan").get("costPerHour")) or 0.0,
            floor_cost_per_hour=0.0,
            can_act=False,
        )
        offered = self._suggestions(activity) if str(verdict.memory.state) == _IDLE else ()
        before, told = mapping(status, "idle"), idle_data(_plain(verdict), offered)
        if told["state"] != before.get("state"):
            told["since"] = _stamp(now - self.rules.after_seconds) if told["state"] == _IDLE else None
        if told["state"] == before.get("state") == _IDLE and "reapAt" in before:
            told["reapAt"] = before["reapAt"]  # announced by the operator, and it idles still
        return {name: value for name, value in told.items() if value is not None}

    def _suggestions(self, activity: "Activity") -> "tuple[Suggestion, ...]":
        """What else would save money: by the frontier that was found with the plan, and by what its GPUs draw."""
        from placewright.core.idle_suggestions import Offer, suggest  # noqa: PLC0415 - --help needs none of it

        status = self.subject.status
        offers = (
            Offer(
                cost_per_hour=number(each.get("costPerHour")) or 0.0,
                tokens_per_second=number(each.get("tokensPerSecond")) or 0.0,
                summary=str(each.get("summary", "")),
            )
            for each in entries(status, "frontier")
        )
        return suggest(
            cost_per_hour=number(mapping(status, "plan").get("costPerHour")) or 0.0,
            frontier=offers,
            power=activity.power,
            usd_per_kwh=self.usd_per_kwh,
        )


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sum(workloads: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(int(number(each.get(name)) or 0) for each in workloads)


def _plain(verdict: "IdleVerdict") -> "IdleVerdict":
    """The verdict without words on what is done about it: that is the operator's, by the policy in force."""
    from placewright.core.model import IdlePolicy  # noqa: PLC0415 - --help needs none of it

    return replace(verdict, message=verdict.message.removesuffix(f"; not reaped: its policy is {IdlePolicy.REPORT}"))
