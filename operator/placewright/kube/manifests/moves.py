"""A plan, and the one before while a ramp runs, as objects that can be asked for one by one. Pure.

`render` gives all objects of a plan at once, for GitOps. Acting needs them apart: a unit with so many replicas, then
the route with such shares. They are the same objects, with an owner reference to the request and with digests, by
which is seen in the cluster whether they stand as wanted.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from placewright.core.model import Unit
from placewright.kube.manifests import names, stamps, traffic
from placewright.kube.manifests.essence import essence_of
from placewright.kube.manifests.refusal import RenderRefusedError
from placewright.kube.manifests.render import metadata as plan_metadata
from placewright.kube.manifests.render import parts_of
from placewright.kube.manifests.stamps import Owner
from placewright.kube.manifests.traffic import Backend
from placewright.kube.manifests.values import Manifest, Route, Settings, Work
from placewright.kube.manifests.workloads import Part, config_map, workload

_LAYOUT: Final = -8  # a workload's name ends with the digest of its layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One unit.

    Attributes:
        unit: what is to run of it.
        workload: its Deployment or LeaderWorkerSet, without a number of replicas and without what tells of moves.
        pieces: what it needs besides: its files, and what brings it traffic.
        template: digest of its templates, and of what its Pods are started with.
        applied: digest of all of it.
    """

    unit: Unit
    workload: Manifest = field(hash=False)
    pieces: tuple[Manifest, ...] = field(hash=False)
    template: tuple[str, str]
    applied: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The objects of a request's plans, to be asked for one by one.

    Attributes:
        name: of the request.
        owner: the request.
        units: of its plan.
        before: of the plan before, while a ramp runs.
        rendered: the units of both by name.
        route: how traffic comes in; None: one Service over all Pods.
        frame: the HTTPRoute without backends; None without a route.
        routed: digest of that.
        port: of the engine, for backends of units that are no longer rendered.
    """

    name: str
    owner: Owner
    units: tuple[Unit, ...]
    before: tuple[Unit, ...]
    rendered: Mapping[str, Rendered] = field(hash=False)
    route: Route | None
    frame: Manifest | None = field(hash=False)
    routed: str
    port: int

    @property
    def entrance(self) -> str:
        """Name of the HTTPRoute, or of the Service over all Pods."""
        return names.service_name(self.name)

    def wanted(self, name: str) -> tuple[str, str] | None:
        """Digests of a unit's templates for `running_of`; None: the unit is not rendered any more."""
        found = self.rendered.get(name)
        return None if found is None else found.template

    def workload(self, name: str, replicas: int | None, notes: Mapping[str, str]) -> Manifest:
        """The workload of a unit, as it is applied.

        Args:
            name: of the unit.
            replicas: how many; None: something else says it.
            notes: annotations that tell of moves: UP_SINCE, REPLICAS_BEFORE.
        """
        found = self.rendered[name]
        stamped = {
            stamps.POOLS: stamps.pools_text(found.unit.pools),
            stamps.TEMPLATE: found.template[0],
            stamps.APPLIED: found.applied,
            **notes,
        }
        body = {**found.workload, "metadata": {**found.workload["metadata"], "annotations": stamped}}
        if replicas is not None:
            body["spec"] = {"replicas": replicas, **body["spec"]}
        return body

    def backend(self, name: str) -> Manifest | None:
        """What brings a unit its share of the traffic, also one that is not rendered any more; None without a route."""
        if self.route is None:
            return None
        backend = _backend(self.route, self.name, name, self.port)
        make = traffic.inference_pool if self.route.inference_pools else traffic.backend_service
        return _stamped(make(backend, self._metadata(backend.name)))

    def shared(self, shares: Mapping[str, float]) -> Manifest:
        """The HTTPRoute with these shares of the traffic by unit; those without any are left out.

        Raises:
            ValueError: there is no route, or nobody has a share.
        """
        if self.route is None or self.frame is None or not any(share > 0.0 for share in shares.values()):
            raise ValueError("no route, or no shares")
        backends = [
            _backend(self.route, self.name, name, self.port, weight=share)
            for name, share in sorted(shares.items())
            if share > 0.0
        ]
        body = traffic.route(self.route, backends, self.frame["metadata"])
        notes = {stamps.APPLIED: self.routed}
        return {**body, "metadata": {**body["metadata"], "annotations": notes}}

    def _metadata(self, name: str) -> Manifest:
        (any_one, *_) = self.rendered.values()
        given: Manifest = any_one.workload["metadata"]
        labels = {key: value for key, value in given["labels"].items() if key != names.PLAN_LABEL}
        return {**given, "name": name, "labels": labels}


def units_of(work: Work, settings: Settings, *, standing: Collection[str] = ()) -> tuple[Unit, ...]:
    """The units of a plan, named as their workloads are.

    Args:
        work: the plan.
        settings: what the user chose.
        standing: names of the request's workloads that are there (see `parts_of`).

    Raises:
        RenderRefusedError: what was asked for could not start, or not as planned.
    """
    return tuple(map(_unit, parts_of(work, settings, standing)))


def render_move(
    now: Work, before: Work | None, settings: Settings, *, owner: Owner, standing: Collection[str] = ()
) -> Move:
    """Render the plan of a request, and the one before while a ramp runs.

    Args:
        now: the plan.
        before: the plan before; None: no ramp runs.
        settings: what the user chose.
        owner: the request.
        standing: names of the request's workloads that are there (see `parts_of`).

    Raises:
        RenderRefusedError: what was asked for could not start, or not as planned; or a ramp has no route, which its
            shares need.
    """
    if before is not None and settings.route is None:
        raise RenderRefusedError(
            "a ramp shares the traffic between two plans by weight, which a Service cannot do",
            change="give spec.render.route with the name of a Gateway, or leave out spec.ramp",
        )
    parts = parts_of(now, settings, standing)
    old = [] if before is None else parts_of(before, settings, standing)
    rendered: dict[str, Rendered] = {}
    for part in (*parts, *old):
        if part.name not in rendered:  # a unit of both plans is rendered for the present one
            rendered[part.name] = _rendered(part, owner)
    frame = _frame(now, settings, owner)
    return Move(
        name=now.name,
        owner=owner,
        units=tuple(map(_unit, parts)),
        before=tuple(map(_unit, old)),
        rendered=rendered,
        route=settings.route,
        frame=frame,
        routed="" if frame is None else names.digest(frame),
        port=parts[0].engine.port,
    )


def layout_of(name: str) -> str:
    """The digest of the layout that a workload's name ends with."""
    return name[_LAYOUT:]


def _unit(part: Part) -> Unit:
    return Unit(name=part.name, replicas=part.layout.replicas, weight=part.layout.weight, pools=part.pools)


def _rendered(part: Part, owner: Owner) -> Rendered:
    body = workload(part, _labelled(part, part.name, owner, plan=True))
    spec = {key: value for key, value in body["spec"].items() if key != "replicas"}
    body = {**body, "spec": spec}
    pieces = tuple(_stamped(each) for each in _pieces(part, owner))
    templates = names.digest(spec.get("template") or spec["leaderWorkerTemplate"])
    return Rendered(
        unit=_unit(part),
        workload=body,
        pieces=pieces,
        template=(templates, essence_of(body["kind"], spec)),
        applied=names.digest([body, pieces]),
    )


def _pieces(part: Part, owner: Owner) -> Iterable[Manifest]:
    files = config_map(part, _labelled(part, part.name, owner))
    if files is not None:
        yield files
    route = part.settings.route
    if route is None:
        entrance = names.service_name(part.work.name)
        yield traffic.front_service(part.work.name, _labelled(part, entrance, owner))
        return
    backend = _backend(route, part.work.name, part.name, part.engine.port)
    make = traffic.inference_pool if route.inference_pools else traffic.backend_service
    yield make(backend, _labelled(part, backend.name, owner))


def _frame(work: Work, settings: Settings, owner: Owner) -> Manifest | None:
    if settings.route is None:
        return None
    return traffic.route(settings.route, (), _owned(plan_metadata(work, names.service_name(work.name)), owner))


def _backend(route: Route, request: str, unit: str, port: int, *, weight: float = 0.0) -> Backend:
    return Backend(
        name=unit if route.inference_pools else names.backend_name(unit),
        request=request,
        layout=layout_of(unit),
        port=port,
        weight=weight,
    )


def _labelled(part: Part, name: str, owner: Owner, *, plan: bool = False) -> Manifest:
    """Metadata of an object of a unit. Only the workload names the plan: another plan writes nothing else anew."""
    return _owned(plan_metadata(part.work, name), owner, plan=plan)


def _owned(given: Manifest, owner: Owner, *, plan: bool = False) -> Manifest:
    labels = {key: value for key, value in given["labels"].items() if plan or key != names.PLAN_LABEL}
    return {**given, "labels": labels, "ownerReferences": [owner.reference]}


def _stamped(body: Manifest) -> Manifest:
    return {**body, "metadata": {**body["metadata"], "annotations": {stamps.APPLIED: names.digest(body)}}}
