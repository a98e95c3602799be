"""One request at one moment: what is wanted of it, what runs of it, and why nothing may be done. Writes nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from placewright.api.acting import idle_memory_of, rollout_memory_of
from placewright.api.acting_status import AppliedReason, WorkloadNow
from placewright.api.annotations import pause_of
from placewright.core.errors import InvalidRequestError
from placewright.core.model import IdleMemory, Pool, RolloutMemory, Running, Unit
from placewright.handlers.acting.goals import Stored, stored_of
from placewright.handlers.acting.objects import Subject
from placewright.handlers.acting.observing import Observed, Server
from placewright.handlers.acting.readings import Around, HeldError, Readings, Said
from placewright.handlers.acting.stock import Claim
from placewright.handlers.acting.targets import pools_of_target, target_of, units_of_target
from placewright.kube.manifests import Move, RenderRefusedError
from placewright.kube.manifests.names import service_name
from placewright.kube.routes import RouteState
from placewright.kube.workloads import Key as Target
from placewright.kube.workloads import Workload, running_of
from placewright.telemetry.views import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why nothing is done to the workloads of a request.

    Attributes:
        reason: of the condition Applied.
        message: one line.
    """

    reason: AppliedReason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Whether workloads of a namespace may be touched.

    Attributes:
        hold: why not; None: they may.
        known: whether what runs is known there.
    """

    hold: Hold | None = None
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One request at one moment.

    Attributes:
        key: of the request.
        subject: the request as stored.
        said: what its spec says; None: it cannot be read.
        stored: what its status wants.
        hold: why nothing is done; None: its workloads may be touched.
        units: of its plan; those of a target where it has one.
        before: of the plan before, while a ramp runs.
        running: what runs of it.
        workloads: the same as the cluster holds it.
        move: its plan as objects; None: without a plan, and for a target.
        route: its HTTPRoute.
        target: of its workloadRef.
        private: its own pools.
        owner: what else sets its replicas; empty: nothing.
        servers: its Pods that answer requests; None: not known.
        rollout, idle: memories, from its status.
    """

    key: Key
    subject: Subject
    said: Said | None
    stored: Stored
    hold: Hold | None
    units: tuple[Unit, ...] = ()
    before: tuple[Unit, ...] = ()
    running: tuple[Running, ...] = field(default=(), hash=False)
    workloads: tuple[Workload, ...] = field(default=(), hash=False)
    move: Move | None = field(default=None, hash=False)
    route: RouteState | None = field(default=None, hash=False)
    target: Target | None = None
    private: tuple[Pool, ...] = field(default=(), hash=False)
    owner: str = ""
    servers: tuple[Server, ...] | None = None
    rollout: RolloutMemory = field(default_factory=RolloutMemory)
    idle: IdleMemory = field(default_factory=IdleMemory)

    @property
    def claim(self) -> Claim:
        """What it may have and has."""
        return Claim(units=self.units, before=self.before, running=self.running)

    @property
    def now(self) -> tuple[WorkloadNow, ...]:
        """Its workloads for the status."""
        shares = {each.name: each.weight for each in self.running}
        return tuple(
            WorkloadNow(
                kind=each.kind,
                name=each.name,
                replicas=each.replicas,
                ready=each.ready,
                weight=shares.get(each.name),
            )
            for each in self.workloads
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What looks of one cycle at the requests of a namespace have in common.

    Attributes:
        around: what requests are read with.
        observed: what runs.
        rights: in the namespace.
        paused: why nothing of the fleet is acted; empty: nobody paused it.
    """

    around: Around
    observed: Observed
    rights: Rights
    paused: str = ""


def look_at(key: Key, subject: Subject, scene: Scene, readings: Readings) -> Look:
    """One look; never raises for what is wrong with a request."""
    blank = Look(
        key=key,
        subject=subject,
        said=None,
        stored=stored_of(subject.status),
        hold=None,
        rollout=rollout_memory_of(subject.status),
        idle=idle_memory_of(subject.status),
    )
    try:
        said = readings.said(key, subject, scene.around)
    except InvalidRequestError as error:
        return replace(blank, hold=Hold(reason=AppliedReason.WAITING, message=f"what runs stays: {error}"))
    rights = scene.rights
    look = replace(blank, said=said, servers=scene.observed.servers.get((key[0], service_name(key[1])), ()))
    hold = _mode(subject) or rights.hold or _paused(subject, scene)
    if not rights.known:
        return replace(look, hold=hold)
    target = target_of(key[0], said.reference)
    try:
        look = _of_target(look, target, scene) if target is not None else _of_ours(look, scene, readings)
    except InvalidRequestError as error:
        hold = hold or Hold(reason=AppliedReason.WAITING, message=f"what runs stays: {error}")
    except RenderRefusedError as error:
        hold = hold or Hold(reason=AppliedReason.RENDER_REFUSED, message=str(error))
    except HeldError as error:
        hold = hold or Hold(reason=AppliedReason(error.reason), message=str(error))
    return replace(_with_running(look, scene), hold=hold)


def apart(looks: Iterable[Look]) -> list[Look]:
    """The looks with one request for each target: of several that name it the oldest scales it, the others are told."""
    found = list(looks)
    firsts: dict[Target, Key] = {}
    for look in sorted(found, key=_age):
        if look.target is not None and look.subject.applies:
            firsts.setdefault(look.target, look.key)
    return [_beside(look, firsts) if look.target is not None and look.subject.applies else look for look in found]


def _beside(look: Look, firsts: Mapping[Target, Key]) -> Look:
    assert look.target is not None, "only those with a target stand beside others"
    _, kind, name = look.target
    first = firsts[look.target]
    if first == look.key:
        return look
    told = f"PlacementRequest {first[1]} scales {kind} {name}: take spec.workloadRef out of one of the two"
    hold = Hold(reason=AppliedReason.REPLICAS_OWNED, message=told)
    return replace(look, owner=f"PlacementRequest {first[1]}", hold=look.hold or hold)


def _age(look: Look) -> tuple[str, Key]:
    return str(look.subject.resource["metadata"].get("creationTimestamp", "")), look.key


def _with_running(look: Look, scene: Scene) -> Look:
    """The look with what runs, which is known also where the plan could not be rendered."""
    said, observed, subject = look.said, scene.observed, look.subject
    assert said is not None, "only what was read is looked at"
    target = target_of(look.key[0], said.reference)
    if target is not None:
        found = observed.targets.get(target)
        if found is None:
            return replace(look, target=target, servers=None)
        pools = pools_of_target(look.stored, found)
        return replace(
            look,
            target=target,
            workloads=(found,),
            running=(running_of(found, weight=None, pools=pools),),
            owner=observed.owners.get(target, ""),
            servers=None,
        )
    whose = look.key[0], subject.uid
    ours, route, move = observed.workloads.get(whose, ()), observed.routes.get(whose), look.move
    shares: Mapping[str, float] | None = None if route is None else route.shares
    running = tuple(
        running_of(
            each,
            weight=None if shares is None else shares.get(each.name, 0.0),
            wanted=None if move is None else move.wanted(each.name),
        )
        for each in ours
        if not each.going
    )
    owners = (observed.owners.get(each.key, "") for each in ours)
    return replace(look, workloads=ours, running=running, route=route, owner=next(filter(None, owners), ""))


def _of_target(look: Look, target: Target, scene: Scene) -> Look:
    found = scene.observed.targets.get(target)
    owner = scene.observed.owners.get(target, "")
    units = units_of_target(look.stored, target, found)
    if owner:
        title = f"{target[1]} {target[2]}"
        raise HeldError(
            AppliedReason.REPLICAS_OWNED,
            f"{owner} sets the replicas of {title}: remove it, or set spec.mode: Recommend",
        )
    return replace(look, units=units)


def _of_ours(look: Look, scene: Scene, readings: Readings) -> Look:
    if look.stored.plan is None:
        return look
    standing = [each.name for each in scene.observed.workloads.get((look.key[0], look.subject.uid), ())]
    move = readings.move(look.key, look.subject, scene.around, look.stored, standing)
    request = readings.request(look.key, look.subject, scene.around)
    private = tuple(pool for pool in request.pools if not pool.shared)
    return replace(look, move=move, units=move.units, before=move.before, private=private)


def _mode(subject: Subject) -> Hold | None:
    """Why nothing is done by what the request says itself."""
    if subject.applies:
        return None
    return Hold(reason=AppliedReason.NOT_REQUESTED, message="mode is Recommend; what was applied before stays as it is")


def _paused(subject: Subject, scene: Scene) -> Hold | None:
    own = pause_of(subject.resource)
    why = scene.paused or (f"the request is paused: {own}" if own else "")
    return Hold(reason=AppliedReason.PAUSED, message=why) if why else None
