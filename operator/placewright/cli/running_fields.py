"""What runs of a request and what is done about it, as its status tells: rollout, workloads, idling."""

from collections.abc import Mapping
from typing import Any, Final

from placewright.cli import text
from placewright.cli.screen import Field, Tone
from placewright.telemetry.lenient import entries, mapping, number

Json = Mapping[str, Any]

_PHASES: Final[dict[str, Tone]] = {"RolledOut": "good", "Failed": "bad", "Waiting": "warn"}
_STATES: Final[dict[str, Tone]] = {"Idle": "warn", "Unknown": "warn", "Reaped": "good"}


def running_fields(status: Json | None) -> list[Field]:
    """What runs now and why; empty: nothing is rolled out of it, and nobody looks whether it idles."""
    told = status or {}
    return [*_applied(told), *_rollout(mapping(told, "rollout")), *_idle(mapping(told, "idle"))]


def _applied(status: Json) -> list[Field]:
    """Why the plan is not rolled out, where that is more than that it is on its way."""
    found = next((each for each in entries(status, "conditions") if each.get("type") == "Applied"), {})
    if found.get("status") != "False" or found.get("reason") in {"Progressing", "Waiting", "RolloutFailed"}:
        return []
    return [Field("not applied", f"{found.get('reason', '')}: {found.get('message', '')}", "bad")]


def _rollout(rollout: Json) -> list[Field]:
    if not rollout:
        return []
    phase = str(rollout.get("phase", ""))
    told = f"{rollout.get('planId', '')} {phase}: {rollout.get('message', '')}"
    fields = [Field("rollout", told, _PHASES.get(phase, "plain"))]
    if rollout.get("trouble"):
        times = text.counted(int(number(rollout.get("failures")) or 1), "time")
        fields.append(Field("failed", f"{times}, last at {rollout.get('failedAt', '-')}: {rollout['trouble']}", "bad"))
    for place, each in enumerate(entries(rollout, "workloads")):
        fields.append(Field("runs" if place == 0 else "", _workload(each)))
    return fields


def _workload(each: Json) -> str:
    ready, replicas = (int(number(each.get(name)) or 0) for name in ("readyReplicas", "replicas"))
    percent = number(each.get("trafficPercent"))
    traffic = "" if percent is None else f", {text.percent(percent)} of the traffic"
    return f"{each.get('kind', '')} {each.get('name', '')}: {ready} of {replicas} Ready{traffic}"


def _idle(idle: Json) -> list[Field]:
    if not idle:
        return []
    state = str(idle.get("state", ""))
    since = f" since {idle['since']}" if idle.get("since") else ""
    reap = f"; reaped at {idle['reapAt']} unless something comes" if idle.get("reapAt") else ""
    fields = [Field("idling", f"{state}{since}: {idle.get('message', '')}{reap}", _STATES.get(state, "plain"))]
    saves, saved = number(idle.get("avoidedCostPerHour")) or 0.0, number(idle.get("avoidedDollars")) or 0.0
    if saves or saved:
        when = f" until {idle['avoidedAsOf']}" if idle.get("avoidedAsOf") else ""
        now = f", {text.per_hour(saves)} now" if saves else ""
        fields.append(Field("avoided", f"${saved:,.2f}{when}{now}", "good"))
    return fields
