"""From what was read to what is to be planned: pools observed, requests converted. Every fault is found first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from placewright.cli import exits
from placewright.cli.faults import FaultsError, faults_of
from placewright.cli.scene import Asking, Scene, Unreadable
from placewright.core.errors import InvalidRequestError
from placewright.core.model import Ceiling, Present, Request

if TYPE_CHECKING:
    from placewright.api.surroundings import Surroundings
    from placewright.kube.inventory import ObservedPool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request cannot be planned although the others are.

    Attributes:
        error: what is wrong.
        exit_code: what the command ends with.
    """

    error: InvalidRequestError
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One thing to plan.

    Attributes:
        name: of the resource or the folder.
        namespace: of the resource; empty for a folder.
        source: where it was read.
        request: what the core decides on; None when the resource is suspended or cannot be planned.
        generation: of the spec; 1 for a file that no API server has seen.
        previous: the status that was read with it.
        refusal: why it cannot be planned; None when it can, or is suspended.
    """

    name: str
    namespace: str
    source: str
    request: Request | None
    generation: int = 1
    previous: Mapping[str, Any] | None = None
    refusal: Refusal | None = None

    @property
    def title(self) -> str:
        """Name with the namespace, where there is one."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is to be planned.

    Attributes:
        jobs: in the order of the files.
        notes: what the user should know, one line each.
        observed: the shared pools, usable or not.
        ceilings: limits on sums of costs.
        present: plans that requests have now and that stabilization keeps.
    """

    jobs: tuple[Job, ...]
    notes: tuple[str, ...]
    observed: "tuple[ObservedPool, ...]" = ()
    ceilings: tuple[Ceiling, ...] = ()
    present: tuple[Present, ...] = ()


def observe(scene: Scene, *, now: datetime) -> "tuple[ObservedPool, ...]":
    """Say what each pool of the scene has and costs."""
    if not scene.pools:
        return ()
    from placewright.kube.inventory import observe_pools  # noqa: PLC0415 - --help needs none of it

    nodes, pods = [dict(node) for node in scene.nodes], [dict(pod) for pod in scene.pods]
    return tuple(observe_pools(scene.pools, scene.policies, nodes, pods, now=now))


def to_inputs(
    scene: Scene, *, now: datetime, keep_present: bool = False, changed: Callable[[Request], Request] | None = None
) -> Inputs:
    """Observe the pools and convert the requests.

    Args:
        scene: what was read.
        now: for the age of prices and plans.
        keep_present: plans in the statuses of the requests are there, and stabilization holds for them.
        changed: what options change in every request.

    Raises:
        FaultsError: with every fault of every request. A request whose pools cannot be used now is no fault: it gets
            a job that says so.
    """
    observed = observe(scene, now=now)
    surroundings = _surroundings(scene, observed)
    jobs: list[Job] = [_unreadable(each) for each in scene.unreadable]
    faults: list[str] = []
    for asking in scene.requests:
        try:
            jobs.append(_job(asking, surroundings, changed))
        except InvalidRequestError as error:
            faults += [f"{asking.place}: {line}" for line in faults_of(error)]
    if faults:
        raise FaultsError(faults)
    return Inputs(
        jobs=tuple(jobs),
        notes=(*scene.notes, *_warnings(observed)),
        observed=observed,
        ceilings=_ceilings(scene),
        present=_present(scene, jobs, now) if keep_present else (),
    )


def _surroundings(scene: Scene, observed: "tuple[ObservedPool, ...]") -> "Surroundings":
    from placewright.api.surroundings import SharedPool, Surroundings, UnusablePool  # noqa: PLC0415 - --help needs none

    return Surroundings(
        pools={
            each.name: SharedPool(
                pool=each.pool,
                labels=each.labels,
                price_as_of=each.price.as_of if each.price is not None else None,
            )
            for each in observed
            if each.pool is not None
        },
        policies=scene.policies,
        profiles=scene.profiles,
        unusable={
            each.name: UnusablePool(labels=each.labels, reason=_why(each)) for each in observed if each.pool is None
        },
    )


def _why(observed: "ObservedPool") -> str:
    return "; ".join(f"{each.reason}: {each.message}" for each in observed.conditions if each.status != "True")


def _job(asking: Asking, surroundings: "Surroundings", changed: Callable[[Request], Request] | None) -> Job:
    from placewright.api.convert import to_request  # noqa: PLC0415 - --help needs no pydantic

    resource, meta = asking.resource, asking.resource.metadata
    request, refusal = None, None
    if not resource.spec.suspend:
        try:
            request = to_request(resource, surroundings)
        except InvalidRequestError as error:
            if not _lacks_usable_pools(asking, surroundings, error):
                raise
            refusal = Refusal(error=error, exit_code=exits.INFEASIBLE)
    return Job(
        name=meta.name,
        namespace=meta.namespace or "",
        source=asking.place,
        request=request if request is None or changed is None else changed(request),
        generation=1 if meta.generation is None else meta.generation,
        previous=resource.status,
        refusal=refusal,
    )


def _lacks_usable_pools(asking: Asking, surroundings: "Surroundings", error: InvalidRequestError) -> bool:
    """Whether the selector takes pools, and all of them cannot be used now: no fault of the request."""
    from placewright.api.surroundings import selects  # noqa: PLC0415 - --help needs no pydantic

    selector = asking.resource.spec.pool_selector
    meant = any(selects(selector, pool.labels) for pool in surroundings.unusable.values())
    return error.field.startswith("spec.poolSelector") and meant


def _unreadable(given: Unreadable) -> Job:
    return Job(
        name=given.name,
        namespace=given.namespace,
        source="the cluster",
        request=None,
        generation=given.generation,
        previous=given.status,
        refusal=Refusal(error=given.error, exit_code=exits.BAD_INPUT),
    )


def _warnings(observed: "tuple[ObservedPool, ...]") -> list[str]:
    """One line for each pool that cannot be used, or not all of it."""
    return [
        f"pool {each.name}: {condition.reason}: {condition.message}"
        for each in observed
        for condition in each.conditions
        if condition.type == "Ready" and condition.status != "True"
    ]


def _ceilings(scene: Scene) -> tuple[Ceiling, ...]:
    from placewright.api.surroundings import ceilings  # noqa: PLC0415 - --help needs no pydantic

    return tuple(ceilings(scene.policies))


def _present(scene: Scene, jobs: list[Job], now: datetime) -> tuple[Present, ...]:
    from placewright.api.present import present_of  # noqa: PLC0415 - --help needs no pydantic

    requests = {(job.namespace, job.name): job.request for job in jobs if job.request is not None}
    found = []
    for asking in scene.requests:
        request = requests.get(asking.key)
        if request is None or not asking.resource.status:
            continue
        body = asking.resource.model_dump(by_alias=True, exclude_none=True)
        found.append(present_of(body, request.stabilization, now))
    return tuple(each for each in found if each is not None)
