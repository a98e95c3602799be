"""What the cluster shows of a request beside its metrics, and what else would save money. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from placewright.core.idle_suggestions import Offer, Suggestion, suggest
from placewright.core.model import Activity, IdleState, IdleVerdict
from placewright.handlers.acting.goals import cost_per_hour, replicas_of
from placewright.handlers.acting.looks import Look
from placewright.telemetry.views import Key


def known(look: Look, activity: Activity, whose: Mapping[tuple[str, str], Key]) -> Activity:
    """The activity with what the cluster shows: where the operator does not act, by the Pods alone.

    Args:
        look: at the request.
        activity: as the metrics have it, by the model's name.
        whose: the requests of Pods by namespace and name: servers of others may have a model of the same name. One
            that nobody knows counts.
    """
    servers = None if look.servers is None else [each for each in look.servers if not each.going]
    started = [each.started_at for each in servers or () if each.started_at is not None]
    replicas = sum(each.replicas for each in look.running) if look.running else None
    serving = sum(min(each.ready, each.replicas) for each in look.running) if look.running else None
    if replicas is None and servers:
        replicas, serving = len(servers), sum(each.ready for each in servers)
    wanted = replicas_of(look.units)
    return replace(
        activity,
        servers=tuple(each for each in activity.servers if whose.get((look.key[0], each.server), look.key) == look.key),
        replicas=replicas,
        plan_replicas=wanted if look.units else None,
        serving=serving,
        pods=None if servers is None else tuple(each.name for each in servers),
        youngest_at=max(started) if started and len(started) == len(servers or ()) else None,
        replicas_owner=look.owner,
    )


def suggestions(look: Look, verdict: IdleVerdict, activity: Activity) -> tuple[Suggestion, ...]:
    """What else would save money: a cheaper layout while nothing is asked, a limit of the GPUs' power at any time."""
    assert look.said is not None, "only what was read is asked for"
    idles = verdict.memory.state is IdleState.IDLE
    offers = [
        Offer(
            cost_per_hour=float(each.get("costPerHour") or 0.0),
            tokens_per_second=float(each.get("tokensPerSecond") or 0.0),
            summary=str(each.get("summary", "")),
        )
        for each in (look.subject.status.get("frontier") or () if idles else ())
    ]
    return suggest(
        cost_per_hour=cost_per_hour(look.stored),
        frontier=offers,
        power=activity.power,
        usd_per_kwh=look.said.usd_per_kwh,
    )
