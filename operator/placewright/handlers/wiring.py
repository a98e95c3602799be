"""The parts of one operator process, made and tied to each other; `operator.py` runs them."""

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from placewright import __version__
from placewright.api.annotations import actor_of
from placewright.core.model import Request, Snapshot
from placewright.handlers.acting import assembly
from placewright.handlers.acting.checkpoints import Pass, passed
from placewright.handlers.acting.loop import Acting
from placewright.handlers.acting.reporting import Told
from placewright.handlers.acting.steering import WithLeftovers
from placewright.handlers.auditor import Auditor
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
from placewright.kube.client import KubeClient
from placewright.kube.events import EventRecorder, TokenBucket, Transition
from placewright.kube.status import WriteResult
from placewright.telemetry.acting_figures import ActingFigures, ActingState
from placewright.telemetry.audit import AuditTrail
from placewright.telemetry.health import Health, Heartbeats
from placewright.telemetry.live_figures import LiveFigures
from placewright.telemetry.metrics import Metrics, Parts, Vitals
from placewright.telemetry.policy_views import PolicyView, policy_view_of
from placewright.telemetry.prometheus.book import QueryBook
from placewright.telemetry.prometheus.server import Server
from placewright.telemetry.views import Key, PoolView, pool_view_of

log = logging.getLogger(__name__)

_SOLUTIONS_KEPT = 512
_EVENTS_PER_SECOND = 1.0
_EVENTS_BURST = 25
_MIB = 1024 * 1024
_GAP_SLACK_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What an operator process is given.

    Attributes:
        client: calls on the API server.
        entry: what a solver process runs for a request that is decided alone.
        fleet_entry: what it runs for requests that are decided together.
        trail: the audit trail.
        checkpoint: told of the moments of a cycle of acting; tests end the process at one.
    """

    client: KubeClient
    entry: SolveEntry
    fleet_entry: FleetEntry
    trail: AuditTrail
    checkpoint: Pass = passed


class Wiring:
    """All parts of one operator process.

    Args:
        options: what it was told.
        outside: what it is given.

    Attributes:
        tick: when the event loop turned last, monotonic seconds; None: not yet.

    Raises:
        InvalidRequestError: an option is wrong.
    """

    def __init__(self, options: OperatorOptions, outside: Outside) -> None:
        self.options = options
        self._client = outside.client
        self._own = own_server(
            options.prometheus_url,
            token_file=options.prometheus_token_file,
            ca_file=options.prometheus_ca_file,
            timeout_seconds=options.prometheus_timeout_seconds,
        )
        self.trail = outside.trail
        self.auditor = Auditor(outside.trail, listed=lambda: self.intake.list_ok_at is not None)
        self.tick: float | None = None
        self.cache = ObjectCache(seen=self._on_seen, gone=self._on_gone)
        self.queue: CoalescingQueue[Key, Json] = CoalescingQueue(debounce_seconds=options.debounce_seconds)
        self._make_solvers(outside)
        self.metrics = self._make_metrics()
        self.recorder = EventRecorder(
            self._client, bucket=TokenBucket(per_second=_EVENTS_PER_SECOND, burst=_EVENTS_BURST)
        )
        self.surveyor = Surveyor(self._client, changed=self._on_survey, resync_seconds=options.resync_seconds)
        self.prices = self._make_prices(self._own)
        self.members = Members(Ledger())
        self.book = QueryBook(observe=self.metrics.query_answered)
        self.live = self._make_live()
        self.fleet = self._make_fleet()
        self.reconciler = self._make_reconciler()
        self.acting = self._make_acting(outside.checkpoint)
        self.intake = Intake(cache=self.cache, queue=self.queue, supersede=self.reconciler.supersede)
        self.health = Health(self._heartbeats, relist_seconds=options.resync_seconds, notices=self._notices)

    # --------------------------------------------------------------------------------------------------- the parts

    def _make_solvers(self, outside: Outside) -> None:
        options = self.options
        self.pool = SolverPool(
            outside.entry,
            fleet_entry=outside.fleet_entry,
            processes=options.solver_processes,
            memory_limit_bytes=options.solver_memory_mib * _MIB,
        )
        self.solutions = Solutions(
            self.pool,
            capacity=_SOLUTIONS_KEPT,
            grace_seconds=options.solver_grace_seconds,
            on_solved=self._on_solved,
        )
        self.fleet_solutions = FleetSolutions(
            self.pool, grace_seconds=options.solver_grace_seconds, on_solved=self._on_fleet_solved
        )

    def _make_metrics(self) -> Metrics:
        return Metrics(
            version=__version__,
            views=self.cache.views,
            vitals=self._vitals,
            parts=Parts(
                pools=self._pool_views,
                policies=self._policy_views,
                fleet=lambda: self.fleet.report,
                live=self._figures,
                audit=self.trail.state,
                acting=self._acting_figures,
                acting_state=self._acting_state,
            ),
        )

    def _make_prices(self, own: Server | None) -> Prices:
        options, surveyor = self.options, self.surveyor
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

    def _make_live(self) -> LiveInputs:
        return LiveInputs(
            book=self.book,
            connection=Connection(self.book, self._own),
            members=self.members.items,
            rules=self.surveyor.input_rules,
            scale=lambda: self.fleet,
            interval_seconds=self.options.inputs_interval_seconds,
            forecasts=Forecasts(self.pool, clock=time.monotonic),
        )

    def _make_fleet(self) -> Fleet:
        members = self.members
        publisher = Publisher(
            members=members,
            cache=self.cache,
            transport=self._client,
            recorder=self.recorder,
            count=self._on_write,
            moved=self.metrics.plan_moved,
            superseded=lambda resource: self.queue.put(key_of(resource), resource),
            parallel=self.options.parallel_writes,
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
                live=FleetLive(
                    members=members,
                    figures=lambda: self.live,
                    ramps=ramps,
                    steering=WithLeftovers(ramps, lambda: self.acting.leftovers),
                ),
            ),
            ready=lambda: self.intake.list_ok_at is not None,
            backlog=lambda: self.queue.waiting_since() is not None,
            rejudge=self._rejudge,
            debounce_seconds=self.options.fleet_debounce_seconds,
        )

    def _make_reconciler(self) -> Reconciler:
        return Reconciler(
            queue=self.queue,
            cache=self.cache,
            solutions=self.solutions,
            transport=self._client,
            recorder=self.recorder,
            count=self._on_write,
            parallel=self.options.parallel_writes,
            together=self.fleet,
            recorded=self.auditor.written,
        )

    def _make_acting(self, checkpoint: Pass) -> Acting:
        return assembly.assemble(
            self.options,
            assembly.Around(
                client=self._client,
                cache=self.cache,
                members=self.members,
                surveyor=self.surveyor,
                told=Told(
                    recorder=self.recorder,
                    counters=self.metrics.acting,
                    record=self.trail.record,
                    count=self._on_write,
                ),
                own=self._own,
                observe=self.metrics.query_answered,
                ready=lambda: self.intake.list_ok_at is not None,
                left=self.fleet.trigger,
                checkpoint=checkpoint,
            ),
        )

    def _longest_gap_seconds(self) -> float:
        """Between two looks at a ramp while all is well: a cycle with queries that take as long as they may."""
        options = self.options
        return 2.0 * options.inputs_interval_seconds + 2.0 * options.prometheus_timeout_seconds + _GAP_SLACK_SECONDS

    # ------------------------------------------------------------------------------------------ what they tell others

    def _on_solved(self, request: Request, outcome: SolveOutcome) -> None:
        result = str(outcome.decision.report.status) if isinstance(outcome, Solved) else outcome.reason
        self.metrics.solve_duration_seconds.labels(str(request.solver.method), result).observe(outcome.seconds)

    def _on_fleet_solved(self, part: Snapshot, outcome: FleetOutcome) -> None:
        del part
        result = str(outcome.decision.report.status) if isinstance(outcome, Solved) else outcome.reason
        self.metrics.fleet_solved(result, outcome.seconds)

    def _on_survey(self) -> None:
        self.fleet.trigger()
        self.acting.trigger()

    def _on_seen(self, resource: Json) -> None:
        self.auditor.seen(resource)
        self.fleet.seen(resource)
        self.acting.seen(resource)

    def _on_gone(self, key: Key) -> None:
        self.fleet.gone(key)
        self.acting.gone(key)

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

    def _on_write(self, result: WriteResult) -> None:
        self.metrics.status_writes_total.labels(str(result)).inc()

    def _rejudge(self, but: Collection[Key]) -> None:
        self.intake.rejudge(but=but)

    # ------------------------------------------------------------------------------------------- metrics and health

    def _notices(self) -> list[str]:
        """What /readyz tells and no restart would mend."""
        fault = self.book.server_fault
        faults = [*self.trail.state().faults, *([] if fault is None else [f"Prometheus: {fault}"])]
        return [*faults, *([self.auditor.fault] if self.auditor.fault else [])]

    def _figures(self, key: Key) -> LiveFigures | None:
        return self.fleet.figures(key)

    def _acting_figures(self, key: Key) -> ActingFigures | None:
        return self.acting.figures(key)

    def _acting_state(self) -> ActingState | None:
        return self.acting.state()

    def _pool_views(self) -> Collection[PoolView]:
        return [pool_view_of(known.resource) for known in self.surveyor.pools.objects()]

    def _policy_views(self) -> Collection[PolicyView]:
        return [policy_view_of(known.resource, known.model) for known in self.surveyor.policies.objects()]

    def _vitals(self) -> Vitals:
        return Vitals(
            queue_depth=len(self.queue) + self.reconciler.in_work() + self.fleet.waiting(),
            watch_last_event_timestamp_seconds=self.intake.watch_event_unix,
        )

    def _heartbeats(self) -> Heartbeats:
        return Heartbeats(
            loop=self.tick,
            list_ok=self.intake.list_ok_at,
            watch_event=self.intake.watch_event_at,
            list_found_changes=self.intake.list_found_changes_at,
            queue_waiting_since=min(_known(self.queue.waiting_since(), self.fleet.waiting_since()), default=None),
            progress=max(_known(self.reconciler.last_progress, self.fleet.last_progress), default=None),
            solver_alive=self.pool.alive,
            solve_limit_seconds=self.solutions.longest_limit_seconds() + self.fleet_solutions.longest_limit_seconds(),
        )


def _known(*moments: float | None) -> list[float]:
    return [moment for moment in moments if moment is not None]
