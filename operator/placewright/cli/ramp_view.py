"""A ramp as people read it."""

from typing import Any, Final

from placewright.cli import text
from placewright.cli.screen import Column, Field, Screen, Tone

Json = dict[str, Any]

_TONES: Final[dict[str, Tone]] = {"Progressing": "good", "Completed": "good", "RolledBack": "bad"}


def show(screen: Screen, title: str, ramp: Json, resource: Json) -> None:
    """Write where a ramp stands, and the gates of its next step."""
    phase = str(ramp["phase"])
    screen.title(f"Ramp of {title}", _TONES.get(phase, "warn"))
    fields = [
        Field("plan", str(ramp["planId"])),
        Field("step", _step(ramp)),
        Field("phase", phase, _TONES.get(phase, "warn")),
        Field("reason", f"{ramp['reason']}: {ramp['message']}"),
    ]
    times = (("entered", "enteredAt"), ("gates pass since", "passingSince"), ("a gate fails since", "failingSince"))
    fields += [Field(label, str(ramp[name])) for label, name in times if ramp.get(name)]
    before = ramp.get("previousPlan")
    if before:
        fields.append(Field("plan before", f"{before['id']} at {text.per_hour(before['costPerHour'])}"))
    now = (resource.get("status") or {}).get("plan")
    if now:
        fields.append(Field("plan now", f"{now['id']} at {text.per_hour(now['costPerHour'])}"))
    screen.fields(fields)
    gates = ramp.get("gates") or []
    if gates:
        screen.blank()
        screen.text("Gates of the next step" if int(ramp["step"]) + 1 < int(ramp["steps"]) else "Gates of this step")
        columns = [
            Column("gate"),
            Column("result"),
            Column("limit", "number"),
            Column("actual", "number"),
            Column("headroom", "number"),
            Column("input", "text"),
        ]
        screen.table(columns, [_cells(gate) for gate in gates])


def _step(ramp: Json) -> str:
    step = int(ramp["step"])
    if step < 0:
        return f"before the first of {ramp['steps']}, 0 % of the traffic"
    return f"{step + 1} of {ramp['steps']}, {ramp['percent']:g} % of the traffic"


def _cells(gate: Json) -> list[str]:
    headroom = gate.get("headroomPercent")
    told = [str(gate[name]) for name in ("input", "asOf", "fault") if gate.get(name)]
    return [
        str(gate.get("name", "")),
        str(gate.get("result", "")),
        _figure(gate.get("limit")),
        _figure(gate.get("actual")),
        f"{headroom:g} %" if headroom is not None else "-",
        ", ".join(told) or "-",
    ]


def _figure(value: float | None) -> str:
    return f"{value:g}" if value is not None else "-"
