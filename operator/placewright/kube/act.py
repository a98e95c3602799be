"""Carries out what was decided for one request: observe, check again, write.

Each write says which object it is of (uid) and which version of it was read a moment before, so one that changed in
between is never overwritten: that is a Conflict, and the next look decides anew. Objects are ours only where the
request is their controller. docs/acting.md lists the writes of each move.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from placewright.core.model import Remove, RolloutAction, RolloutPhase, RolloutStep, Scale, Weigh
from placewright.kube.calls import ActingTransport, Calls
from placewright.kube.client import FIELD_MANAGER, Json
from placewright.kube.manifests import Manifest, Move, names, stamps
from placewright.kube.outcomes import ActResult, Outcome, StopError
from placewright.kube.routes import RouteState, route_of
from placewright.kube.tending import needs_tending, same_request, stands, strays_of, tended
from placewright.kube.workloads import Key, Workload, workload_of

CHECKPOINTS: Final = tuple(
    f"{when}-{what}" for what in ("apply", "weigh", "scale", "remove") for when in ("before", "after")
)
"""Where a test may stop the process: before and after each write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One request, as the decision saw it.

    Attributes:
        request: the stored PlacementRequest.
        seen: its workloads by name; the target of its workloadRef, where it has one.
        move: what its plans are rendered to; None: it has no plan, or a workloadRef.
        route: its HTTPRoute; None: there is none.
        target: the workload of its workloadRef, which is only scaled; None: it has none.
    """

    request: Json = field(hash=False)
    seen: Mapping[str, Workload] = field(hash=False)
    move: Move | None = None
    route: RouteState | None = None
    target: Key | None = None

    @property
    def namespace(self) -> str:
        """Of the request, and of all that is made for it."""
        return str(self.request["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Of the request."""
        return str(self.request["metadata"]["name"])

    @property
    def uid(self) -> str:
        """Of the request."""
        return str(self.request["metadata"]["uid"])


class Actor:
    """Carries out steps.

    Args:
        transport: the API server.
        clock: Unix seconds.
        checkpoint: called before and after each write with a name of CHECKPOINTS.
    """

    def __init__(
        self,
        transport: ActingTransport,
        *,
        clock: Callable[[], float],
        checkpoint: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._checkpoint = checkpoint

    async def carry_out(self, task: Task, step: RolloutStep, *, tend: bool = False) -> Outcome:
        """Carries out the actions of a step in their order, until one cannot be.

        Before them, what was applied for units that stand is brought up to date where that starts no Pod anew
        (labels, Services, host names); after them, what is not wanted any more goes. Nothing is asked where there is
        nothing to do.

        Args:
            task: the request as the decision saw it.
            step: the decision.
            tend: look also for what hands changed or removed: once after a start, and now and then.

        Raises:
            ApiError: the server has no word on what was asked (401, 429, 5xx): try again later.
            UnreachableError: nobody answers.
        """
        busy = frozenset(each.name for each in step.actions if isinstance(each, Scale | Remove))
        tend = tend or needs_tending(task.move, task.seen, task.route, busy)
        calls = Calls(self._transport, task.namespace, self._checkpoint)
        run = _Run(calls, task, self._clock(), failed=step.phase is RolloutPhase.FAILED)
        done: list[RolloutAction] = []
        try:
            if tend or step.actions:
                await run.begin()
            if tend:
                await run.tend(busy, weighs=any(isinstance(each, Weigh) for each in step.actions))
            for action in step.actions:
                await run.act(action)
                done.append(action)
            if tend:
                await run.clear()
        except StopError as stop:
            return Outcome(result=stop.result, message=stop.message, done=tuple(done), writes=calls.writes)
        return Outcome(result=ActResult.DONE, done=tuple(done), writes=calls.writes)


class _Run:
    """One step on its way.

    Args:
        calls: on the request's namespace.
        task: the request as the decision saw it.
        now: Unix seconds.
        failed: whether the rollout failed, so that what goes back to nothing is not remembered.
    """

    def __init__(self, calls: Calls, task: Task, now: float, *, failed: bool) -> None:
        self._calls = calls
        self._task = task
        self._now = now
        self._failed = failed

    async def begin(self) -> None:
        """What the move needs is served and ours, before anything is written."""
        move = self._task.move
        if move is not None and move.route is not None:
            self._ours("HTTPRoute", move.entrance, await self._calls.read("HTTPRoute", move.entrance))

    async def act(self, action: RolloutAction) -> None:
        """One action, checked again just before."""
        await self._recheck()
        if isinstance(action, Weigh):
            await self._weigh(action.shares)
        elif isinstance(action, Remove):
            await self._remove(action.name)
        elif self._task.move is not None and action.name in self._task.move.rendered:
            await self._unit(self._task.move, action.name, action.replicas)
        else:
            await self._scale(action.name, action.replicas)

    async def tend(self, busy: frozenset[str], *, weighs: bool) -> None:
        """Brings up to date what stands and no action is about."""
        move, route = self._task.move, self._task.route
        if move is None:
            return
        await self._recheck()
        for name, seen in self._task.seen.items():
            if name not in busy and tended(move, seen):
                await self._unit(move, name, seen.replicas, every_piece=True)
        if move.route is not None and route is not None and not weighs:
            known = {*self._task.seen, *move.rendered}
            shares = {name: share for name, share in route.shares.items() if name in known}
            if shares:
                await self._weigh(shares)

    async def clear(self) -> None:
        """Removes what another way of bringing in the traffic has left."""
        move = self._task.move
        if move is None:
            return
        for kind, name in strays_of(move, self._task.seen):
            if kind == "Service" and name == move.entrance and await self._calls.look("HTTPRoute", name) is None:
                continue  # the way in stays until there is another
            await self._discard(kind, name)

    # ------------------------------------------------------------------------------------------ actions

    async def _unit(self, move: Move, name: str, replicas: int, *, every_piece: bool = False) -> None:
        """A unit that is rendered gets so many replicas, and all of it stands as it is rendered."""
        wanted = move.rendered[name]
        kind = str(wanted.workload["kind"])
        stored = await self._checked(kind, name)
        found = None if stored is None else workload_of(kind, stored)
        stale = found is None or not found.runs(wanted.template)
        current = found is not None and stands(move, found)
        scales = found is None or replicas != found.replicas
        if current and not scales:
            await self._pieces(wanted.pieces if every_piece else ())
            return
        owner = await self._calls.replicas_owner((self._task.namespace, kind, name))
        if owner and found is not None and current:
            raise _owned(found, owner)
        if not current or every_piece:
            await self._pieces(wanted.pieces)
        if owner and stored is not None and _held_by_us_alone(stored):
            held = {key: wanted.workload[key] for key in ("apiVersion", "kind")}
            held |= {"metadata": {"name": name}, "spec": {"replicas": stored["spec"]["replicas"]}}
            stored = await self._calls.apply(held, stored, what="apply", handover=True)
        body = move.workload(name, None if owner else replicas, self._notes(found, replicas, stale=stale))
        answer = await self._calls.apply(body, stored, what="scale" if current else "apply")
        if stale:
            await self._admit(kind, answer, wanted.template)
        if not owner:
            _taken(answer, kind, name, replicas)
        if owner and found is not None and scales:
            raise _owned(found, owner)

    async def _admit(self, kind: str, stored: Json, wanted: tuple[str, str]) -> None:
        """Remembers what an admission webhook made of what was applied: it is not put back again and again."""
        found = workload_of(kind, stored)
        if not found.runs(wanted):
            notes = {stamps.ADMITTED: found.essence}
            await self._calls.merge(kind, stored, {"metadata": {"annotations": notes}}, what="apply")

    def _notes(self, found: Workload | None, replicas: int, *, stale: bool) -> dict[str, str]:
        """Annotations that tell of the move."""
        if found is None:
            return {stamps.UP_SINCE: _time(self._now), stamps.TEMPLATE_GENERATION: "1"}
        generation = found.generation + 1 if stale else found.template_generation  # what is applied is the next one
        notes = {stamps.TEMPLATE_GENERATION: str(generation)}
        if replicas > found.replicas or stale:
            notes[stamps.UP_SINCE] = _time(self._now)
        elif found.up_since is not None:
            notes[stamps.UP_SINCE] = _time(found.up_since)
        before = found.replicas_before
        if replicas == 0 and found.replicas > 0 and not self._failed:
            before = found.replicas
        if replicas == 0 and before is not None:
            notes[stamps.REPLICAS_BEFORE] = str(before)
        elif found.replicas_before is not None:
            notes[stamps.REPLICAS_BEFORE] = ""  # left out it would stay where a patch of ours set it
        if stale and found.admitted:
            notes[stamps.ADMITTED] = ""
        return notes

    async def _scale(self, name: str, replicas: int) -> None:
        """What is not rendered gets so many replicas: the target of a workloadRef, or a unit that gives way."""
        seen = self._task.seen.get(name)
        if seen is None:
            raise StopError(ActResult.CONFLICT, f"{name} is not there any more")
        stored = await self._checked(seen.kind, name)
        assert stored is not None, "what was seen and is gone is a conflict"
        found = workload_of(seen.kind, stored)
        if found.replicas == replicas:
            return
        controller = found.owner if self._task.target is not None else ""
        owner = controller or await self._calls.replicas_owner(found.key)
        if owner:
            raise _owned(found, owner)
        if self._task.target is not None:
            answer = await self._calls.merge(seen.kind, stored, {"spec": {"replicas": replicas}}, part="scale")
            _taken(answer, seen.kind, name, replicas)
            return
        notes = {stamps.REPLICAS_BEFORE: str(found.replicas_before or found.replicas)}
        if replicas > found.replicas:
            notes[stamps.UP_SINCE] = _time(self._now)
        body = {"metadata": {"annotations": notes}, "spec": {"replicas": replicas}}
        _taken(await self._calls.merge(seen.kind, stored, body), seen.kind, name, replicas)

    async def _weigh(self, shares: Mapping[str, float]) -> None:
        move = self._task.move
        assert move is not None, "only what is rendered has a route"
        stored = await self._calls.read("HTTPRoute", move.entrance)
        self._ours("HTTPRoute", move.entrance, stored)
        body = move.shared(shares)
        state = None if stored is None else route_of(stored)
        if state is not None and state.applied == move.routed and state.shares == route_of(body).shares:
            return
        for name in sorted(shares):
            old = name in self._task.seen and name not in move.rendered
            backend = move.backend(name) if old and shares[name] > 0.0 else None
            if backend is not None:
                await self._pieces((backend,))
        await self._calls.apply(body, stored, what="weigh")

    async def _remove(self, name: str) -> None:
        """Removes a unit; its workload last, so that what is left of it is seen."""
        seen = self._task.seen.get(name)
        if seen is None:
            return  # gone already
        if self._task.target is not None:  # not ours to remove: it gets no replicas
            await self._scale(name, 0)
            return
        stored = await self._checked(seen.kind, name)
        assert stored is not None, "what was seen and is gone is a conflict"
        if self._task.route is not None and name not in self._task.route.shares:
            route = await self._calls.look("HTTPRoute", self._task.route.name)
            if route is not None and name in route_of(route).shares:
                raise StopError(ActResult.CONFLICT, f"{name} gets traffic again")
        for kind, piece in (("Service", names.backend_name(name)), ("InferencePool", name), ("ConfigMap", name)):
            await self._discard(kind, piece)
        await self._calls.delete(seen.kind, stored)

    async def _discard(self, kind: str, name: str) -> None:
        """Removes an object if it is there and ours."""
        stored = await self._calls.look(kind, name)
        if stored is not None and _controller(stored).get("uid") == self._task.uid:
            await self._calls.delete(kind, stored)

    async def _pieces(self, pieces: Sequence[Manifest]) -> None:
        """Applies those that do not stand as wanted; none where one of them is not ours."""
        found = []
        for body in pieces:
            kind, name = str(body["kind"]), str(body["metadata"]["name"])
            stored = await self._calls.read(kind, name)
            self._ours(kind, name, stored)
            found.append((body, stored))
        for body, stored in found:
            if stored is None or _applied(stored) != _applied(body):
                await self._calls.apply(body, stored, what="apply")

    # ------------------------------------------------------------------------------------------ checks

    async def _recheck(self) -> None:
        """The request is the one that the decision saw."""
        stored = await self._calls.request(self._task.name)
        if stored is None or not same_request(self._task.request, stored):
            raise StopError(ActResult.CONFLICT, "the request changed since the decision")

    async def _checked(self, kind: str, name: str) -> Json | None:
        """A workload as it stands, ours or the target, and as the decision saw it; None: there is none."""
        stored = await self._calls.read(kind, name)
        seen = self._task.seen.get(name)
        if self._task.target is None:
            self._ours(kind, name, stored)
        if stored is None and seen is None:
            return None
        found = None if stored is None else workload_of(kind, stored)
        if found is None or seen is None or (found.uid, found.generation) != (seen.uid, seen.generation):
            raise StopError(ActResult.CONFLICT, f"{kind} {name} changed since the decision")
        if found.going:
            raise StopError(ActResult.CONFLICT, f"{kind} {name} is being deleted")
        return stored

    def _ours(self, kind: str, name: str, stored: Json | None) -> None:
        """An object of a name that we would write is not there, or has our request as its controller."""
        if stored is None:
            return
        controller = _controller(stored)
        if controller.get("uid") != self._task.uid:
            whose = f"{controller.get('kind')} {controller.get('name')}" if controller else "somebody else"
            raise StopError(
                ActResult.FOREIGN_OWNER,
                f"{kind} {name} belongs to {whose} and is left alone: remove it, or rename the request",
            )


def _taken(answer: Json, kind: str, name: str, replicas: int) -> None:
    """The number that was written stands: a webhook that changes it would be written against for ever."""
    stands = (answer.get("spec") or {}).get("replicas", replicas)
    if stands != replicas:
        told = f"{kind} {name}: admission makes it {stands} instead of {replicas} replicas"
        raise StopError(ActResult.DENIED, told)


def _owned(found: Workload, owner: str) -> StopError:
    return StopError(
        ActResult.REPLICAS_OWNED,
        f"{owner} sets the replicas of {found.title}, which stay at {found.replicas}: remove it, or let it scale",
    )


def _controller(stored: Json) -> Json:
    references = stored["metadata"].get("ownerReferences") or ()
    return next((each for each in references if each.get("controller")), {})


def _applied(body: Json) -> str:
    return str((body["metadata"].get("annotations") or {}).get(stamps.APPLIED, ""))


def _held_by_us_alone(stored: Json) -> bool:
    """Whether only what we applied keeps the number of replicas: left out of it, the number would fall to 1."""
    holders = [
        (entry.get("manager"), entry.get("operation"))
        for entry in stored["metadata"].get("managedFields") or ()
        if "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    ]
    return holders == [(FIELD_MANAGER, "Apply")]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
