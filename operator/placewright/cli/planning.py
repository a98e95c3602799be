"""Deciding what was read, alone or as a fleet, with a live line, and the results as data."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from placewright.cli import exits, text
from placewright.cli.inputs import Inputs, Job
from placewright.cli.progress import LiveLine
from placewright.core.model import Decision, FleetDecision, PlanState, Present, ReplicaBounds, Request, Snapshot

if TYPE_CHECKING:
    from placewright.api.fleet_data import PlanItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A job and what was decided.

    Attributes:
        job: what was asked.
        decision: None when the request is suspended or cannot be planned.
        seconds: how long it took, alone or with the rest of the fleet.
        decided_at: when.
    """

    job: Job
    decision: Decision | None
    seconds: float
    decided_at: datetime

    @property
    def exit_code(self) -> int:
        """The code of this request alone."""
        if self.job.refusal is not None:
            return self.job.refusal.exit_code
        if self.decision is None:
            return exits.PLANNED
        if self.decision.plan is None:
            return exits.INFEASIBLE
        if self.decision.kept:
            return _kept_code(self.decision)
        return exits.PLANNED if self.decision.plan.state is PlanState.APPROVED else exits.GATE_BLOCKS


def _kept_code(decision: Decision) -> int:
    """A plan that stays for want of a better one answers the question no more than none."""
    if decision.blocked is not None or decision.blocked_gates:
        return exits.GATE_BLOCKS
    return exits.INFEASIBLE if decision.rejections else exits.PLANNED


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was decided for everything that was read.

    Attributes:
        inputs: what was read.
        results: one for each job, in the order of the files.
        fleet: None when every request was decided by itself.
    """

    inputs: Inputs
    results: tuple[Planned, ...]
    fleet: FleetDecision | None

    @property
    def exit_code(self) -> int:
        """The code that speaks for all of them."""
        return exit_code(self.results)


def with_frontier(inputs: Inputs) -> Inputs:
    """The same inputs, each asking for the whole frontier of one replica on its pools."""
    jobs = (job if job.request is None else replace(job, request=_one_replica(job.request)) for job in inputs.jobs)
    return replace(inputs, jobs=tuple(jobs), ceilings=(), present=())


def _one_replica(request: Request) -> Request:
    """The request without what counts replicas: a frontier is of single replicas."""
    return replace(
        request,
        solver=replace(request.solver, frontier=True),
        workload=replace(request.workload, classes=()),
        pools=tuple(replace(pool, shared=False) for pool in request.pools),
        replicas=ReplicaBounds(),
    )


def answer(inputs: Inputs) -> Answer:
    """Decide every job: together when one of them is a member of a fleet, otherwise one after the other."""
    if not is_fleet(inputs):
        there = {(each.namespace, each.name): each for each in inputs.present}
        results = (_planned(job, there.get((job.namespace, job.name))) for job in inputs.jobs)
        return Answer(inputs=inputs, results=tuple(results), fleet=None)
    from placewright.core.fleet.decide import decide_fleet  # noqa: PLC0415 - --help needs no solver

    snapshot = snapshot_of(inputs)
    begun = time.monotonic()
    with LiveLine(_label(snapshot)) as line:
        fleet = decide_fleet(snapshot, clock=time.monotonic, on_progress=line.told)
    return _answer(inputs, fleet, seconds=time.monotonic() - begun)


def _answer(inputs: Inputs, fleet: FleetDecision, *, seconds: float) -> Answer:
    decided_at = datetime.now(tz=UTC)
    decisions = {(each.request.namespace, each.request.name): each for each in fleet.decisions}
    results = (
        Planned(
            job=job,
            decision=None if job.request is None else decisions[job.request.namespace, job.request.name],
            seconds=seconds,
            decided_at=decided_at,
        )
        for job in inputs.jobs
    )
    return Answer(inputs=inputs, results=tuple(results), fleet=fleet)


def is_fleet(inputs: Inputs) -> bool:
    """Whether requests depend on each other: they share pools, replicas are counted, or ceilings hold for sums."""
    requests = [job.request for job in inputs.jobs if job.request is not None]
    return any(request.in_fleet for request in requests) or bool(requests and inputs.ceilings)


def snapshot_of(inputs: Inputs) -> Snapshot:
    """What the fleet is decided from."""
    return Snapshot(
        requests=tuple(job.request for job in inputs.jobs if job.request is not None),
        pools=inputs.stock,
        present=inputs.present,
        ceilings=inputs.ceilings,
    )


def _label(snapshot: Snapshot) -> str:
    return f"{text.counted(len(snapshot.requests), 'request')} on {text.counted(len(snapshot.pools), 'shared pool')}"


def _planned(job: Job, present: Present | None) -> Planned:
    """One request alone. What gates block keeps the plan that it has, as in the cluster."""
    from placewright.core.decide import decide  # noqa: PLC0415 - --help needs no numpy and numba

    decision = None
    begun = time.monotonic()
    if job.request is not None:
        with LiveLine(job.title) as line:
            decision = decide(job.request, clock=time.monotonic, on_progress=line.told)
        if present is not None and (present.held or _is_blocked(decision)):
            from placewright.core.fleet.keeping import keep_alone  # noqa: PLC0415 - as above
            from placewright.core.identity import canonical  # noqa: PLC0415 - as above

            decision = keep_alone(canonical(job.request), decision, present)
    return Planned(job=job, decision=decision, seconds=time.monotonic() - begun, decided_at=datetime.now(tz=UTC))


def _is_blocked(decision: Decision) -> bool:
    return decision.plan is not None and decision.plan.state is PlanState.BLOCKED


def exit_code(results: Iterable[Planned]) -> int:
    """The code that speaks for all of them."""
    return exits.worst(result.exit_code for result in results)


def plan_list(given: Answer) -> dict[str, Any]:
    """Return the PlacementPlanList of api.md section 3."""
    from placewright.api import outcome  # noqa: PLC0415 - --help needs no pydantic

    return outcome.plan_list(_items(given), given.fleet, pools=given.inputs.stock)


def _items(given: Answer) -> "list[PlanItem]":
    from placewright.api.fleet_data import PlanItem  # noqa: PLC0415 - --help needs no pydantic

    return [
        PlanItem(
            name=result.job.name,
            namespace=result.job.namespace,
            status=_with_parts(result, _status(result, given.inputs)),
            decision=result.decision,
        )
        for result in given.results
    ]


def _with_parts(result: Planned, status: dict[str, Any]) -> dict[str, Any]:
    """The status as the operator would write it: what is told of rollouts and idling stays, and Ready waits for it."""
    from placewright.api.parts import with_parts  # noqa: PLC0415 - --help needs no pydantic

    return with_parts(status, result.job.previous, spec={"mode": result.job.mode}, now=result.decided_at)


def _status(result: Planned, inputs: Inputs) -> dict[str, Any]:
    from placewright.api.outcome import (  # noqa: PLC0415 - --help needs no pydantic
        status_for_invalid,
        status_for_suspended,
        status_for_unread_demand,
        to_status,
    )
    from placewright.api.surroundings import EMPTY, DemandUnavailableError  # noqa: PLC0415 - as above

    job = result.job
    if job.refusal is not None and isinstance(job.refusal.error, DemandUnavailableError):
        return status_for_unread_demand(
            job.refusal.error, generation=job.generation, now=result.decided_at, previous=job.previous
        )
    if job.refusal is not None:
        return status_for_invalid(
            job.refusal.error, generation=job.generation, now=result.decided_at, previous=job.previous
        )
    if result.decision is None:
        return status_for_suspended(generation=job.generation, now=result.decided_at, previous=job.previous)
    return to_status(
        result.decision,
        generation=job.generation,
        decided_at=result.decided_at,
        duration_seconds=result.seconds,
        previous=job.previous,
        surroundings=inputs.surroundings or EMPTY,
        live=job.live,
    )
