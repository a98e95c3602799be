"""From what was read to what is to be planned: pools observed, requests converted. Every fault is found first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from placewright.cli import exits, keeping
from placewright.cli.faults import FaultsError, faults_of
from placewright.cli.scene import Asking, Scene, Unreadable
from placewright.core.errors import InvalidRequestError
from placewright.core.model import Ceiling, Pool, Present, Request

if TYPE_CHECKING:
    from placewright.api.conditions import Condition
    from placewright.api.live import Live, LiveStatus
    from placewright.api.surroundings import DemandUnavailableError, Surroundings
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
        live: what its status shows of live figures; None: a folder in the CSV format has none.
        mode: whether its plan is rolled out too (Apply), or only told (Recommend).
    """

    name: str
    namespace: str
    source: str
    request: Request | None
    generation: int = 1
    previous: Mapping[str, Any] | None = None
    refusal: Refusal | None = None
    live: "LiveStatus | None" = None
    mode: str = "Recommend"

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
        stock: the usable ones, with what may be planned on.
        ceilings: limits on sums of costs.
        present: plans that requests have now and that stabilization keeps.
        keeps_present: whether plans in statuses are there at all.
        surroundings: what the requests were read with; None: a folder in the CSV format has none.
    """

    jobs: tuple[Job, ...]
    notes: tuple[str, ...]
    observed: "tuple[ObservedPool, ...]" = ()
    stock: tuple[Pool, ...] = ()
    ceilings: tuple[Ceiling, ...] = ()
    present: tuple[Present, ...] = ()
    keeps_present: bool = False
    surroundings: "Surroundings | None" = None


def observe(scene: Scene, *, now: datetime) -> "tuple[ObservedPool, ...]":
    """Say what each pool of the scene has and costs."""
    if not scene.pools:
        return ()
    from placewright.kube.inventory import observe_pools  # noqa: PLC0415 - --help needs none of it

    nodes, pods = [dict(node) for node in scene.nodes], [dict(pod) for pod in scene.pods]
    return tuple(observe_pools(scene.pools, scene.policies, nodes, pods, now=now, prices=scene.prices))


def to_inputs(
    scene: Scene,
    *,
    now: datetime,
    keep_present: bool = False,
    changed: Callable[[Request], Request] | None = None,
    live: "LiveFigures | None" = None,
) -> Inputs:
    """Observe the pools and convert the requests.

    Args:
        scene: what was read.
        now: for the age of prices and plans.
        keep_present: plans in the statuses of the requests are there, and stabilization holds for them.
        changed: what options change in every request.
        live: the live figures of a request; None: those in force that its status holds.

    Raises:
        FaultsError: with every fault of every request. A request whose pools cannot be used now is no fault: it gets
            a job that says so.
    """
    observed = observe(scene, now=now)
    kept = keeping.kept(scene) if keep_present else keeping.NOTHING
    stock = {each.name: keeping.without(each.pool, kept) for each in observed if each.pool is not None}
    surroundings = _surroundings(scene, observed, stock)
    jobs: list[Job] = [_unreadable(each) for each in scene.unreadable]
    faults: list[str] = []
    for asking in scene.requests:
        if asking.key in kept.going:
            continue
        try:
            jobs.append(_job(asking, surroundings, live or InForce(), changed))
        except InvalidRequestError as error:
            faults += [f"{asking.place}: {line}" for line in faults_of(error)]
    if faults:
        raise FaultsError(faults)
    return Inputs(
        jobs=tuple(jobs),
        notes=(*scene.notes, *_warnings(observed), *kept.notes),
        observed=observed,
        stock=tuple(stock[name] for name in sorted(stock)),
        ceilings=tuple(keeping.left(each, kept) for each in _ceilings(scene)),
        present=_present(scene, jobs, now) if keep_present else (),
        keeps_present=keep_present,
        surroundings=surroundings,
    )


def _surroundings(scene: Scene, observed: "tuple[ObservedPool, ...]", stock: Mapping[str, Pool]) -> "Surroundings":
    from placewright.api.surroundings import SharedPool, Surroundings, UnusablePool  # noqa: PLC0415 - --help needs none

    return Surroundings(
        pools={
            each.name: SharedPool(
                pool=stock[each.name],
                labels=each.labels,
                price_as_of=each.price.as_of if each.price is not None else None,
                price_fault=each.price.stale if each.price is not None else "",
            )
            for each in observed
            if each.name in stock
        },
        policies=scene.policies,
        profiles=scene.profiles,
        unusable={
            each.name: UnusablePool(labels=each.labels, reason=_why(each)) for each in observed if each.pool is None
        },
        prices=scene.prices,
    )


def _why(observed: "ObservedPool") -> str:
    return "; ".join(f"{each.reason}: {each.message}" for each in observed.conditions if each.status != "True")


class LiveFigures(Protocol):
    """Where the live figures of requests come from."""

    def of(self, asking: Asking) -> "Live":
        """The figures that a request is planned by."""
        ...

    def shown(self, asking: Asking) -> "LiveStatus":
        """What its status shows of them."""
        ...


class InForce:
    """The live figures in force, as the statuses that were read with requests hold them."""

    def of(self, asking: Asking) -> "Live":
        """The figures that a request is planned by."""
        from placewright.api.live import live_of_status  # noqa: PLC0415 - --help needs no pydantic

        return live_of_status({"status": asking.resource.status})

    def shown(self, asking: Asking) -> "LiveStatus":
        """What its status shows of them."""
        from placewright.api.live import live_status_of  # noqa: PLC0415 - --help needs no pydantic

        return live_status_of({"status": asking.resource.status})


def _job(
    asking: Asking,
    surroundings: "Surroundings",
    live: LiveFigures,
    changed: Callable[[Request], Request] | None,
) -> Job:
    from placewright.api.convert import to_request  # noqa: PLC0415 - --help needs no pydantic
    from placewright.api.surroundings import DemandUnavailableError  # noqa: PLC0415 - as above

    resource, meta = asking.resource, asking.resource.metadata
    request, refusal = None, None
    if not resource.spec.suspend:
        try:
            request = to_request(resource, surroundings, live.of(asking))
        except DemandUnavailableError as error:
            refusal = _unread_demand(error, of_cluster=asking.of_cluster, asked=not isinstance(live, InForce))
        except InvalidRequestError as error:
            refusal = _refusal(asking, error, surroundings)
            if refusal is None:
                raise
    return Job(
        name=meta.name,
        namespace=meta.namespace or "",
        source=asking.place,
        request=request if request is None or changed is None else changed(request),
        generation=1 if meta.generation is None else meta.generation,
        previous=resource.status,
        refusal=refusal,
        live=live.shown(asking),
        mode=resource.spec.mode,
    )


def _unread_demand(error: "DemandUnavailableError", *, of_cluster: bool, asked: bool) -> Refusal:
    """A demand that is read live and that no status holds: in a cluster it comes by itself, for a file it is given."""
    if of_cluster or asked:
        return Refusal(error=error, exit_code=exits.INFEASIBLE if of_cluster else exits.BAD_INPUT)
    wants = "--prometheus-url, the object with the status of its cluster (kubectl get -o yaml), or requestsPerSecond"
    return Refusal(error=type(error)(error.field, got=error.got, wants=wants), exit_code=exits.BAD_INPUT)


def _refusal(asking: Asking, error: InvalidRequestError, surroundings: "Surroundings") -> Refusal | None:
    """Why the request cannot be planned now; None: the fault is in a file, and must be mended first."""
    from placewright.api.surroundings import NoPoolsError, SurroundingsError, selects  # noqa: PLC0415 - --help needs none

    selector = asking.resource.spec.pool_selector
    broken = any(selects(selector, pool.labels) for pool in surroundings.unusable.values())
    if isinstance(error, NoPoolsError) and broken:
        return Refusal(error=error, exit_code=exits.INFEASIBLE)
    if not asking.of_cluster:
        return None
    return Refusal(error=error, exit_code=exits.INFEASIBLE if isinstance(error, SurroundingsError) else exits.BAD_INPUT)


def _unreadable(given: Unreadable) -> Job:
    namespace, name = given.key
    return Job(
        name=name,
        namespace=namespace,
        source="the cluster",
        request=None,
        generation=int((given.body.get("metadata") or {}).get("generation", 1)),
        previous=given.body.get("status"),
        refusal=Refusal(error=given.error, exit_code=exits.BAD_INPUT),
        mode=str((given.body.get("spec") or {}).get("mode", "Recommend")),
    )


def _warnings(observed: "tuple[ObservedPool, ...]") -> list[str]:
    """One line for each thing that somebody should look at in a pool."""
    return [
        f"pool {each.name}: {condition.reason}: {condition.message}"
        for each in observed
        for condition in problems_of(each)
    ]


def problems_of(observed: "ObservedPool") -> "list[Condition]":
    """What is wrong with a pool: its problems, and why it cannot be used where no problem says that."""
    found = [each for each in observed.conditions if each.type != "Ready"]
    told = {each.reason for each in found}
    head = [each for each in observed.conditions if each.type == "Ready" and each.status != "True"]
    return [*(each for each in head if each.reason not in told), *found]


def _ceilings(scene: Scene) -> tuple[Ceiling, ...]:
    from placewright.api.surroundings import ceilings  # noqa: PLC0415 - --help needs no pydantic

    return tuple(ceilings(scene.policies))


def _present(scene: Scene, jobs: list[Job], now: datetime) -> tuple[Present, ...]:
    from placewright.api.present import present_of, ramped  # noqa: PLC0415 - --help needs no pydantic

    requests = {(job.namespace, job.name): job.request for job in jobs if job.request is not None}
    found = []
    for asking in scene.requests:
        request = requests.get(asking.key)
        if request is None or not asking.resource.status:
            continue
        body = asking.resource.model_dump(by_alias=True, exclude_none=True)
        present = present_of(body, request.stabilization, now)
        if present is not None:
            found.append(ramped(present, body))
    return tuple(found)
