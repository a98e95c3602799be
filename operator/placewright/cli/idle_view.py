"""What burns money without doing anything, as people read it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from placewright.cli import text
from placewright.cli.idle_report import IDLE, REAPED, UNKNOWN, Report, Row
from placewright.cli.screen import Column, Field, Screen, Tone
from placewright.core.model import IdlePolicy
from placewright.telemetry.lenient import mapping, number, unix_seconds

_MOST_NAMES: Final = 10
_STATES: Final = {  # what a request does in this state, and how that is shown
    "Active": ("is active", "good"),
    "Warming": ("is warming up", "good"),
    "Waking": ("is waking", "good"),
    IDLE: ("idles", "warn"),
    REAPED: ("is reaped", "good"),
    UNKNOWN: ("not known whether it idles", "warn"),
}
_TONES: Final[dict[str, Tone]] = {"good": "good", "warn": "warn"}


def table(screen: Screen, report: Report, *, wide: bool) -> None:
    """Write what burns, or with `wide` every request, and the sums."""
    rows = report.rows if wide else report.burning
    columns, cells = (_WIDE, _wide_cells) if wide else (_COLUMNS, _cells)
    screen.table(columns, [cells(row) for row in rows])
    if report.rows:
        for line in _sums(report):
            screen.text(line)


_COLUMNS: Final = (
    Column("name"),
    Column("$/h", "number"),
    Column("state"),
    Column("since"),
    Column("burnt", "number"),
    Column("what happens", "text"),
)
_WIDE: Final = (
    Column("name"),
    Column("burns $/h", "number"),
    Column("costs $/h", "number"),
    Column("GPUs"),
    Column("state"),
    Column("since"),
    Column("last active"),
    Column("mode"),
    Column("policy"),
    Column("avoided", "number"),
    Column("what happens", "text"),
)


def _cells(row: Row) -> list[str]:
    return [
        row.subject.title,
        _usd(row.burns),
        row.state,
        _ago(row.since, row.now),
        "-" if row.burnt is None else _cents(row.burnt),
        next_of(row),
    ]


def _wide_cells(row: Row) -> list[str]:
    return [
        row.subject.title,
        _usd(row.burns),
        _usd(row.cost),
        _gpus(row) or "-",
        row.state or "-",
        _ago(row.since, row.now),
        _ago(unix_seconds(row.idle.get("lastActive")), row.now),
        "Apply" if mapping(row.subject.body, "spec").get("mode") == "Apply" else "Recommend",
        "-" if row.policy is None else str(row.policy),
        _cents(row.avoided) if row.avoided else "-",
        next_of(row) if row.state else "nobody looks",
    ]


def _sums(report: Report) -> list[str]:
    looked = sum(1 for row in report.rows if row.state)
    burns, costs = text.per_hour(report.burns), text.per_hour(report.cost)
    some = f"{len(report.burning)} of {text.counted(looked, 'request')} that somebody looks at"
    told = [f"{burns} burns in {some}; all plans cost {costs}"]
    if report.reaped or report.avoided:
        now = text.per_hour(report.avoids)
        told.append(f"{len(report.reaped)} reaped, which avoids {now}; {_cents(report.avoided)} avoided so far")
    told += [
        f"{row.subject.title} ({_usd(row.cost)}/h): not known whether it idles: {row.message or 'no figures'}"
        for row in report.unknown[:_MOST_NAMES]
    ]
    if len(report.unknown) > _MOST_NAMES:
        told.append(f"and {len(report.unknown) - _MOST_NAMES} more of which it is not known: -o wide")
    return [*told, *_unwatched(report.unwatched)]


def _unwatched(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    names = ", ".join(row.subject.title for row in rows[:_MOST_NAMES])
    more = f" and {len(rows) - _MOST_NAMES} more" if len(rows) > _MOST_NAMES else ""
    cost = text.per_hour(sum(row.cost or 0.0 for row in rows))
    return [
        f"nobody looks at {names}{more} ({cost}): an idle policy makes the operator look, --prometheus-url looks now"
    ]


def next_of(row: Row) -> str:
    """What happens next to a request that idles or is reaped, and why not more; otherwise why it stands as it does."""
    if row.state == REAPED:
        left = f"; {_usd(row.burns)}/h for what stays" if row.burns else ""
        return f"reaped, until it is woken{left}"
    if row.state != IDLE:
        return row.message or "-"
    if row.reap_at is not None:
        left_seconds = row.reap_at - row.now
        when = f"in {text.age(left_seconds)}" if left_seconds > 0 else "at the operator's next look"
        return f"reaped {when}, unless something comes"
    if row.policy in {None, IdlePolicy.OFF, IdlePolicy.REPORT}:
        return "nothing" if row.policy is None else f"nothing, its idle policy is {row.policy}"
    if not row.subject.acts:
        return "nothing, its mode is Recommend"
    return row.message or "nothing yet"


# ------------------------------------------------------------------------------------------------------ one request


def card(screen: Screen, row: Row) -> None:
    """Write all that is known of one request: what it burns, each signal, what wakes it, what else would save."""
    screen.title(*_headline(row))
    screen.fields([*_figures(row), *_course(row)])
    if row.signals:
        screen.blank()
        screen.text("Signals" + (" (asked now)" if row.asked else ""))
        screen.table(
            [Column("signal"), Column("says"), Column("why", "text")],
            [[str(each.get(name, "")) for name in ("signal", "result", "message")] for each in row.signals],
        )
    if row.suggestions:
        screen.blank()
        screen.text("What else would save (never done by itself)")
        screen.table(
            [Column("action"), Column("saves $/h", "number"), Column("how", "text")],
            [
                [str(each.get("action", "")), _usd(number(each.get("savesPerHour"))), str(each.get("message", ""))]
                for each in row.suggestions
            ],
        )


def _headline(row: Row) -> tuple[str, Tone]:
    if not row.plan:
        return f"{row.subject.title} has no plan that may run, so nothing burns", "plain"
    if not row.state:
        return f"{row.subject.title}: not known whether it idles", "warn"
    words, tone = _STATES.get(row.state, (row.state, "warn"))
    if row.state == UNKNOWN:
        return f"{row.subject.title}: {words}", "warn"
    told = f"{row.subject.title} {words}"
    if row.state == REAPED:
        told += f", which avoids {text.per_hour(row.avoids)}"
    if row.burns:
        told += f" and burns {text.per_hour(row.burns)}"
    return told, _TONES[tone]


def _figures(row: Row) -> list[Field]:
    found = []
    if row.plan:
        found.append(Field("plan", f"{row.plan.get('id', '')} at {_usd(row.cost)}/h on {_gpus(row) or 'no GPUs'}"))
    if row.state:
        since = unix_seconds(row.idle.get("since"))
        found.append(Field("state", row.state if since is None else f"{row.state} since {_when(since, row.now)}"))
        found.append(Field("last active", _when(unix_seconds(row.idle.get("lastActive")), row.now)))
    if row.burns and row.burnt is not None:
        found.append(Field("burnt", f"{_cents(row.burnt)} since then, at today's price", "warn"))
    why = row.message or ("" if row.state else "nobody looks: it has no idle policy, and no Prometheus was asked")
    if why:
        reason = str(row.idle.get("reason", ""))
        found.append(Field("why", f"{reason}: {why}" if reason else why))
    return found


def _course(row: Row) -> list[Field]:
    found = []
    if row.policy is not None:
        mode = "" if row.subject.acts else "; nothing is acted on it (mode Recommend, or suspended)"
        found.append(Field("policy", f"{row.policy}{mode}"))
    if row.state in {IDLE, REAPED}:
        found.append(Field("next", next_of(row)))
    if row.reap_at is not None:
        found.append(Field("reap", _when(row.reap_at, row.now)))
    found += [Field("wakes by" if number_ == 0 else "", way) for number_, way in enumerate(wakes_of(row))]
    if row.avoided:
        found.append(Field("avoided", f"{_cents(row.avoided)} by its reaps so far", "good"))
    took = number(row.idle.get("timeToReadySeconds"))
    if took is not None:
        found.append(Field("last wake", f"all replicas were Ready after {text.seconds(took)}"))
    return found


def wakes_of(row: Row) -> list[str]:
    """What wakes it once it is reaped; empty: nothing ever reaps it."""
    reaps = row.policy in {IdlePolicy.SCALE_TO_ZERO, IdlePolicy.SCALE_TO_FLOOR}
    if row.state not in {REAPED, "Waking"} and not (reaps and row.subject.acts):
        return []
    asked = row.subject
    ways = [f"placewright wake {asked.name} -n {asked.namespace}", "somebody who scales its workload by hand"]
    idle = None if asked.resource is None else asked.resource.spec.idle
    if idle is not None and idle.queue is not None:
        ways.append("a request that waits in the queue in front of it")
    windows = (idle.keep_awake if idle is not None else None) or ()
    told = (f"{window.cron} ({window.time_zone or 'UTC'}) for {window.duration}" for window in windows)
    return [*ways, *(f"the calendar: {each}" for each in told)]


def _gpus(row: Row) -> str:
    return " + ".join(f"{count} {pool}" for pool, count in mapping(row.plan, "gpusByPool").items())


def _usd(value: float | None) -> str:
    return "-" if value is None else text.usd(float(f"{value:.6g}"))


def _cents(value: float) -> str:
    """A sum over a time, which is no price: `$26.11`."""
    return f"${value:,.2f}"


def _ago(moment: float | None, now: float) -> str:
    return "-" if moment is None else f"{text.age(now - moment)} ago"


def _when(moment: float | None, now: float) -> str:
    """`2026-11-21T10:00:00Z (2 h ago)`; `never seen`."""
    if moment is None:
        return "never seen"
    stamp = datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{stamp} ({text.age(now - moment)} ago)" if moment <= now else f"{stamp} (in {text.age(moment - now)})"
