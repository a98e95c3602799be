"""`placewright idle`: what burns money without doing anything."""

import time
from typing import TYPE_CHECKING, Any

import click

from placewright.cli.connection import Connection, connection_options
from placewright.cli.decorate import form_option
from placewright.cli.lazy import debug_option
from placewright.cli.live import Source, prometheus_options_for

if TYPE_CHECKING:
    from placewright.cli.idle_report import Row
    from placewright.cli.idle_sources import Found
    from placewright.telemetry.prometheus.server import Server


@click.command(short_help="Show what burns money without doing anything.")
@click.argument("name", required=False)
@click.option("-n", "--namespace", metavar="NAME", help="Of the requests.  [default: default]")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Requests of all namespaces.")
@click.option(
    "-f",
    "--filename",
    "filenames",
    metavar="FILE",
    multiple=True,
    help="File or folder with requests and their statuses, - for stdin, in place of the cluster; may be repeated.",
)
@connection_options
@prometheus_options_for(
    "Prometheus to ask now, by the requests' rules or the defaults.  [default: what the statuses say]"
)
@form_option("table", "wide", "json", "yaml")
@debug_option
def idle(form: str, name: str | None, **options: Any) -> None:
    """Show what burns money now: models that do nothing, with $/h and since when, most expensive first, and the sum.

    Tells what the operator has seen (status.idle), also where nothing is reaped. With --prometheus-url the activity is
    asked anew, also of requests without an idle policy; nothing is written. Missing figures are never idle: it says of
    whom nobody can tell. With NAME: each signal, what happens next, what wakes it, and what else would save.
    """
    from placewright.cli import emit, idle_report, idle_view  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.screen import open_screen  # noqa: PLC0415

    source = Source(
        url=options.pop("prometheus_url"),
        token_file=options.pop("prometheus_token_file"),
        ca_file=options.pop("prometheus_ca_file"),
    )
    server = source.server()
    found = _found(name, pods=server is not None, **options)
    emit.notes(found.notes)
    report = idle_report.report_of(_rows(found, server))
    if form in {"json", "yaml"}:
        emit.data(idle_report.data(report), form)
    elif name is not None:
        screen = open_screen()
        for number, row in enumerate(report.rows):
            if number:
                screen.blank()
            idle_view.card(screen, row)
    else:
        idle_view.table(open_screen(), report, wide=form == "wide")


def _found(
    name: str | None,
    *,
    namespace: str | None,
    everywhere: bool,
    filenames: tuple[str, ...],
    kubeconfig: str | None,
    context: str | None,
    pods: bool,
) -> "Found":
    """Read files or the cluster.

    Raises:
        click.UsageError: options that do not go together.
    """
    from placewright.cli.idle_sources import of_cluster, of_files  # noqa: PLC0415 - --help needs none of it

    if everywhere and (namespace is not None or name is not None):
        raise click.UsageError(f"-A does not go with {'-n' if namespace is not None else 'NAME'}")
    if filenames:
        for option, value in (("--kubeconfig", kubeconfig), ("--context", context), ("-A", everywhere)):
            if value:
                raise click.UsageError(f"{option} does not go with -f")
        return of_files(filenames, namespace, name)
    where = None if everywhere else namespace or "default"
    return of_cluster(Connection(kubeconfig=kubeconfig, context=context), where, name, pods=pods)


def _rows(found: "Found", server: "Server | None") -> "list[Row]":
    """One row for each request."""
    from placewright.api.acting import idle_rules  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.idle_asking import Asked, ask  # noqa: PLC0415
    from placewright.cli.idle_report import Row  # noqa: PLC0415
    from placewright.telemetry.lenient import mapping  # noqa: PLC0415

    asked = Asked(idle={}, now=time.time()) if server is None else ask(server, found)
    return [
        Row(
            subject=each,
            policy=None if each.resource is None else idle_rules(each.resource.spec, found.policies).policy,
            idle=asked.idle.get(each.title) or mapping(each.status, "idle"),
            asked=each.title in asked.idle,
            now=asked.now,
        )
        for each in found.subjects
    ]
