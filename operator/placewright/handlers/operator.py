"""The operator as a whole: wires the parts, waits for the CRD, runs until a signal, drains."""

import asyncio
import logging
import signal
import time
from collections.abc import Collection, Coroutine
from pathlib import Path
from typing import Any

from placewright import __version__
from placewright.api.annotations import actor_of
from placewright.core.errors import PlacewrightError
from placewright.core.model import Request, Snapshot
from placewright.handlers import readiness, watching, worker
from placewright.handlers.auditor import Auditor, trail_of
from placewright.handlers.cache import Json, ObjectCache, key_of
from placewright.handlers.fleet import Fleet, FleetParts
from placewright.handlers.fleet_live import FleetLive
from placewright.handlers.fleet_solutions import FleetSolutions
from placewright.handlers.forecasts import Forecasts
from placewright.handlers.intake import Intake
from placewright.handlers.kinds import KindStatuses
from placewright.handlers.ledger import Ledger
from placewright.handlers.live import Connection, LiveInputs, own_server
from placewright.handlers.members import Members
from placewright.handlers.options import OperatorOptions
from placewright.handlers.price_queries import PriceQueries
from placewright.handlers.price_reader import SourceReader
from placewright.handlers.prices import Prices
from placewright.handlers.publisher import Publisher
from placewright.handlers.queue import CoalescingQueue
from placewright.handlers.ramps import Ramps
from placewright.handlers.reconcile import Reconciler
from placewright.handlers.solutions import Solutions
from placewright.handlers.solver import FleetEntry, FleetOutcome, Solved, SolveEntry, SolveOutcome, SolverPool
from placewright.handlers.surveyor import Surveyor
from placewright.kube.access import Access, access_for
from placewright.kube.client import KubeClient
from placewright.kube.events import EventRecorder, TokenBucket, Transition
from placewright.kube.status import WriteResult
from placewright.telemetry.audit import OFF, AuditTrail
from placewright.telemetry.health import Health, Heartbeats
from placewright.telemetry.live_figures import LiveFigures
from placewright.telemetry.metrics import Metrics, Parts, Vitals
from placewright.telemetry.policy_views import PolicyView, policy_view_of
from placewright.telemetry.prometheus.book import QueryBook
from placewright.telemetry.prometheus.server import Server
from placewright.telemetry.server import HttpServer, parse_address
from placewright.telemetry.views import Key, PoolView, pool_view_of

log = logging.getLogger(__name__)

_SOLUTIONS_KEPT = 512
_EVENTS_PER_SECOND = 1.0
_EVENTS_BURST = 25
_TICK_SECONDS = 0.5
_MIB = 1024 * 1024
_GAP_SLACK_SECONDS = 5.0


class OperatorError(PlacewrightError):
    """The operator cannot go on; the process should end and be restarted."""


class Operator:
    """All parts of one operator process.

    Args:
        options: what it was told.
        access: credentials of the cluster.
        client: calls on the API server.
        entry: what a solver process runs for a request that is decided alone.
        fleet_entry: what it runs for requests that are decided together.
        trail: the audit trail.

    Raises:
        InvalidRequestError: an option is wrong.
    """

    def __init__(
        self,
        options: OperatorOptions,
        *,
        access: Access,
        client: KubeClient,
        entry: SolveEntry,
        fleet_entry: FleetEntry,
        trail: AuditTrail = OFF,
    ) -> None:
        self._options = options
        self._access = access
        self._client = client
        own = own_server(
            options.prometheus_url,
            token_file=options.prometheus_token_file,
            ca_file=options.prometheus_ca_file,
            timeout_seconds=options.prometheus_timeout_seconds,
        )
        self.trail = trail
        self.auditor = Auditor(trail, listed=lambda: self.intake.list_ok_at is not None)
        self._stop = asyncio.Event()
        self._tick: float | None = None
        self.cache = ObjectCache(seen=self._on_seen, gone=self._on_gone)
        self.queue: CoalescingQueue[Key, Json] = CoalescingQueue(debounce_seconds=options.debounce_seconds)
        self.pool = SolverPool(
            entry,
            fleet_entry=fleet_entry,
            processes=options.solver_processes,
            memory_limit_bytes=options.solver_memory_mib * _MIB,
        )
        self.solutions = Solutions(
            self.pool,
            capacity=_SOLUTIONS_KEPT,
            grace_seconds=options.solver_grace_seconds,
            on_solved=self._on_solved,
        )
        self.metrics = Metrics(
            version=__version__,
            views=self.cache.views,
            vitals=self._vitals,
            parts=Parts(
                pools=self._pool_views,
                policies=self._policy_views,
                fleet=lambda: self.fleet.report,
                live=self._figures,
                audit=trail.state,
            ),
        )
        self.recorder = EventRecorder(client, bucket=TokenBucket(per_second=_EVENTS_PER_SECOND, burst=_EVENTS_BURST))
        self.surveyor = Surveyor(client, changed=self._on_survey, resync_seconds=options.resync_seconds)
        self.prices = self._make_prices(own)
        self.members = Members(Ledger())
        self.book = QueryBook(observe=self.metrics.query_answered)
        self.live = LiveInputs(
            book=self.book,
            connection=Connection(self.book, own),
            members=self.members.items,
            rules=self.surveyor.input_rules,
            scale=lambda: self.fleet,
            interval_seconds=options.inputs_interval_seconds,
            forecasts=Forecasts(self.pool, clock=time.monotonic),
        )
        self.fleet = self._make_fleet()
        self.reconciler = Reconciler(
            queue=self.queue,
            cache=self.cache,
            solutions=self.solutions,
            transport=client,
            recorder=self.recorder,
            count=self._on_write,
            parallel=options.parallel_writes,
            together=self.fleet,
            recorded=self.auditor.written,
        )
        self.intake = Intake(cache=self.cache, queue=self.queue, supersede=self.reconciler.supersede)
        self.health = Health(self._heartbeats, relist_seconds=options.resync_seconds, notices=self._notices)

    def _make_prices(self, own: Server | None) -> Prices:
        options, surveyor = self._options, self.surveyor
        prices = Prices(
            policies=surveyor.policies.objects,
            reader=SourceReader(
                config_maps=self._client,
                namespace=options.own_namespace,
                folder=Path(options.price_dir),
                queries=PriceQueries(surveyor.input_rules, own, observe=self.metrics.query_answered),
            ),
            changed=surveyor.prices_changed,
            record=self.auditor.priced,
        )
        surveyor.use_prices(prices)
        return prices

    def _make_fleet(self) -> Fleet:
        members = self.members
        self.fleet_solutions = FleetSolutions(
            self.pool, grace_seconds=self._options.solver_grace_seconds, on_solved=self._on_fleet_solved
        )
        publisher = Publisher(
            members=members,
            cache=self.cache,
            transport=self._client,
            recorder=self.recorder,
            count=self._on_write,
            moved=self.metrics.plan_moved,
            superseded=lambda resource: self.queue.put(key_of(resource), resource),
            parallel=self._options.parallel_writes,
            recorded=self.auditor.written,
        )
        kinds = KindStatuses(
            surveyor=self.surveyor,
            ledger=members.ledger,
            transport=self._client,
            count=self._on_write,
            prices=self.prices.status_of,
        )
        ramps = Ramps(
            find_plan=self.trail.find_plan,
            indexed=lambda: self.trail.indexed,
            now=time.time,
            max_gap_seconds=self._longest_gap_seconds(),
            refused=self._on_refused,
        )
        return Fleet(
            FleetParts(
                surveyor=self.surveyor,
                members=members,
                solutions=self.fleet_solutions,
                publisher=publisher,
                kinds=kinds,
                live=FleetLive(members=members, figures=lambda: self.live, ramps=ramps),
            ),
            ready=lambda: self.intake.list_ok_at is not None,
            backlog=lambda: self.queue.waiting_since() is not None,
            rejudge=self._rejudge,
            debounce_seconds=self._options.fleet_debounce_seconds,
        )

    def _longest_gap_seconds(self) -> float:
        """Between two looks at a ramp while all is well: a cycle with queries that take as long as they may."""
        options = self._options
        return 2.0 * options.inputs_interval_seconds + 2.0 * options.prometheus_timeout_seconds + _GAP_SLACK_SECONDS

    async def run(self) -> None:
        """Runs until SIGTERM or SIGINT.

        Raises:
            OperatorError: the watch or another part ended by itself.
            OSError: the HTTP port cannot be bound.
        """
        self._take_signals()
        server = HttpServer(
            parse_address(self._options.metrics_address), registry=self.metrics.registry, health=self.health
        )
        server.start()
        log.info("serving /healthz, /readyz and /metrics", extra={"port": server.port, "version": __version__})
        try:
            await self._run_parts()
        finally:
            await self.pool.close()
            server.stop()

    async def _run_parts(self) -> None:
        auditing = self._spawn(self.auditor.run(), "audit trail")
        parts = [
            auditing,
            self._spawn(self._ticking(), "tick"),
            self._spawn(self.recorder.run(), "recorder"),
            self._spawn(self.reconciler.run(), "reconciler"),
        ]
        stopped = self._spawn(self._stop.wait(), "stop")
        watch_stop = asyncio.Event()
        watch: asyncio.Task[Any] | None = None
        try:
            await readiness.served(self._client, self.health, self._stop)
            if self._stop.is_set():
                return
            parts += [
                self._spawn(reflector.run(), f"read {reflector.kind.plural}")
                for reflector in self.surveyor.reflectors()
            ]
            parts.append(self._spawn(self.prices.run(), "prices"))
            parts.append(self._spawn(self.live.run(), "live inputs"))
            parts.append(self._spawn(self.fleet.run(), "fleet"))
            known = self._spawn(self.surveyor.known(), "rules")
            await asyncio.wait({known, stopped, *parts}, return_when=asyncio.FIRST_COMPLETED)
            if not known.done():
                known.cancel()
            self.fleet.begin()
            options = self._options
            listing = self.intake.run(self._client, options.namespaces, interval_seconds=options.resync_seconds)
            parts.append(self._spawn(listing, "list"))
            watch = self._spawn(self._watch(watch_stop), "watch")
            await asyncio.wait({stopped, watch, *parts}, return_when=asyncio.FIRST_COMPLETED)
            failed = next((part for part in (watch, *parts) if part.done()), None)
            if failed is not None:
                raise OperatorError(f"{failed.get_name()} ended: {failed.exception()!r}") from failed.exception()
            log.info("stopping", extra={"inWork": self.reconciler.in_work()})
            await self.reconciler.drain(within_seconds=options.drain_seconds)
            if not await self.trail.flush(options.drain_seconds):
                log.warning("the audit trail is not sent in full; the journal keeps what its sinks lack")
        finally:
            # Ours first: kopf waits for every task that it does not know. The trail last: others may record still.
            ours = [part for part in (stopped, *parts) if part is not auditing]
            for part in ours:
                part.cancel()
            await asyncio.gather(*ours, return_exceptions=True)
            auditing.cancel()
            await asyncio.gather(auditing, return_exceptions=True)
            watch_stop.set()
            if watch is not None:
                await asyncio.wait({watch}, timeout=self._options.drain_seconds)

    async def _watch(self, stop: asyncio.Event) -> None:
        await watching.watch(
            self.intake.on_watch_event,
            self._access,
            namespaces=self._options.namespaces,
            stop=stop,
            on_started=self._take_signals,
        )

    async def _ticking(self) -> None:
        while True:
            self._tick = time.monotonic()
            await asyncio.sleep(_TICK_SECONDS)

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    def _on_solved(self, request: Request, outcome: SolveOutcome) -> None:
        result = str(outcome.decision.report.status) if isinstance(outcome, Solved) else outcome.reason
        self.metrics.solve_duration_seconds.labels(str(request.solver.method), result).observe(outcome.seconds)

    def _on_fleet_solved(self, part: Snapshot, outcome: FleetOutcome) -> None:
        del part
        result = str(outcome.decision.report.status) if isinstance(outcome, Solved) else outcome.reason
        self.metrics.fleet_solved(result, outcome.seconds)

    def _on_survey(self) -> None:
        self.fleet.trigger()

    def _on_seen(self, resource: Json) -> None:
        self.auditor.seen(resource)
        self.fleet.seen(resource)

    def _on_refused(self, key: Key, line: str) -> None:
        """A rollback was asked for that cannot be: an Event, a record and a log line say so."""
        member = self.members.get(key)
        if member is None:
            return
        log.warning(line, extra={"namespace": key[0], "request": key[1]})
        actor = actor_of(member.commands)
        self.auditor.refused(key, member.uid, line, actor)
        self.recorder.record(
            Transition(
                namespace=key[0], name=key[1], uid=member.uid, warning=True, reason="RollbackRefused", message=line
            )
        )

    def _notices(self) -> list[str]:
        """What /readyz tells and no restart would mend."""
        fault = self.book.server_fault
        faults = [*self.trail.state().faults, *([] if fault is None else [f"Prometheus: {fault}"])]
        return [*faults, *([self.auditor.fault] if self.auditor.fault else [])]

    def _on_gone(self, key: Key) -> None:
        self.fleet.gone(key)

    def _rejudge(self, but: Collection[Key]) -> None:
        self.intake.rejudge(but=but)

    def _figures(self, key: Key) -> LiveFigures | None:
        return self.fleet.figures(key)

    def _pool_views(self) -> Collection[PoolView]:
        return [pool_view_of(known.resource) for known in self.surveyor.pools.objects()]

    def _policy_views(self) -> Collection[PolicyView]:
        return [policy_view_of(known.resource, known.model) for known in self.surveyor.policies.objects()]

    def _on_write(self, result: WriteResult) -> None:
        self.metrics.status_writes_total.labels(str(result)).inc()

    def _vitals(self) -> Vitals:
        return Vitals(
            queue_depth=len(self.queue) + self.reconciler.in_work() + self.fleet.waiting(),
            watch_last_event_timestamp_seconds=self.intake.watch_event_unix,
        )

    def _heartbeats(self) -> Heartbeats:
        return Heartbeats(
            loop=self._tick,
            list_ok=self.intake.list_ok_at,
            watch_event=self.intake.watch_event_at,
            list_found_changes=self.intake.list_found_changes_at,
            queue_waiting_since=min(_known(self.queue.waiting_since(), self.fleet.waiting_since()), default=None),
            progress=max(_known(self.reconciler.last_progress, self.fleet.last_progress), default=None),
            solver_alive=self.pool.alive,
            solve_limit_seconds=self.solutions.longest_limit_seconds() + self.fleet_solutions.longest_limit_seconds(),
        )

    @staticmethod
    def _spawn(work: Coroutine[Any, Any, Any], name: str) -> "asyncio.Task[Any]":
        return asyncio.create_task(work, name=name)


def _known(*moments: float | None) -> list[float]:
    return [moment for moment in moments if moment is not None]


async def run_operator(
    options: OperatorOptions, *, entry: SolveEntry = worker.solve, fleet_entry: FleetEntry = worker.solve_fleet
) -> None:
    """Runs the operator until a signal.

    Args:
        options: what it was told.
        entry: what a solver process runs for one request; tests give one that hangs or dies.
        fleet_entry: what it runs for a part of the fleet; likewise.

    Raises:
        CredentialsError: no usable credentials.
        InvalidRequestError: an option is wrong.
        OperatorError: a part ended by itself.
        OSError: the HTTP port cannot be bound.
    """
    parse_address(options.metrics_address)  # before anything is begun
    trail = trail_of(options)
    access = access_for(options.kubeconfig, options.context)
    async with access.session() as session:
        client = KubeClient(session, access.server)
        operator = Operator(options, access=access, client=client, entry=entry, fleet_entry=fleet_entry, trail=trail)
        await operator.run()
