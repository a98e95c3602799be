"""Live figures for planning offline: what the requests want to know is asked of a Prometheus, each question once."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Final

import click

from placewright.cli.decorate import Command, with_options
from placewright.cli.faults import FaultsError, faults_of
from placewright.cli.scene import Asking, Scene
from placewright.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from placewright.api.live import Live, LiveStatus
    from placewright.handlers.live_views import Asking as Wanting
    from placewright.handlers.live_views import LiveView, Sample
    from placewright.telemetry.prometheus.book import Entry, Query
    from placewright.telemetry.prometheus.server import Server


_FIGURES: Final = (
    "Prometheus to ask once for live figures (workload.demandFrom, gates.revenuePerHourQuery)."
    "  [default: those in force in the statuses that were read]"
)


def prometheus_options(command: Command) -> Command:
    """Give a command the options that name a Prometheus server, to ask for live figures."""
    return prometheus_options_for(_FIGURES)(command)


def prometheus_options_for(about: str) -> Callable[[Command], Command]:
    """Give a command the options that name a Prometheus server.

    Args:
        about: what --help says of the server.
    """
    options = (
        click.option("--prometheus-url", metavar="URL", help=about),
        click.option("--prometheus-token-file", metavar="FILE", help="With --prometheus-url: a bearer token to send."),
        click.option(
            "--prometheus-ca-file",
            metavar="FILE",
            help="With --prometheus-url: certificates that sign the server's.  [default: the system's]",
        ),
    )
    return lambda command: with_options(command, options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The options of `prometheus_options` as they were given."""

    url: str | None = None
    token_file: str | None = None
    ca_file: str | None = None

    def server(self) -> "Server | None":
        """The server that is named; None: none is.

        Raises:
            FaultsError: the URL is none.
            click.UsageError: a file is named without a URL.
        """
        if self.url is None:
            for name, value in (("token", self.token_file), ("ca", self.ca_file)):
                if value is not None:
                    raise click.UsageError(f"--prometheus-{name}-file wants --prometheus-url")
            return None
        from placewright.telemetry.prometheus.server import server_at  # noqa: PLC0415 - --help needs no HTTP client

        try:
            return server_at(self.url, token_file=self.token_file, ca_file=self.ca_file)
        except InvalidRequestError as error:
            raise FaultsError(faults_of(error)) from None


NOBODY: Final = Source()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The live figures of the requests of a scene.

    Attributes:
        views: by namespace and name; of those that want any.
        sources: what the demand of each is, in a few words.
    """

    views: "Mapping[tuple[str, str], LiveView]" = field(default_factory=dict)
    sources: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def of(self, asking: Asking) -> "Live":
        """The figures that a request is planned by.

        Raises:
            InvalidRequestError: it follows a live demand that nobody could read, and none is in force.
        """
        from placewright.api.live import LiveInput, live_of_status  # noqa: PLC0415 - --help needs no pydantic
        from placewright.api.surroundings import DemandUnavailableError  # noqa: PLC0415 - as above

        view = self.views.get(asking.key)
        if view is None:
            return live_of_status({"status": asking.resource.status})
        if asking.resource.spec.workload.demand_from is not None and view.live.demand is None:
            why = next((fault.message for fault in view.faults if fault.input is LiveInput.DEMAND), "no answer")
            raise DemandUnavailableError.because(why)
        return view.live

    def shown(self, asking: Asking) -> "LiveStatus":
        """What a status shows of the figures of a request."""
        from placewright.api.live import LiveStatus, live_status_of  # noqa: PLC0415 - --help needs no pydantic

        view = self.views.get(asking.key)
        if view is None:
            return live_status_of({"status": asking.resource.status})
        return LiveStatus(demand=view.demand, revenue=view.revenue, faults=view.faults)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was read, and what could not be: one line each."""
        found = []
        for key, view in self.views.items():
            title = "/".join(part for part in key if part)
            if view.demand is not None and not any(fault.input.name == "DEMAND" for fault in view.faults):
                rate = sum(each.requests_per_second for each in view.demand.classes)
                found.append(f"{title}: live demand {rate:.6g} requests/s ({self.sources[key]})")
            found += [f"{title}: {fault.message}" for fault in view.faults]
        return tuple(found)


def figures(scene: Scene, source: Source) -> Figures | None:
    """Ask for the live figures of all requests of a scene, as the operator does in one cycle.

    Queries of requests are asked unless a policy of the scene forbids them: whoever calls has written the URL, and it
    is his own token that is sent.

    Returns:
        None when no server is named: then the figures in force count.

    Raises:
        FaultsError: the server's name or its certificates are wrong. A server that does not answer is no such fault.
    """
    server = source.server()
    if server is None:
        return None
    from placewright.api.policies import input_rules  # noqa: PLC0415 - --help needs no pydantic
    from placewright.handlers.live_views import asking_of, view_of, view_of_status  # noqa: PLC0415 - as above
    from placewright.telemetry.prometheus.wants import wants_of  # noqa: PLC0415 - as above

    rules = input_rules(scene.policies)
    if not rules.queries_policy:
        rules = replace(rules, request_queries="Any")
    wanting = {}
    for each in scene.requests:
        wants = wants_of(each.resource, rules)
        if wants.queries or wants.faults:
            wanting[each.key] = (each, asking_of(each.resource, wants))
    queries = tuple(dict.fromkeys(query for _, each in wanting.values() for query in each.wants.queries))
    entries, now = answers(server, queries)
    views = {
        key: view_of(
            view_of_status({"status": each.resource.status}),
            asking,
            entries,
            _sample(asking, entries, now),
            now=now,
            flips=lambda _, __: True,
        )
        for key, (each, asking) in wanting.items()
    }
    return Figures(views=views, sources={key: asking.source for key, (_, asking) in wanting.items()})


def _sample(asking: "Wanting", entries: "Mapping[Query, Entry]", now: float) -> "Sample":
    """What was measured of the demand, with the forecast where one is asked for."""
    from placewright.core.demand import DemandSample  # noqa: PLC0415 - --help needs none of it
    from placewright.handlers.live_views import sample_of  # noqa: PLC0415 - as above

    sample = sample_of(asking, entries, now=now)
    if asking.horizon_seconds is None or not isinstance(sample, DemandSample):
        return sample
    from placewright.telemetry.forecast import forecast  # noqa: PLC0415 - only who asks for one pays for it

    return replace(sample, forecast=forecast(sample.rate_points, asking.horizon_seconds))


@cache
def answers(server: "Server", queries: "Sequence[Query]") -> "tuple[Mapping[Query, Entry], float]":
    """Ask each question once in a run of the command, also where it plans twice; return also when that was.

    Raises:
        FaultsError: the certificates of the server cannot be read. A server that does not answer is no such fault.
    """
    from placewright.telemetry.prometheus.book import QueryBook  # noqa: PLC0415 - --help needs no HTTP client
    from placewright.telemetry.prometheus.client import PrometheusClient, session_for  # noqa: PLC0415 - as above

    # What cannot be read is told request by request; the log of the operator would tell it once more.
    logging.getLogger("placewright").addHandler(logging.NullHandler())

    async def ask() -> "Mapping[Query, Entry]":
        async with session_for(server) as session:
            return await QueryBook(PrometheusClient(session, server)).ask(queries)

    try:
        return asyncio.run(ask()), time.time()
    except InvalidRequestError as error:
        raise FaultsError(faults_of(error)) from None
