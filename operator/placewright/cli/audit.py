"""`placewright audit`: prove and read the journal of decisions."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from placewright.cli import exits
from placewright.cli.decorate import Command, form_option, with_options
from placewright.cli.lazy import debug_option
from placewright.cli.options import Seconds

if TYPE_CHECKING:
    from placewright.telemetry.audit.reader import Choice


_VERIFY_EPILOG: Final = (
    "Exit codes: 0 intact, 1 internal error, 2 bad input, 5 not intact: each line says file:line, what is wrong, and"
    " with which record."
)


class RequestName(click.ParamType[tuple[str, str]]):
    """NAMESPACE/NAME."""

    name = "NAMESPACE/NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Read both."""
        namespace, slash, name = str(value).partition("/")
        if not slash or not namespace or not name or "/" in name:
            self.fail(f"got {value!r}, wants NAMESPACE/NAME such as serving/chat", param, ctx)
        return namespace, name


class Moment(click.ParamType[datetime]):
    """A time such as 2026-11-21T10:00:00Z, or how long ago, such as 2h."""

    name = "TIME|DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the moment."""
        text = str(value)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        try:
            return datetime.now(tz=UTC) - timedelta(seconds=Seconds().convert(text, param, ctx))
        except (click.BadParameter, OverflowError):
            self.fail(f"got {text!r}, wants a time such as 2026-11-21T10:00:00Z, or how long ago: 2h", param, ctx)


_CHOICE: Final = (
    click.option("--request", type=RequestName(), help="Only records of this request."),
    click.option(
        "--kind", "kinds", metavar="KIND", multiple=True, help="Only this kind, as Decision; may be repeated."
    ),
    click.option("--since", type=Moment(), help="Only records from then on."),
)


def choice_options(command: Command) -> Command:
    """Give a command the options that choose records."""
    return with_options(command, _CHOICE)


@click.group(short_help="Prove and read the audit journal.")
def audit() -> None:
    """Prove that the journal of decisions is as it was written, and read it."""


@audit.command(short_help="Find what was changed, left out, moved, added or cut off.", epilog=_VERIFY_EPILOG)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--head",
    "heads",
    metavar="SEQ:HASH|FILE",
    multiple=True,
    help="A record that was noted elsewhere, or a copy of head.json: proves that nothing up to it is missing.",
)
@form_option("text", "json", "yaml")
@debug_option
@click.pass_context
def verify(ctx: click.Context, /, *, paths: tuple[str, ...], heads: tuple[str, ...], form: str) -> None:
    """Check every record of a journal: a folder, or files and pieces of one in their order.

    A folder is held against its own head.json. Whoever may write both can put an older state of both back; only a head
    that was kept elsewhere proves the opposite.
    """
    from placewright.cli import audit_view, emit  # noqa: PLC0415 - --help needs none of it
    from placewright.telemetry.audit import verify as checks  # noqa: PLC0415

    known = [checks.known_head(text, option="--head") for text in heads]
    report = checks.verify(checks.material_of([Path(path) for path in paths], known))
    emit.notes(report.notes)
    if form == "text":
        for line in audit_view.report_lines(report):
            click.echo(line)
    else:
        emit.data(audit_view.report_data(report), form)
    ctx.exit(exits.PLANNED if report.intact else exits.NOT_INTACT)


@audit.command(short_help="Show records.")
@click.argument("path", metavar="PATH")
@choice_options
@form_option("table", "json")
@debug_option
def show(
    *, path: str, request: tuple[str, str] | None, kinds: tuple[str, ...], since: datetime | None, form: str
) -> None:
    """Show the records of a journal, oldest first. Whether they are as they were written, `audit verify` says."""
    from placewright.cli import audit_view, emit  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.screen import open_screen  # noqa: PLC0415
    from placewright.telemetry.audit.reader import records_of  # noqa: PLC0415

    records = records_of(Path(path), _choice(request, kinds, since))
    if form == "json":
        emit.data({"apiVersion": "placewright.dev/v1alpha1", "kind": "AuditRecords", "items": list(records)}, form)
        return
    shown = list(records)
    audit_view.table(open_screen(), shown)
    if not shown:
        emit.notes([f"no such records in {path}"])


@audit.command(short_help="Write records for another program.")
@click.argument("path", metavar="PATH")
@choice_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json", "jsonl"]),
    required=True,
    help="csv: one row each; json: one list; jsonl: the lines as they stand, which can still be verified.",
)
@debug_option
def export(
    *, path: str, request: tuple[str, str] | None, kinds: tuple[str, ...], since: datetime | None, form: str
) -> None:
    """Write the records of a journal to standard output, oldest first."""
    from placewright.cli import audit_view  # noqa: PLC0415 - --help needs none of it
    from placewright.telemetry.audit.reader import lines_with_records  # noqa: PLC0415

    chosen = lines_with_records(Path(path), _choice(request, kinds, since))
    for text in audit_view.exported(chosen, form):
        click.echo(text, nl=False)


def _choice(request: tuple[str, str] | None, kinds: tuple[str, ...], since: datetime | None) -> "Choice":
    from placewright.telemetry.audit import ChainKind, EntryKind  # noqa: PLC0415 - --help needs none of it
    from placewright.telemetry.audit.reader import Choice  # noqa: PLC0415

    known = [*map(str, EntryKind), *map(str, ChainKind)]
    for kind in kinds:
        if kind not in known:
            raise click.BadParameter(f"got {kind!r}, wants one of {', '.join(known)}", param_hint="--kind")
    namespace, name = request or ("", "")
    return Choice(namespace=namespace, name=name, kinds=frozenset(kinds), since=since)
