"""Deciding what was read, with a live line, and the results as data."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from placewright.cli import exits
from placewright.cli.inputs import Inputs, Job
from placewright.cli.progress import LiveLine
from placewright.core.model import Decision, PlanState, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A job and what was decided.

    Attributes:
        job: what was asked.
        decision: None when the request is suspended.
        seconds: how long it took.
        decided_at: when.
    """

    job: Job
    decision: Decision | None
    seconds: float
    decided_at: datetime

    @property
    def exit_code(self) -> int:
        """The code of this request alone."""
        if self.decision is None:
            return exits.PLANNED
        if self.decision.plan is None:
            return exits.INFEASIBLE
        return exits.PLANNED if self.decision.plan.state is PlanState.APPROVED else exits.GATE_BLOCKS


def with_frontier(inputs: Inputs) -> Inputs:
    """The same inputs, each asking for its whole frontier."""
    jobs = (job if job.request is None else replace(job, request=_with_frontier(job.request)) for job in inputs.jobs)
    return replace(inputs, jobs=tuple(jobs))


def _with_frontier(request: Request) -> Request:
    return replace(request, solver=replace(request.solver, frontier=True))


def plan_all(inputs: Inputs) -> list[Planned]:
    """Decide every job, one after the other."""
    return [_planned(job) for job in inputs.jobs]


def _planned(job: Job) -> Planned:
    from placewright.core.decide import decide  # noqa: PLC0415 - --help needs no numpy and numba

    decision = None
    begun = time.monotonic()
    if job.request is not None:
        with LiveLine(job.title) as line:
            decision = decide(job.request, clock=time.monotonic, on_progress=line.told)
    return Planned(job=job, decision=decision, seconds=time.monotonic() - begun, decided_at=datetime.now(tz=UTC))


def exit_code(results: Iterable[Planned]) -> int:
    """The code that speaks for all of them."""
    return exits.worst(result.exit_code for result in results)


def plan_list(results: Iterable[Planned]) -> dict[str, Any]:
    """Return the PlacementPlanList of api.md section 3."""
    from placewright.api import outcome  # noqa: PLC0415 - --help needs no pydantic

    items = [
        outcome.PlanItem(
            name=result.job.name, namespace=result.job.namespace, status=_status(result), decision=result.decision
        )
        for result in results
    ]
    return outcome.plan_list(items)


def _status(result: Planned) -> dict[str, Any]:
    from placewright.api.outcome import status_for_suspended, to_status  # noqa: PLC0415 - --help needs no pydantic

    job = result.job
    if result.decision is None:
        return status_for_suspended(generation=job.generation, now=result.decided_at, previous=job.previous)
    return to_status(
        result.decision,
        generation=job.generation,
        decided_at=result.decided_at,
        duration_seconds=result.seconds,
        previous=job.previous,
    )
