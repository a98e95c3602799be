"""Forecasts of demand: made in a solver process and kept for a while, as patterns of days do not change in minutes."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from placewright.core.demand import DemandSample, Fault
from placewright.handlers.solver import Solved, SolveFailed
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)

KEPT_SECONDS = 300.0
_TIMEOUT_SECONDS = 30.0


class Forecaster(Protocol):
    """The seam: forecasts apart from the event loop (`SolverPool` does)."""

    async def forecast(
        self, points: tuple[tuple[float, float], ...], horizon_seconds: float, *, timeout_seconds: float
    ) -> Solved[float | Fault] | SolveFailed:
        """The peak of a rate within the horizon."""
        ...


@dataclass(frozen=True, slots=True)
class _Made:
    at: float
    horizon_seconds: float
    found: float | Fault


class Forecasts:
    """The forecast of each request that asks for one.

    Args:
        forecaster: makes them.
        clock: monotonic seconds.
    """

    def __init__(self, forecaster: Forecaster, *, clock: Callable[[], float]) -> None:
        self._forecaster = forecaster
        self._clock = clock
        self._made: dict[Key, _Made] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}

    async def of(self, key: Key, sample: DemandSample, horizon_seconds: float) -> float | Fault:
        """The highest requests per second that are expected, or why nothing is; the first one is waited for."""
        made = self._made.get(key)
        if made is None or made.horizon_seconds != horizon_seconds:
            await self._make(key, sample, horizon_seconds)
        elif self._clock() - made.at > KEPT_SECONDS and key not in self._running:
            task = asyncio.create_task(self._make(key, sample, horizon_seconds))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return self._made[key].found

    def forget(self, key: Key) -> None:
        """The request is gone, or asks for no forecast any more."""
        self._made.pop(key, None)

    async def _make(self, key: Key, sample: DemandSample, horizon_seconds: float) -> None:
        outcome = await self._forecaster.forecast(sample.rate_points, horizon_seconds, timeout_seconds=_TIMEOUT_SECONDS)
        found: float | Fault
        if isinstance(outcome, SolveFailed):
            log.warning("no forecast", extra={"namespace": key[0], "request": key[1], "error": outcome.message})
            found = Fault(f"forecast: {outcome.message}")
        else:
            found = outcome.decision
        self._made[key] = _Made(self._clock(), horizon_seconds, found)
