"""What a request says of acting, read once for each of its specs and for what surrounds it; and its plan as objects."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from placewright.api import convert
from placewright.api.acting import electricity_price, idle_rules, rollout_rules
from placewright.api.gpu_pool import GPUPool
from placewright.api.parse import parse
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.resource import PlacementRequest
from placewright.api.rollout_spec import WorkloadReference
from placewright.api.surroundings import Surroundings
from placewright.api.workload_spec import Workload as Traffic
from placewright.core.errors import InvalidRequestError, PlacewrightError
from placewright.core.model import IdleRules, Request, RolloutRules
from placewright.handlers.acting.goals import Stored
from placewright.handlers.acting.objects import Subject
from placewright.kube.manifests import RenderRefusedError, Settings, Site, of_status, settings_of, sites_of
from placewright.kube.manifests.choices import Choices
from placewright.kube.manifests.moves import Move, render_move
from placewright.kube.manifests.stamps import Owner
from placewright.telemetry.views import Key


class HeldError(PlacewrightError):
    """Nothing may be done to the workloads of a request.

    Attributes:
        reason: of the condition Applied.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What requests are read with; the same objects as long as nothing of it changes.

    Attributes:
        policies: all that can be used.
        pools: all GPUPools that can be used.
        surroundings: for reading requests.
    """

    policies: tuple[PlacementPolicy, ...]
    pools: tuple[GPUPool, ...]
    surroundings: Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a spec says, with the policies.

    Attributes:
        parsed: the request.
        rollout: how its moves go.
        idle: when it idles.
        settings: how its Pods are started.
        reference: the existing workload that is scaled; None: ours are made.
        usd_per_kwh: price of electricity; None: nobody says.
    """

    parsed: PlacementRequest
    rollout: RolloutRules
    idle: IdleRules
    settings: Settings
    reference: WorkloadReference | None
    usd_per_kwh: float | None


@dataclass(slots=True)
class _Known:
    uid: str
    generation: int
    policies: tuple[PlacementPolicy, ...]
    said: Said | InvalidRequestError
    surroundings: Surroundings | None = None
    request: Request | InvalidRequestError | None = None
    asked: object = None
    move: Move | RenderRefusedError | None = None


class Readings:
    """Keeps what was read of each request.

    Args:
        planned: the request as it is planned, with its live figures; None: it is not, or cannot be read.
    """

    def __init__(self, planned: Callable[[Key], Request | None] = lambda _: None) -> None:
        self._planned = planned
        self._known: dict[Key, _Known] = {}

    def forget(self, key: Key) -> None:
        """The request is gone."""
        self._known.pop(key, None)

    def said(self, key: Key, subject: Subject, around: Around) -> Said:
        """What its spec says.

        Raises:
            InvalidRequestError: it cannot be read.
        """
        known = self._known.get(key)
        wanted = subject.uid, subject.generation
        if known is None or (known.uid, known.generation) != wanted or known.policies is not around.policies:
            known = _Known(*wanted, around.policies, _read(subject, around.policies))
            self._known[key] = known
        if isinstance(known.said, InvalidRequestError):
            raise known.said
        return known.said

    def request(self, key: Key, subject: Subject, around: Around) -> Request:
        """The request as the core has it; its live figures count nothing here.

        Raises:
            InvalidRequestError: it does not hold together with what surrounds it.
        """
        said, known = self.said(key, subject, around), self._known[key]
        if known.request is None or known.surroundings is not around.surroundings:
            known.surroundings = around.surroundings
            try:
                known.request = convert.to_request(_lifeless(said.parsed), around.surroundings)
            except InvalidRequestError as error:  # rows of a profile may be of sizes that only live demand knows
                known.request = self._planned(key) or error
        if isinstance(known.request, InvalidRequestError):
            raise known.request
        return known.request

    def move(self, key: Key, subject: Subject, around: Around, stored: Stored, standing: Collection[str]) -> Move:
        """The plan of its status as objects, and the plan before while a ramp runs.

        Args:
            key: of the request.
            subject: the request.
            around: what it is read with.
            stored: with a plan.
            standing: names of its workloads that are there.

        Raises:
            InvalidRequestError: it does not hold together with what surrounds it.
            RenderRefusedError: it could not start, or not as planned.
        """
        said, request = self.said(key, subject, around), self.request(key, subject, around)
        sites = sites_of(request, around.pools)
        known = self._known[key]
        asked = (stored.plan, stored.before, frozenset(standing), said.settings, sites)
        if known.asked != asked or known.move is None:
            known.asked = asked
            known.move = _move(subject, request, said.settings, sites, stored, standing)
        if isinstance(known.move, RenderRefusedError):
            raise known.move
        return known.move


def _read(subject: Subject, policies: tuple[PlacementPolicy, ...]) -> Said | InvalidRequestError:
    given = {name: part for name, part in subject.resource.items() if name != "status"}
    try:
        parsed = parse(given)
        return Said(
            parsed=parsed,
            rollout=rollout_rules(parsed.spec, policies),
            idle=idle_rules(parsed.spec, policies),
            settings=settings_of(parsed.spec.render, Choices()),
            reference=parsed.spec.workload_ref,
            usd_per_kwh=electricity_price(policies),
        )
    except InvalidRequestError as error:
        return error


def _lifeless(parsed: PlacementRequest) -> PlacementRequest:
    """The request without live figures: what starts a plan that stands does not depend on them."""
    spec = parsed.spec
    workload: Traffic = spec.workload
    if workload.demand_from is not None:
        row = next(iter(spec.performance.measurements or ()), None)
        sizes = (1, 1) if row is None else (row.input_tokens, row.output_tokens)
        given = {"input_tokens": workload.input_tokens or sizes[0], "output_tokens": workload.output_tokens or sizes[1]}
        workload = workload.model_copy(update={"demand_from": None, **given})
    return parsed.model_copy(update={"spec": spec.model_copy(update={"workload": workload})})


def _move(
    subject: Subject,
    request: Request,
    settings: Settings,
    sites: Mapping[str, Site],
    stored: Stored,
    standing: Collection[str],
) -> Move | RenderRefusedError:
    metadata: dict[str, Any] = subject.resource["metadata"]
    assert stored.plan is not None, "only a plan is rendered"
    try:
        now = of_status(request, stored.plan, sites)
        before = None if stored.before is None else replace(of_status(request, stored.before, sites), approved=True)
        owner = Owner(name=metadata["name"], uid=subject.uid)
        return render_move(now, before, settings, owner=owner, standing=standing)
    except RenderRefusedError as error:
        return error
