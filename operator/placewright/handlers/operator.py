"""The operator as a whole: waits for the CRD, runs the parts until a signal, drains."""

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine
from typing import Any

from placewright import __version__
from placewright.core.errors import PlacewrightError
from placewright.handlers import readiness, watching, worker
from placewright.handlers.acting.checkpoints import Pass, passed
from placewright.handlers.auditor import trail_of
from placewright.handlers.options import OperatorOptions
from placewright.handlers.solver import FleetEntry, SolveEntry
from placewright.handlers.wiring import Outside, Wiring
from placewright.kube.access import Access, access_for
from placewright.kube.client import KubeClient
from placewright.telemetry.server import HttpServer, parse_address

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.5
_Tasks = list["asyncio.Task[Any]"]


class OperatorError(PlacewrightError):
    """The operator cannot go on; the process should end and be restarted."""


class Operator:
    """Runs the parts of one operator process.

    Args:
        wiring: the parts.
        access: credentials of the cluster.
        client: calls on the API server.
    """

    def __init__(self, wiring: Wiring, *, access: Access, client: KubeClient) -> None:
        self._parts = wiring
        self._options = wiring.options
        self._access = access
        self._client = client
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Runs until SIGTERM or SIGINT.

        Raises:
            OperatorError: the watch or another part ended by itself.
            OSError: the HTTP port cannot be bound.
        """
        self._take_signals()
        parts = self._parts
        server = HttpServer(
            parse_address(self._options.metrics_address), registry=parts.metrics.registry, health=parts.health
        )
        server.start()
        log.info("serving /healthz, /readyz and /metrics", extra={"port": server.port, "version": __version__})
        try:
            await self._run_parts()
        finally:
            await parts.pool.close()
            server.stop()

    async def _run_parts(self) -> None:
        parts, options = self._parts, self._options
        auditing = _spawn(parts.auditor.run(), "audit trail")
        tasks = [
            auditing,
            _spawn(self._ticking(), "tick"),
            _spawn(parts.recorder.run(), "recorder"),
            _spawn(parts.reconciler.run(), "reconciler"),
        ]
        stopped = _spawn(self._stop.wait(), "stop")
        watch_stop = asyncio.Event()
        watch: asyncio.Task[Any] | None = None
        try:
            await readiness.served(self._client, parts.health, self._stop)
            if self._stop.is_set():
                return
            await self._begin(tasks, stopped)
            watch = _spawn(self._watch(watch_stop), "watch")
            await asyncio.wait({stopped, watch, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            failed = next((task for task in (watch, *tasks) if task.done()), None)
            if failed is not None:
                raise OperatorError(f"{failed.get_name()} ended: {failed.exception()!r}") from failed.exception()
            log.info("stopping", extra={"inWork": parts.reconciler.in_work()})
            await parts.reconciler.drain(within_seconds=options.drain_seconds)
            if not await parts.trail.flush(options.drain_seconds):
                log.warning("the audit trail is not sent in full; the journal keeps what its sinks lack")
        finally:
            # Ours first: kopf waits for every task that it does not know. The trail last: others may record still.
            await _ended([task for task in (stopped, *tasks) if task is not auditing])
            await _ended([auditing])
            watch_stop.set()
            if watch is not None:
                await asyncio.wait({watch}, timeout=options.drain_seconds)

    async def _begin(self, tasks: _Tasks, stopped: "asyncio.Task[Any]") -> None:
        """Begins what needs the CRD; adds it to the tasks."""
        parts, options = self._parts, self._options
        tasks += [_spawn(reflector.run(), f"read {reflector.kind.plural}") for reflector in parts.surveyor.reflectors()]
        tasks.append(_spawn(parts.prices.run(), "prices"))
        tasks.append(_spawn(parts.live.run(), "live inputs"))
        tasks.append(_spawn(parts.fleet.run(), "fleet"))
        tasks.append(_spawn(parts.acting.run(), "acting"))
        tasks.append(_spawn(parts.acting.observing.run(), "workloads"))
        known = _spawn(parts.surveyor.known(), "rules")
        await asyncio.wait({known, stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        if not known.done():
            known.cancel()
        parts.fleet.begin()
        listing = parts.intake.run(self._client, options.namespaces, interval_seconds=options.resync_seconds)
        tasks.append(_spawn(listing, "list"))

    async def _watch(self, stop: asyncio.Event) -> None:
        await watching.watch(
            self._parts.intake.on_watch_event,
            self._access,
            namespaces=self._options.namespaces,
            stop=stop,
            on_started=self._take_signals,
        )

    async def _ticking(self) -> None:
        while True:
            self._parts.tick = time.monotonic()
            await asyncio.sleep(_TICK_SECONDS)

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)


def _spawn(work: Coroutine[Any, Any, Any], name: str) -> "asyncio.Task[Any]":
    return asyncio.create_task(work, name=name)


async def _ended(tasks: _Tasks) -> None:
    """Cancels tasks and waits for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def run_operator(
    options: OperatorOptions,
    *,
    entry: SolveEntry = worker.solve,
    fleet_entry: FleetEntry = worker.solve_fleet,
    checkpoint: Pass = passed,
) -> None:
    """Runs the operator until a signal.

    Args:
        options: what it was told.
        entry: what a solver process runs for one request; tests give one that hangs or dies.
        fleet_entry: what it runs for a part of the fleet; likewise.
        checkpoint: told of the moments of a cycle of acting; tests end the process at one.

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
        outside = Outside(client=client, entry=entry, fleet_entry=fleet_entry, trail=trail, checkpoint=checkpoint)
        wiring = Wiring(options, outside)
        await Operator(wiring, access=access, client=client).run()
